"""A job is registered by the form of a page: the same operation as by the API, once, and without a script."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client, TestResponse

from eed_delivery.errors import DatabaseGone
from eed_delivery.operations.submitting.by_the_side import ROWS_AT_ONCE
from eed_delivery.runtime import failpoints
from tests.operators_site import PASSWORD, Site
from tests.world import World

pytestmark = pytest.mark.also_on_sqlite

CSV = "email,name,amount\nanna@example.com,Anna,7\nbert@example.com,Bert,8\n"
JOB = {
    "name": "Statements",
    "sender": "bank@example.com",
    "subject": "For {{ recipient_name }}",
    "text": "{{ amount }}",
}
HERE: dict[str, Any] = {"environ_base": {"REMOTE_ADDR": "127.0.0.1"}}


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    return Site(world, tmp_path)


@pytest.fixture
def anna(site: Site) -> Client:
    site.user("anna")
    browser = site.browser()
    browser.post("/login", data={"name": "anna", "password": PASSWORD}, **HERE)
    return browser


def key_of(answer: TestResponse) -> str:
    return re.findall(r'name="key" value="([^"]+)"', answer.text)[0]


def send(browser: Client, key: str, csv: str = CSV, **fields: str) -> TestResponse:
    given = {**JOB, "key": key, **fields, "recipients": (io.BytesIO(csv.encode()), "recipients.csv")}
    return browser.post("/submit", data=given, **HERE)


def jobs(site: Site) -> list[Any]:
    return list(site.world.execute("SELECT name, status, expires_at IS NOT NULL FROM delivery_job ORDER BY id"))


def test_a_form_registers_a_job_once_however_often_it_is_sent(site: Site, anna: Client) -> None:
    assert 'href="/submit"' in anna.get("/jobs", **HERE).text
    key = key_of(anna.get("/submit", **HERE))
    first = send(anna, key, expires="2037-01-01T00:00:00+01:00")
    assert (first.status_code, first.headers["Location"]) == (303, "/jobs"), first.text
    assert "is registered, with 2 emails" in anna.get("/jobs", **HERE).text
    again = send(anna, key, expires="2037-01-01T00:00:00+01:00")
    assert (again.status_code, again.headers["Location"]) == (303, "/jobs")
    assert jobs(site) == [("Statements", "processing", 1)]
    assert site.world.execute("SELECT who, surface, count FROM eed_audit WHERE act = 'submit'") == [("anna", "page", 2)]
    other = send(anna, key, CSV + "c@example.com,C,9\n")
    assert (other.status_code, "has registered a job already" in other.text) == (409, True)
    assert key_of(other) != key
    assert send(anna, key_of(other), CSV + "c@example.com,C,9\n").status_code == 303
    assert len(jobs(site)) == 2


def test_a_long_file_is_registered_by_an_operation(site: Site, anna: Client) -> None:
    rows = "".join(f"a{n}@example.com,N,{n}\n" for n in range(ROWS_AT_ONCE))
    answer = send(anna, "one", CSV + rows)
    act_id = site.world.scalar("SELECT operation_id FROM eed_operation")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/operations/{act_id}"), answer.text
    assert send(anna, "one", CSV + rows).headers["Location"] == f"/operations/{act_id}"
    assert site.world.scalar("SELECT COUNT(*) FROM eed_operation") == 1


def test_a_check_shows_the_first_email_and_registers_nothing(site: Site, anna: Client) -> None:
    answer = send(anna, "one", dry_run="yes")
    assert (answer.status_code, jobs(site)) == (200, [])
    assert "For Anna" in answer.text
    assert "anna@" not in answer.text, "without see_recipients it is masked"
    assert "2 emails would be registered" in answer.text
    assert send(anna, "one").status_code == 303


@pytest.mark.parametrize(
    ("csv", "fields", "what", "field"),
    [
        (CSV + "no address,X,1\n", {}, "1 of 3 rows are bad", "recipients"),
        ("email\n", {}, "There is no row to register", "recipients"),
        ("name\nAnna\n", {}, "names no column", "recipients"),
        (CSV, {"name": ""}, "Enter: name.", "name"),
        (CSV, {"text": ""}, "needs an html or a text template", "html"),
        (CSV, {"expires": "tomorrow"}, "not a time with its zone", "expires"),
        (CSV, {"expires": "2037-01-01T00:00:00"}, "not a time with its zone", "expires"),
        (CSV, {"expires": "2001-01-01T00:00:00Z"}, "in the past", "expires"),
        (CSV, {"category": "news"}, "jobs have no category here", "category"),
        (CSV, {"channel": "letters"}, "jobs name no channel here", "channel"),
        (CSV, {"subject": "{{ broken"}, "broken", ""),
        (CSV, {"encoding": "klingon"}, "klingon", "encoding"),
        (CSV, {"key": ""}, "Send this form again", ""),
    ],
)
def test_a_mistake_stands_beside_its_field_and_nothing_is_lost(
    site: Site, anna: Client, csv: str, fields: dict[str, str], what: str, field: str
) -> None:
    answer = send(anna, **{"key": "one", "csv": csv, **fields})
    assert (answer.status_code, jobs(site)) == (422, []), answer.text
    assert what.lower() in answer.text.lower()
    assert 'value="bank@example.com"' in answer.text
    if field:
        assert f'href="#{field}"' in answer.text
    assert "no address" not in answer.text or "line 4" in answer.text.lower() or ">4<" in answer.text


def test_a_job_that_broke_off_is_named_where_it_was_registered(site: Site, anna: Client) -> None:
    """Another person discards it before it is ready. Page and API say what is left."""

    def discard(place: str) -> None:
        if place == "submit.added":
            (job,) = site.operations.incomplete_jobs.all()
            site.operations.incomplete_jobs.discard(job.key, "wrong file")

    failpoints.hook(discard)
    try:
        answer = send(anna, "one")
        given = {"job": json.dumps(JOB), "recipients": (io.BytesIO(CSV.encode()), "r.csv")}
        headers = {"Authorization": f"Bearer {site.token('operator')}", "Idempotency-Key": "two"}
        told = Client(site.app).post("/api/v1/jobs", data=given, headers=headers, **HERE)
    finally:
        failpoints.hook(None)
    assert answer.status_code == 422
    assert "Job 1 is not complete." in answer.text
    assert 'id="left" href="/submissions"' in answer.text
    assert told.json is not None
    assert "Job 2 is not complete. It stays" in told.json["detail"]


def test_a_database_that_is_away_in_the_middle_leaves_a_job_that_is_named(site: Site, anna: Client) -> None:
    def away(place: str) -> None:
        if place == "submit.added":
            raise DatabaseGone("the database is away")

    failpoints.hook(away)
    try:
        answer = send(anna, "one")
    finally:
        failpoints.hook(None)
    assert answer.status_code == 503
    assert "Job 1 is not complete." in answer.text
    assert 'id="left" href="/submissions"' in answer.text
    assert 'value="bank@example.com"' in answer.text


def test_a_form_without_its_file_is_shown_again(site: Site, anna: Client) -> None:
    answer = anna.post("/submit", data={**JOB, "key": "one"}, **HERE)
    assert (answer.status_code, "Choose a file." in answer.text, jobs(site)) == (422, True, [])


def test_where_another_system_registers_the_jobs_there_is_no_form(world: World, tmp_path: Path) -> None:
    site = Site(world, tmp_path, '[source.email]\nrecipient_name = ""\n')
    assert site.ask("GET", "/submit", role="operator").status_code == 409
    assert 'href="/submit"' not in site.ask("GET", "/jobs", role="operator").text
    assert site.ask("GET", "/submit", role="viewer").status_code == 403
