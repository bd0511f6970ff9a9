"""What rows lack, over the whole service: values that are NULL, templates that are blank, names that are ours."""

import json

from tests.integration.conftest import NewStack
from tests.stack import Stack

BLANK = " \n "


def customers(count: int) -> list[str]:
    return [f"c{n}@example.com" for n in range(1, count + 1)]


def balances(n: int) -> str:
    """Every other customer has none."""
    return json.dumps({"name": "Zoë", "balance": "7.50" if n % 2 else None})


def reasons(stack: Stack) -> set[tuple[str, str]]:
    return set(stack.world.execute("SELECT state, detail FROM eed_email"))


def test_emails_that_print_a_missing_value_are_counted_in_the_log(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.add_job(customers(80), variables=balances, html_template="Balance: EUR {{ balance }}")
    stack.mail_up()
    service = stack.start("run")
    stack.wait_finished(1)
    service.stop_seconds()
    assert stack.counts() == {"sent": 80}
    lines = stack.log_events("values_missing")
    assert {(line["job_id"], line["value"], line["level"]) for line in lines} == {(1, "balance", "warning")}
    assert sum(line["emails"] for line in lines) == 40
    sent = stack.log_events("sent")
    assert [line["email_id"] % 2 for line in sent if line.get("missing") == ["balance"]] == [0] * 40
    assert not [line for line in sent if "missing" in line and line["email_id"] % 2]


def test_they_may_fail_instead_and_the_reason_names_the_value(new_stack: NewStack) -> None:
    stack = new_stack({"rendering.missing": "fail"})
    stack.add_job(customers(4), variables=balances, html_template="Balance: EUR {{ balance }}")
    stack.mail_up()
    stack.start("run")
    stack.wait_finished(1)
    assert stack.counts() == {"sent": 2, "failed": 2}
    (reason,) = {detail for state, detail in reasons(stack) if state == "failed"}
    assert reason.startswith("html template, line 1: balance has no value for this email")
    assert stack.log_events("values_missing") == []


def test_a_job_whose_only_template_is_blank_fails_before_its_first_email(new_stack: NewStack) -> None:
    stack = new_stack()
    stack.add_job(customers(3), html_template=BLANK)
    stack.mail_up()
    stack.start("run")
    stack.wait_finished(1)
    assert stack.counts() == {"failed": 3}
    assert stack.sink_ledger.read() == []
    ((state, reason),) = stack.world.execute("SELECT state, reason FROM eed_job")
    assert "neither an HTML nor a text template, or they are blank" in reason
    assert state in ("failed", "finished")
