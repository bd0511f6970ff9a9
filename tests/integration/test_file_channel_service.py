"""A channel that puts files, in the whole service: each email's document once, none in doubt after kill -9, and a
manifest behind them."""

import hashlib
import json
from typing import Any

import psutil
import pytest

from tests.integration.conftest import NewStack
from tests.servers.ministack import MiniStack
from tests.stack import Stack

BUCKET = "bank-documents"
EMAILS = 30
END_LEASES = """
    UPDATE eed_email SET lease_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND
    WHERE state = 'sending' AND wire_at IS NOT NULL
"""


@pytest.fixture
def stack(request: pytest.FixtureRequest, new_stack: NewStack, ministack: MiniStack) -> Stack:
    """A parameter is another template of the path."""
    url, dead = ministack.make_queue("documents-channel", max_receive_count=10, visibility_timeout=20)
    s3 = ministack.client("s3")
    s3.create_bucket(Bucket=BUCKET)
    for key in objects(ministack):  # of the test before
        s3.delete_object(Bucket=BUCKET, Key=key)
    settings: dict[str, Any] = {
        "source.job.channel": "channel",
        "queue.visibility_timeout_seconds": 20,
        "worker.lease_seconds": 5,
        "worker.heartbeat_seconds": 1,
        "sweeper.interval_seconds": 0.5,
        "channel.documents.kind": "s3",
        "channel.documents.queue": {"url": url, "dead_letter_url": dead},
        "channel.documents.threads": 2,
        "channel.documents.bucket": BUCKET,
        "channel.documents.region": "us-east-1",
        "channel.documents.endpoint_url": ministack.endpoint_url,
        "channel.documents.documents": ["html"],
        "channel.documents.path": getattr(request, "param", "{{ job }}/{{ filename }}"),
        "channel.documents.connect_timeout_seconds": 1,
        "channel.documents.read_timeout_seconds": 2,
    }
    return new_stack(settings)


@pytest.fixture
def ids(stack: Stack) -> list[int]:
    return stack.add_job([f"c{n}@example.com" for n in range(EMAILS)], channel="documents")


def is_alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def objects(ministack: MiniStack, prefix: str = "") -> dict[str, bytes]:
    s3 = ministack.client("s3")
    keys = [one["Key"] for one in s3.list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])]
    return {key: s3.get_object(Bucket=BUCKET, Key=key)["Body"].read() for key in keys}


def documents(ministack: MiniStack) -> list[str]:
    return sorted(key for key in objects(ministack) if "manifest" not in key)


def check_manifest(stack: Stack, ministack: MiniStack, ids: list[int], edition: str = "") -> None:
    """Both files are there, and say of each document what it is."""
    there = objects(ministack)
    table, document = there[f"1/manifest{edition}.csv"], there[f"1/manifest{edition}.json"]
    said = json.loads(document)
    assert said["csv"]["sha256"] == hashlib.sha256(table).hexdigest()
    assert {one["name"]: (one["size"], one["sha256"], one["email"]) for one in said["files"]} == {
        key: (len(there[key]), hashlib.sha256(there[key]).hexdigest(), key[2:-5]) for key in documents(ministack)
    }
    assert said["count"] == len(ids) and table.count(b"\r\n") == len(ids) + 1
    kept = json.loads(stack.command("job", "1", "--json").output)["manifests"][-1]
    assert kept["sha256"] == hashlib.sha256(document).hexdigest() and kept["put_at"] is not None


def is_put(stack: Stack, count: int = 1) -> bool:
    return bool(stack.world.scalar("SELECT COUNT(*) = :n FROM eed_manifest WHERE put_at IS NOT NULL", n=count))


def test_each_email_of_the_channel_becomes_a_file(stack: Stack, ministack: MiniStack, ids: list[int]) -> None:
    service = stack.start("run")
    stack.wait_finished(1)
    assert service.terminate() == 0
    assert stack.counts(1) == {"sent": EMAILS}
    assert documents(ministack) == sorted(f"1/{email_id}.html" for email_id in ids)


@pytest.mark.parametrize("stack", ["alike/letter.html"], indirect=True)
def test_of_two_emails_with_one_path_and_other_bytes_one_fails_and_says_why(stack: Stack, ministack: MiniStack) -> None:
    stack.add_job(["a@example.com", "b@example.com"], channel="documents")
    service = stack.start("run")
    stack.wait_finished(1)
    assert service.terminate() == 0
    ((failed, reason),) = stack.world.execute("SELECT email_id, detail FROM eed_email WHERE state = 'failed'")
    assert "other bytes, which stay" in reason
    (sent,) = stack.world.execute("SELECT email_id FROM eed_email WHERE state = 'sent'")
    assert list(objects(ministack, "alike/")) == ["alike/letter.html"]
    kept = ministack.client("s3").get_object(Bucket=BUCKET, Key="alike/letter.html")["Body"].read().decode()
    assert f"Zoë {sent[0] - 100_000}" in kept, f"that of {failed} is not there"


@pytest.mark.parametrize("place", ["worker.wired", "worker.sent", "worker.recorded"])
def test_a_worker_that_is_killed_leaves_no_file_in_doubt(
    stack: Stack, ministack: MiniStack, ids: list[int], place: str
) -> None:
    host = stack.start("run", environ={"EED_FAILPOINTS": f"{place}=kill@2"})
    stack.wait_until(lambda: bool(stack.log_events("role_died")), "it was killed")
    host.kill()
    pids = [event["pid"] for event in stack.log_events("role_started")]
    stack.wait_until(lambda: not any(map(is_alive, pids)), "all its processes are gone")
    stack.start("run")
    stack.world.execute(END_LEASES)  # in place of the minutes that a file may take to be put
    stack.wait_finished(1)
    assert stack.counts(1) == {"sent": EMAILS}
    assert documents(ministack) == sorted(f"1/{email_id}.html" for email_id in ids)
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_email WHERE attempts <> 1") == 0
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_attempt WHERE verdict = 'in_doubt'") == 0


@pytest.mark.parametrize("place", ["manifest.frozen", "manifest.put", "manifest.recorded"])
def test_a_worker_that_is_killed_at_its_manifest_leaves_one_version_of_it(
    stack: Stack, ministack: MiniStack, ids: list[int], place: str
) -> None:
    host = stack.start("run", environ={"EED_FAILPOINTS": f"{place}=kill"})
    stack.wait_until(lambda: bool(stack.log_events("role_died")), "it was killed")
    host.kill()
    before = objects(ministack)
    stack.start("run")
    stack.world.execute("UPDATE eed_manifest SET lease_until = NULL WHERE put_at IS NULL")
    stack.wait_until(lambda: is_put(stack), "its manifest is put")
    assert objects(ministack).items() >= before.items()
    check_manifest(stack, ministack, ids)
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_audit WHERE act = 'manifest_put'") == 1


def test_a_held_channel_keeps_its_manifest_and_a_requeue_gets_a_second_one(
    stack: Stack, ministack: MiniStack, ids: list[int]
) -> None:
    lost = ids[-1]
    ministack.client("s3").put_object(Bucket=BUCKET, Key=f"1/{lost}.html", Body=b"another's")
    host = stack.start("run", environ={"EED_FAILPOINTS": "manifest.frozen=kill"})
    stack.wait_until(lambda: bool(stack.log_events("role_died")), "it was killed with its manifest in hand")
    stack.command("channel", "hold", "documents", "--reason", "a look at the bucket")
    host.kill()
    stack.world.execute("UPDATE eed_manifest SET lease_until = NULL")
    stack.start("run")
    assert "manifest 1 outstanding since" in stack.command("job", "1").output
    stack.add_job(["z@example.com"], 2)
    stack.mail_up()
    stack.wait_finished(2)  # the service works, but for the held channel
    assert not is_put(stack) and not any("manifest" in key for key in objects(ministack))
    stack.command("channel", "release", "documents")
    stack.wait_until(lambda: is_put(stack), "its manifest is put")
    assert "manifest 1 put at" in stack.command("job", "1").output
    first = objects(ministack)["1/manifest.json"]
    ministack.client("s3").delete_object(Bucket=BUCKET, Key=f"1/{lost}.html")
    stack.command("requeue", "--job", "1", "--state", "failed", "--yes")
    stack.wait_until(lambda: is_put(stack, 2), "its second manifest is put")
    check_manifest(stack, ministack, ids, "-2")
    assert objects(ministack)["1/manifest.json"] == first
    certificate = json.loads(stack.command("report", "1", "--format", "json").output)["certificate"]
    assert [one["number"] for one in certificate["manifests"]] == [1, 2]
