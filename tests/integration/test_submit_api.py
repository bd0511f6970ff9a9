"""Jobs that a caller registers by the API: with their recipients in the request, or in S3."""

import hashlib
import io
import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event
from werkzeug.test import Client, TestResponse

from eed_delivery.app.aws_clients import AwsClients
from eed_delivery.operations.repeats import KeyedRequest, KeyTaken
from eed_delivery.operations.submitting.drafts import JobDraft
from eed_delivery.operations.submitting.uploading import UploadedJob
from eed_delivery.runtime import failpoints
from tests.operators_site import Site
from tests.servers.ministack import MiniStack
from tests.world import World

CSV = "email,name,amount\nanna@example.com,Anna,7\nbert@example.com,Bert,8\n"
JOB = {
    "name": "Statements",
    "sender": "bank@example.com",
    "subject": "For {{ recipient_name }}",
    "text": "{{ amount }}",
}
LARGEST = 2**26


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    return Site(world, tmp_path)


def submit(
    site: Site, csv: str | bytes = CSV, job: Any = JOB, *, key: str | None = "one", query: str = "", **parts: Any
) -> TestResponse:
    content = csv.encode() if isinstance(csv, str) else csv
    text = job if isinstance(job, str) else json.dumps(job)
    given = {"job": text, "recipients": (io.BytesIO(content), "recipients.csv"), **parts}
    headers = {"Authorization": f"Bearer {site.token('operator')}"}
    if key is not None:
        headers["Idempotency-Key"] = key
    return Client(site.app).post(
        f"/api/v1/jobs{query}", data=given, headers=headers, environ_base={"REMOTE_ADDR": "127.0.0.1"}
    )


def jobs(site: Site) -> list[tuple[Any, ...]]:
    return list(site.world.execute("SELECT name, status FROM delivery_job ORDER BY id"))


def test_a_job_is_registered_once_with_its_recipients(site: Site) -> None:
    answer = submit(site)
    assert answer.status_code == 201, answer.text
    key = answer.json["key"]  # type: ignore[index]
    assert answer.json == {"key": key, "emails": 2, "first": None, "notes": []}
    assert answer.headers["Location"] == f"/api/v1/jobs/{key}"
    again = submit(site)
    assert (again.status_code, again.json, again.headers["Idempotent-Replayed"]) == (201, answer.json, "true")
    assert jobs(site) == [("Statements", "processing")]
    assert site.world.execute("SELECT recipient FROM delivery_email ORDER BY id") == [
        ("anna@example.com",), ("bert@example.com",)
    ]  # fmt: skip
    assert site.world.execute("SELECT who, surface, object_key, count FROM eed_audit WHERE act = 'submit'") == [
        ("token operator", "api", key, 2)
    ]
    assert submit(site, CSV + "c@example.com,C,9\n").status_code == 422, "the key came with another file"


def test_a_request_whose_process_was_killed_after_the_act_is_answered_and_not_done_again(site: Site) -> None:
    digest = hashlib.sha256(json.dumps(JOB).encode() + CSV.encode()).hexdigest()
    taken = site.operations.repeats.take(KeyedRequest("token operator", "one", "POST", "/api/v1/jobs?", digest))
    assert isinstance(taken, KeyTaken)
    assert submit(site).status_code == 409, "it is still at work"
    site.world.execute("UPDATE eed_idempotency_key SET lease_until = '2001-01-01 00:00:00.000000'")
    site.world.execute(
        "INSERT INTO eed_audit (act, who, at, object_kind, object_key, count, operation)"
        " VALUES ('submit', 'token operator', '2001-01-01 00:00:00', 'job', '77', 2, :operation)",
        operation=taken.operation,
    )
    answer = submit(site)
    assert (answer.status_code, answer.json) == (201, {"key": "77", "emails": 2, "first": None, "notes": []})
    assert jobs(site) == []


def test_a_process_that_was_frozen_before_the_end_does_not_register_the_job_again(site: Site) -> None:
    answers: list[TestResponse] = []

    def thaw(place: str) -> None:
        if place == "submit.added" and not answers:
            failpoints.hook(None)
            site.world.execute("UPDATE eed_idempotency_key SET lease_until = '2001-01-01 00:00:00.000000'")
            answers.append(submit(site))

    failpoints.hook(thaw)
    try:
        frozen = submit(site)
    finally:
        failpoints.hook(None)
    assert [answer.status_code for answer in answers] == [201]
    assert frozen.status_code == 409, frozen.text
    assert jobs(site) == [("Statements", "preparing"), ("Statements", "processing")]
    assert site.world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'submit'") == 1
    assert submit(site).json == answers[0].json


def test_the_key_is_kept_while_the_file_is_checked(site: Site) -> None:
    kept: list[str] = []

    def seen(c: Any, cursor: Any, statement: str, *_: Any) -> None:
        if "UPDATE eed_idempotency_key SET lease_until" in statement or "INSERT INTO delivery_job" in statement:
            kept.append(statement.split()[0])

    event.listen(site.world.database.engine, "before_cursor_execute", seen)
    try:
        assert submit(site).status_code == 201
    finally:
        event.remove(site.world.database.engine, "before_cursor_execute", seen)
    assert kept == ["UPDATE", "INSERT", "UPDATE"], "checked, entered, released"


def test_a_check_says_often_that_it_is_at_work(site: Site) -> None:
    draft = JobDraft(**{name: JOB.get(name) for name in ("name", "sender", "subject", "text")})
    calls: list[int] = []
    uploaded = UploadedJob(draft, io.BytesIO((CSV + "c@example.com,C,9\n" * 50).encode()))
    with site.operations.uploading.checked(uploaded, lambda: calls.append(1)):
        assert len(calls) >= 52


def test_a_dry_run_shows_the_first_email_and_registers_nothing(site: Site) -> None:
    answer = submit(site, query="?dry_run=true", key=None)
    assert answer.status_code == 200, answer.text
    assert answer.json is not None
    assert (answer.json["key"], answer.json["emails"]) == (None, 2)
    assert answer.json["first"]["subject"] == "For Anna"
    assert "anna@" not in answer.text
    assert jobs(site) == []


def test_the_first_hundred_bad_rows_are_named_by_their_line_and_nothing_is_registered(site: Site) -> None:
    answer = submit(site, CSV + "no address,X,1\n" * 150)
    assert (answer.status_code, jobs(site)) == (422, [])
    assert answer.json is not None
    assert answer.json["errors_total"] == 150
    assert [error["pointer"] for error in answer.json["errors"]] == [f"/recipients/{n}" for n in range(4, 104)]
    assert submit(site).status_code == 201, "the key is free again"


@pytest.mark.parametrize(
    ("csv", "job", "status"),
    [
        (CSV.encode("utf-16"), JOB, 201),
        (b"\xef\xbb\xbf" + CSV.encode(), JOB, 201),
        (CSV.replace("Anna", "Änne").encode("cp1252"), {**JOB, "encoding": "cp1252"}, 201),
        (CSV.replace(",", ";"), {**JOB, "delimiter": ";"}, 201),
        (CSV.replace("Anna", "Änne").encode("cp1252"), JOB, 422),
        (CSV, {**JOB, "encoding": "klingon"}, 422),
        (CSV, {**JOB, "subject": "{{ broken"}, 422),
        (CSV, {**JOB, "unknown": 1}, 422),
        (CSV, {**JOB, "expires": "2001-01-01T00:00:00Z"}, 422),
        (CSV, {**JOB, "text": None}, 422),
        (CSV, "{", 400),
        ("PK\x03\x04", JOB, 422),
        ("", JOB, 422),
        ("email\n", JOB, 422),
        ("name\nAnna\n", JOB, 422),
    ],
)
def test_what_a_file_and_a_job_may_be(site: Site, csv: str | bytes, job: Any, status: int) -> None:
    answer = submit(site, csv, job)
    assert answer.status_code == status, answer.text
    assert len(jobs(site)) == (status == 201)
    assert "Änne" not in answer.text


def test_other_parts_and_bodies_are_refused(site: Site) -> None:
    assert submit(site, more="x").status_code == 422
    assert submit(site, key=None).status_code == 428
    for path in ("/api/v1/jobs", "/api/v1/jobs?dry_run=true"):
        assert site.problem("POST", path, {**JOB, "recipients": {"s3": "s3://files/x.csv"}}, role="viewer")[0] == 403
    assert site.ask("POST", "/api/v1/jobs", "x", role="operator").status_code == 400
    assert jobs(site) == []


def test_what_is_parsed_is_bounded_and_so_are_the_errors_named(site: Site) -> None:
    unknown = {f"name_{number}": 1 for number in range(150)}
    status, problem = site.problem("POST", "/api/v1/jobs", unknown, Idempotency_Key="one")
    assert (status, len(problem["errors"])) == (422, 100)
    assert problem["errors_total"] > 150
    large = json.dumps({"html": "x" * 2**21})
    assert site.problem("POST", "/api/v1/jobs", large, Idempotency_Key="one")[0] == 413
    assert submit(site, job=large).status_code == 413
    file = (io.BytesIO(large.encode()), "job.json")
    parts = {"job": file, "recipients": (io.BytesIO(CSV.encode()), "recipients.csv")}
    headers = {"Authorization": f"Bearer {site.token('operator')}", "Idempotency-Key": "one"}
    answer = Client(site.app).post(
        "/api/v1/jobs", data=parts, headers=headers, environ_base={"REMOTE_ADDR": "127.0.0.1"}
    )
    assert answer.status_code == 413


def test_a_file_beyond_the_limit_is_refused(site: Site) -> None:
    answer = submit(site, b"email\n" + b"x" * LARGEST)
    assert (answer.status_code, answer.json and answer.json["type"][-9:]) == (413, "too_large")
    large = {"reason": "x" * 2**21}
    assert site.problem("POST", "/api/v1/holds", large)[0] == 413, "other routes take less"


def test_a_file_in_s3_is_the_one_that_is_meant(world: World, tmp_path: Path, ministack: MiniStack) -> None:
    more = """[operators]
listen = "127.0.0.1:8027"
submit_s3 = ["s3://files/in"]
"""
    site = Site(world, tmp_path, more, environ={"EED_RENDERING__S3_ENDPOINT_URL": ministack.endpoint_url})
    s3 = AwsClients(site.settings).submitted()
    s3.create_bucket(Bucket="files")
    s3.put_object(Bucket="files", Key="in/a.csv", Body=CSV.encode())
    digest = hashlib.sha256(CSV.encode()).hexdigest()

    keys: list[int] = []

    def ask(**place: str) -> int:
        keys.append(len(keys))
        body = {**JOB, "recipients": {"s3": "s3://files/in/a.csv", **place}}
        answer = site.ask("POST", "/api/v1/jobs", body, role="operator", Idempotency_Key=f"{len(keys)}")
        return answer.status_code

    assert ask(sha256=digest) == 201
    assert ask(sha256="0" * 64) == 409
    assert ask(s3="s3://files/in/b.csv") == 409
    assert ask(s3="s3://files/input/a.csv") == ask(s3="s3://files/in/../a.csv") == 422
    s3.put_object(Bucket="files", Key="in/a.csv", Body=CSV.replace("7", "8").encode())
    assert ask(sha256=digest, s3="s3://files/in/a.csv") == 409, "it has changed meanwhile"
    assert len(jobs(site)) == 1
