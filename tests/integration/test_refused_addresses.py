"""A dead address that is refused at RCPT is suppressed as one that bounces is."""

import pytest

from eed_delivery.config import TrackingSettings
from eed_delivery.ledger.suppression.refused_addresses import RefusedAddresses
from eed_delivery.model import Email, Outcome, Verdict
from tests.integration.conftest import NewStack
from tests.servers.smtp_server import Say
from tests.world import World

DEAD = Outcome(Verdict.PERMANENT, "550 5.1.1 no such user", 550, "5.1.1")


def email(email_id: int, recipient: str = "Anna@Example.com\r", gen: int = 0) -> Email:
    return Email(email_id, 1, str(email_id), gen, 1, 0, recipient)


def listed(world: World) -> list[tuple[str, str, str]]:
    return list(world.execute("SELECT address, source, reason FROM eed_suppression ORDER BY address"))


def enter(world: World, one: Email, threshold: int = 1) -> bool:
    dead = RefusedAddresses(world.database, TrackingSettings(suppress_hard_bounces=threshold))
    return dead.enter(one, DEAD, "no_mailbox", DEAD.reply)


def test_it_is_on_the_list_in_its_one_form(world: World) -> None:
    assert enter(world, email(7))
    assert listed(world) == [("anna@example.com", "bounce", "hard bounce: 550 5.1.1 no such user")]
    assert not enter(world, email(7)), "the same refusal once more"


@pytest.mark.parametrize(("threshold", "after"), [(0, 0), (2, 1)])
def test_the_threshold_of_hard_bounces_counts(world: World, threshold: int, after: int) -> None:
    enter(world, email(7), threshold)
    assert listed(world) == []
    enter(world, email(8), threshold)
    assert len(listed(world)) == after


def test_the_next_job_does_not_ask_for_it_again(new_stack: NewStack) -> None:
    stack = new_stack()
    sink = stack.mail_up()
    sink.on("RCPT", Say("550 5.1.1 <dead@example.com>: no such user"), recipient="dead@example.com")
    sink.on("RCPT", Say("552 5.2.2 mailbox full"), recipient="full@example.com")
    stack.add_job(["dead@example.com", "full@example.com", "well@example.com"])
    service = stack.start("run")
    stack.wait_finished(1)
    stack.add_job(["Dead@Example.com", "full@example.com", "well@example.com"], job_id=2)
    stack.wait_finished(2)
    assert service.terminate() == 0
    assert stack.counts(2) == {"suppressed": 1, "failed": 1, "sent": 1}
    (line,) = stack.log_events("address_suppressed")
    assert "dead@" not in str(line)
