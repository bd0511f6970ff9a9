"""What the transport tests send, and the grant they send it with."""

from eed_delivery.errors import NoGrant
from eed_delivery.model import Rendered

SENDER = "statements@bank.example"
RECIPIENT = "customer@example.com"

CONTENT = (
    b"From: The Bank <statements@bank.example>\r\nTo: A Customer <customer@example.com>\r\n"
    b"Subject: Your statement\r\nMessage-ID: <17.1@bank.example>\r\nDate: Mon, 01 Jan 2024 00:00:00 +0000\r\n"
    b"\r\nDear customer,\r\n.\r\n..two dots\r\n. a dot\r\n\r\nGoodbye.\r\n"
)


def message(
    *,
    content: bytes = CONTENT,
    email_id: int = 17,
    gen: int = 1,
    sender: str = SENDER,
    recipient: str = RECIPIENT,
    needs_smtputf8: bool = False,
) -> Rendered:
    """A finished message, different from the usual one where a test says so."""
    return Rendered(email_id, gen, sender, recipient, f"<{email_id}.{gen}@bank.example>", content, needs_smtputf8)


class Wire:
    """A grant that counts how often it was asked, and says no (NoGrant) as long as `answer` is an error."""

    def __init__(self, answer: Exception | None = None) -> None:
        self.asked = 0
        self.answer = answer

    def __call__(self) -> None:
        self.asked += 1
        if self.answer is not None:
            raise self.answer


def no_grant() -> Wire:
    """A wire that is refused."""
    return Wire(NoGrant("the job is paused"))
