"""Mailboxes are the addresses and names that the source holds, checked and brought into the form of a header.

The texts of errors never repeat a recipient's address, because they are logged.
"""

import re
from functools import lru_cache

from eed_delivery.addresses import NotAnAddress, wire_form
from eed_delivery.errors import RenderError
from eed_delivery.light_dataclass import light_dataclass
from eed_delivery.rendering.headers import mailbox, one_line


@light_dataclass
class Mailbox:
    """A checked address with its display name.

    `address` is what goes into the envelope and the header. Its domain is always ASCII (punycode). Where its local part
    is not, `needs_smtputf8` is true and only a server with SMTPUTF8 (RFC 6531) can take it.
    """

    address: str
    name: str | None = None

    @property
    def needs_smtputf8(self) -> bool:
        """True when the address itself is not ASCII."""
        return not self.address.isascii()

    def header(self) -> str:
        """As the value of From, To or Reply-To. It may be folded."""
        return mailbox(self.name, self.address)


def recipient(address: str, name: str | None) -> Mailbox:
    """The one recipient of an email. Raises RenderError when the address cannot be one."""
    return Mailbox(as_rendered(address), one_line(name, "recipient's name") if name else None)


def as_rendered(address: str) -> str:
    """A recipient's address as it goes into the envelope and the To header.

    Raises RenderError when it cannot be one.
    """
    text = one_line(address, "recipient's address")
    if not text:
        raise RenderError("the email has no recipient's address")
    return _checked(text, "recipient's address")


@lru_cache(maxsize=256)  # the same few senders, for every email
def sender(text: str, what: str) -> Mailbox:
    """`addr` or `Name <addr>`, as a job's sender or reply_to holds it. `what` names it in errors."""
    line = one_line(text, what)
    name, bracket, rest = line.rpartition("<")
    if not bracket:
        return Mailbox(_checked(line, what))
    if not rest.endswith(">"):
        raise RenderError(f"the {what} is neither an address nor a name with an <address> after it")
    return Mailbox(_checked(rest[:-1].strip(), what), _display_name(name.strip(), what))


def _display_name(text: str, what: str) -> str | None:
    quoted = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', text)
    if quoted:
        return re.sub(r"\\(.)", r"\1", quoted[1]).strip() or None
    if re.search(r'[<>"]', text):
        raise RenderError(f"the {what} holds more than one name and one <address>")
    return text or None


def _checked(address: str, what: str) -> str:
    """The address in wire form. Raises RenderError."""
    try:
        return wire_form(address)
    except NotAnAddress as error:
        raise RenderError(f"the {what} is not valid: {error}") from error
