"""Replies of mail servers are stored without addresses, and judged by what they said (`privacy.store_replies`)."""

from collections.abc import Iterator

import pytest

from eed_delivery.ledger.schema import metadata
from tests.integration.conftest import NewStack
from tests.servers.smtp_server import Say, SayEach
from tests.stack import Stack

SIGRID = "sigrid.meyer@example.com"
WHSEC = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
TABLES = {
    "eed_email": "detail",
    "eed_attempt": "reply",
    "eed_event": "detail",
    "eed_suppression": "reason",
    "eed_domain_hold": "reason",
    "eed_job": "reason",
    "eed_audit": "reason",
    "eed_webhook": "facts",
    "eed_refusal": "reason",
    "delivery_email": "status_detail",
}


def stored(stack: Stack) -> Iterator[tuple[str, str]]:
    """Each text of ledger and source that quotes a reply, with its table."""
    for table, column in TABLES.items():
        assert table.startswith("delivery") or column in metadata.tables[table].c
        for (text,) in stack.world.execute(f"SELECT {column} FROM {table} WHERE {column} IS NOT NULL"):
            yield table, text


@pytest.mark.parametrize("store", ["masked", "verbatim"])
def test_no_reply_is_stored_with_an_address_unless_it_is_wanted(new_stack: NewStack, store: str) -> None:
    """The mail server quotes the recipient when it refuses one email, all of a domain, and all of a job."""
    settings = {"worker.same_answer_limit": 5, "worker.same_answer_window": 20, "privacy.store_replies": store}
    stack = new_stack({**settings, "webhooks.url": "http://127.0.0.1:9/"}, environ={"EED_WEBHOOKS__SECRET": WHSEC})
    mail = stack.mail_up()
    mail.on("RCPT", Say(f"550 5.1.1 <{SIGRID}>: {SIGRID.replace('@', '%40')} does not exist"), recipient=SIGRID)
    held = [f"sigrid.meyer.{n}@held.example" for n in range(6)]
    for one in held:
        mail.on("RCPT", Say(f"421 4.7.0 <{one}> we are busy, come again"), recipient=one)
    mail.on("dot", SayEach(lambda to: f"550 5.7.1 message for <{to}> was rejected as spam"))
    stack.add_job([SIGRID, *held], job_id=1)
    stack.add_job([f"sigrid.meyer.{n}@d{n % 5}.example" for n in range(20)], job_id=2)
    stack.start("run")
    stack.wait_until(lambda: stack.counts(1)["failed"] == 1, "one is dead")
    stack.wait_until(lambda: bool(stack.world.execute("SELECT 1 FROM eed_domain_hold")), "a domain is held")
    paused = "SELECT 1 FROM eed_job WHERE job_id = 2 AND state = 'paused'"
    stack.wait_until(lambda: bool(stack.world.execute(paused)), "the job is paused")
    found = list(stored(stack))
    named = {table for table, text in found if "sigrid.meyer" in text}
    masked = {table for table, text in found if "***@" in text or "***%40" in text}
    where = {"eed_attempt", "eed_email", "delivery_email", "eed_job", "eed_audit", "eed_domain_hold"}
    assert where <= (masked if store == "masked" else named)
    assert named.isdisjoint({"eed_event", "eed_suppression", "eed_webhook"} if store == "verbatim" else TABLES)
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_suppression WHERE address = :a", a=SIGRID) == 1
