"""A channel that puts files, in the whole service: each email's document once, and none in doubt after kill -9."""

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


def objects(ministack: MiniStack, prefix: str = "1/") -> list[str]:
    found = ministack.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=prefix).get("Contents", [])
    return sorted(one["Key"] for one in found)


def test_each_email_of_the_channel_becomes_a_file(stack: Stack, ministack: MiniStack, ids: list[int]) -> None:
    service = stack.start("run")
    stack.wait_finished(1)
    assert service.terminate() == 0
    assert stack.counts(1) == {"sent": EMAILS}
    assert objects(ministack) == sorted(f"1/{email_id}.html" for email_id in ids)


@pytest.mark.parametrize("stack", ["alike/letter.html"], indirect=True)
def test_of_two_emails_with_one_path_and_other_bytes_one_fails_and_says_why(stack: Stack, ministack: MiniStack) -> None:
    stack.add_job(["a@example.com", "b@example.com"], channel="documents")
    service = stack.start("run")
    stack.wait_finished(1)
    assert service.terminate() == 0
    ((failed, reason),) = stack.world.execute("SELECT email_id, detail FROM eed_email WHERE state = 'failed'")
    assert "other bytes, which stay" in reason
    (sent,) = stack.world.execute("SELECT email_id FROM eed_email WHERE state = 'sent'")
    assert objects(ministack, "alike/") == ["alike/letter.html"]
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
    assert objects(ministack) == sorted(f"1/{email_id}.html" for email_id in ids)
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_email WHERE attempts <> 1") == 0
    assert stack.world.scalar("SELECT COUNT(*) FROM eed_attempt WHERE verdict = 'in_doubt'") == 0
