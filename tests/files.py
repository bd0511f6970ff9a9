"""Emails whose files were put, as a worker of a file channel records them."""

from collections.abc import Sequence

from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.delivering.ledger import DeliveryLedger
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.model import EmailState, Outcome, PutFile, Ticket, Verdict
from tests.world import World

CHANNEL = "default"
"""Of the jobs of a `World`."""


def document(path: str, size: int = 5) -> PutFile:
    return PutFile(path, size, "ab" * 32)


def put_files(world: World, email_id: int, *paths: str, gen: int = 0, channel: str = CHANNEL) -> None:
    """An email of a file channel that is put, with these files."""
    said = f"put {len(paths)} files, {5 * len(paths)} bytes"
    outcome = Outcome(Verdict.SENT, said, 250, sha256=b"\x01" * 32, files=tuple(map(document, paths)))
    end(world, email_id, Decision(EmailState.SENT, outcome, counted=True), gen, channel)


def fail(world: World, email_id: int, gen: int = 0) -> None:
    """An email that could not be put."""
    outcome = Outcome(Verdict.PERMANENT, "other bytes are there")
    end(world, email_id, Decision(EmailState.FAILED, outcome, counted=True), gen)


def end(world: World, email_id: int, decision: Decision, gen: int, channel: str = CHANNEL) -> None:
    ledger = DeliveryLedger(world.database, world.source, "test", channel=channel, sends_emails=False)
    (email,) = ledger.claim([Ticket(email_id, gen, 0)], new_token(), 60).emails
    assert ledger.wire(email, 60) is None
    assert ledger.record(email, decision, 1)


def finished_job(world: World, emails: int = 2, job_id: int = 1) -> list[int]:
    """A job on a file channel that has come to its end, with one file an email."""
    ids = world.add_job([f"c{n}@example.com" for n in range(emails)], job_id)
    world.enlist(job_id)
    for email_id in ids:
        put_files(world, email_id, f"{job_id}/{email_id}.pdf")
    assert finish(world, job_id)
    return ids


def finish(world: World, job_id: int = 1, channels: Sequence[str] = (CHANNEL,)) -> bool:
    return bool(world.sweeping.finish(job_id, channels))
