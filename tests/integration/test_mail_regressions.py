"""Defects of other people's mailers that ours must not have, each under the name it has there."""

from tests.integration.conftest import NewStack
from tests.servers.smtp_server import Accept, Close, Reset, Say


def people(count: int) -> list[str]:
    return [f"customer{n}@example.com" for n in range(1, count + 1)]


def test_kobotoolbox_kpi_7435_no_resend_after_an_ambiguous_drop(new_stack: NewStack) -> None:
    """Over a kept connection a drop after the dot looks like one that had died before: kpi connected anew and sent the
    same email again. One that was dead before its first command may be replaced; after the dot there is only doubt."""
    stack = new_stack({"worker.threads": 1})
    recipients = people(12)
    stack.add_job(recipients)
    mail = stack.mail_up()
    hit = {"customer4@example.com", "customer8@example.com"}
    mail.on("dot", Accept(then=Close()), recipient="customer4@example.com")
    mail.on("dot", Accept(then=Reset()), recipient="customer8@example.com")
    dead_before = mail.on("MAIL", Reset(), times=1, when=lambda _: len(mail.received) == 2)
    service = stack.start("run")
    stack.wait_finished(1)
    assert service.terminate() == 0
    again = stack.start("run")  # nor does a new life of the service send them again
    stack.wait_until(lambda: bool(again.log_events("ready")), "the service is up again")
    assert again.terminate() == 0
    books = stack.balance()
    assert books.counts == {"sent": 10, "in_doubt": 2}
    assert {entry.recipient for entry in books.entries if entry.state == "in_doubt"} == hit
    assert sorted(taken.recipient for taken in books.taken) == sorted(recipients), "each arrived once, those two also"
    assert len(dead_before.struck) == 1
    assert mail.connections < len(recipients), "connections are kept, or there was nothing to test"


def test_kobotoolbox_kpi_7435_a_refusal_after_the_dot_is_no_drop(new_stack: NewStack) -> None:
    """The other side of it: a 4xx after the dot is a clear no, even when the server hangs up with it."""
    stack = new_stack()
    stack.add_job(people(6))
    mail = stack.mail_up()
    mail.on("dot", Say("421 4.3.2 shutting down", then=Close()), recipient="customer3@example.com", times=1)
    service = stack.start("run")
    stack.wait_finished(1)
    assert service.terminate() == 0
    assert stack.balance().counts == {"sent": 6}
    tries = dict(stack.world.execute("SELECT recipient, attempts FROM delivery_email"))
    assert tries == dict.fromkeys(people(6), 1), "that the server shuts down is nobody's fault"
