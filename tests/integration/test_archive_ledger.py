"""The ledger's side of the archive, and the digests of what was sent."""

import hashlib

import pytest

from eed_delivery.archive.fates import CopyFate, fate_of
from eed_delivery.archive.names import DRAFT, ON_WIRE, CopyName
from eed_delivery.ledger.archiving import ArchiveLedger, JobArchive, StoredCopy
from eed_delivery.ledger.delivering.recording import Decision
from eed_delivery.ledger.proofs import NO_PROOF, Proof, ProofLedger
from eed_delivery.model import Email, EmailState, Outcome, Verdict
from eed_delivery.reports.certificate import Reconciliation
from tests.world import World

pytestmark = [pytest.mark.both_databases, pytest.mark.also_on_sqlite]

# bytes that SQL text and formats would trip over
CONTENT = bytes(range(256))
DIGEST = b"%s'\"\\\x00\x1a%(x)s;--;" + b"\xff\x00" * 8
assert len(DIGEST) == hashlib.sha256().digest_size


def outcome(verdict: Verdict, digest: bytes | None = DIGEST, **facts: object) -> Outcome:
    return Outcome(verdict, "250 ok", 250, sha256=digest, **facts)  # type: ignore[arg-type]


def sent(world: World, email: Email, digest: bytes | None = DIGEST, **facts: object) -> None:
    assert world.delivering.wire(email, 60) is None
    decision = Decision(EmailState.SENT, outcome(Verdict.SENT, digest, **facts), counted=True)
    assert world.delivering.record(email, decision, 5)


def copy_of(email: Email, digest: bytes = DIGEST) -> CopyName:
    return CopyName(email.job_id, email.email_id, email.gen, email.token, digest.hex())


def stored(email: Email, digest: bytes = DIGEST) -> StoredCopy:
    return StoredCopy(email.job_id, email.email_id, email.gen, digest.hex(), len(CONTENT))


def fate(world: World, email: Email, ending: str = ON_WIRE, digest: bytes = DIGEST) -> CopyFate:
    standings = ArchiveLedger(world.database).standings([(email.job_id, email.email_id)])
    return fate_of(copy_of(email, digest), ending, standings.get(email.email_id))


def test_an_attempt_has_the_digest_of_what_was_handed_over(world: World, one: int) -> None:
    email = world.claimed(one)
    sent(world, email)
    (attempt,) = world.reporting.attempts(one)
    assert attempt.sha256 == DIGEST.hex()
    report = world.reporting.email(one)
    assert report is not None
    assert ProofLedger(world.database).of_email(report) == Proof(DIGEST.hex())


def test_several_records_in_one_statement_keep_their_own(world: World) -> None:
    ids = world.add_job(["a@b.example", "c@d.example", "e@f.example"])
    world.enlist()
    *emails, next_email = [world.claimed(i) for i in ids]
    digests = [hashlib.sha256(b"%d" % n).digest() for n in range(2)]
    for email in emails:
        assert world.delivering.wire(email, 60) is None
    decisions = [Decision(EmailState.SENT, outcome(Verdict.SENT, digest), counted=True) for digest in digests]
    finished = [(email, decision, 5) for email, decision in zip(emails, decisions, strict=True)]
    assert world.delivering.record_and_wire(finished, next_email, 60) is None
    found = dict(world.execute("SELECT email_id, sha256 FROM eed_attempt"))
    assert found == {email.email_id: digest for email, digest in zip(emails, digests, strict=True)}


def test_without_a_wire_there_is_no_digest(world: World, one: int) -> None:
    email = world.claimed(one)
    refused = Outcome(Verdict.PERMANENT, "550 no", 550)
    world.delivering.record(email, Decision(EmailState.FAILED, refused, counted=True), 5)
    assert world.reporting.attempts(one)[0].sha256 is None
    report = world.reporting.email(one)
    assert report is not None
    assert ProofLedger(world.database).of_email(report) == NO_PROOF


def test_a_copy_goes_into_the_archive_once_its_email_is_sent(world: World, one: int) -> None:
    email = world.claimed(one)
    assert fate(world, email, DRAFT) is CopyFate.WAIT
    sent(world, email)
    assert fate(world, email) is CopyFate.ARCHIVE
    ledger = ArchiveLedger(world.database)
    for _ in range(2):  # a second run, after the first one's answer was lost
        ledger.archived([stored(email)])
    assert fate(world, email) is CopyFate.DROP
    report = world.reporting.email(one)
    assert report is not None
    assert ProofLedger(world.database).of_email(report).archived_at is not None
    assert ledger.of_job(1, 1) == JobArchive(1, 1, 0)


def test_a_copy_waits_while_its_email_is_in_doubt_and_goes_where_it_is_settled(world: World) -> None:
    ids = world.add_job(["a@b.example", "c@d.example"])
    world.enlist()
    emails = [world.claimed(i) for i in ids]
    for email in emails:
        assert world.delivering.wire(email, 60) is None
        world.lapse(email.email_id)
    assert world.sweeping.settle_the_wire(resend_below=0) == 2
    assert {fate(world, email) for email in emails} == {CopyFate.WAIT}
    world.operating.settle([ids[0]], EmailState.SENT, "it is in the mail server's log")
    world.operating.settle([ids[1]], EmailState.FAILED, "it is not")
    assert [fate(world, email) for email in emails] == [CopyFate.ARCHIVE, CopyFate.DROP]
    assert fate(world, emails[0], DRAFT) is CopyFate.DROP, "it never had the wire"
    ArchiveLedger(world.database).archived([stored(emails[0])])
    report = world.reporting.email(ids[0])
    assert report is not None
    assert ProofLedger(world.database).of_email(report).sha256 == DIGEST.hex(), "the dead worker's attempt has none"


def test_the_copy_of_a_claim_that_is_over_is_not_archived(world: World, one: int) -> None:
    """A worker died before the wire, and another one has sent other bytes."""
    first = world.claimed(one)
    world.lapse(one)
    second = world.claimed(one)
    assert fate(world, first, DRAFT) is CopyFate.DROP
    other = hashlib.sha256(b"other").digest()
    sent(world, second, other)
    assert [fate(world, first, DRAFT), fate(world, second, digest=other)] == [CopyFate.DROP, CopyFate.ARCHIVE]


def test_a_requeued_email_keeps_the_copies_of_what_was_accepted_before(world: World, one: int) -> None:
    email = world.claimed(one)
    sent(world, email)
    world.execute("UPDATE eed_email SET gen = 1, state = 'pending', token = NULL WHERE email_id = :id", id=one)
    assert fate(world, email) is CopyFate.ARCHIVE


def test_the_copy_of_a_former_generation_is_no_proof_of_the_present_one(world: World, one: int) -> None:
    email = world.claimed(one)
    sent(world, email)
    ledger = ArchiveLedger(world.database)
    ledger.archived([stored(email)])
    world.execute("UPDATE delivery_email SET status = 'pending' WHERE id = :id", id=one)
    world.execute("UPDATE eed_email SET gen = 1, state = 'pending', token = NULL WHERE email_id = :id", id=one)
    other = hashlib.sha256(b"other").digest()
    sent(world, world.claimed(one, gen=1), other)
    assert ledger.of_job(1, 1) == JobArchive(1, 0, 0)
    report = world.reporting.email(one)
    assert report is not None
    assert ProofLedger(world.database).of_email(report) == Proof(other.hex())


def test_the_digest_of_a_former_generation_is_no_proof_of_one_whose_worker_died(world: World, one: int) -> None:
    sent(world, world.claimed(one))
    world.execute("UPDATE delivery_email SET status = 'pending' WHERE id = :id", id=one)
    world.execute("UPDATE eed_email SET gen = 1, state = 'pending', wire_at = NULL WHERE email_id = :id", id=one)
    assert world.delivering.wire(world.claimed(one, gen=1), 60) is None
    world.lapse(one)
    assert world.sweeping.settle_the_wire(resend_below=0) == 1
    report = world.reporting.email(one)
    assert report is not None
    assert (report.state, ProofLedger(world.database).of_email(report)) == (EmailState.IN_DOUBT, NO_PROOF)


def test_an_email_that_the_ledger_does_not_know_keeps_its_copy(world: World, one: int) -> None:
    email = world.claimed(one)
    world.execute("DELETE FROM eed_email WHERE email_id = :id", id=one)
    assert fate(world, email) is CopyFate.UNKNOWN


def test_a_job_says_of_how_many_sent_emails_there_is_no_copy(world: World) -> None:
    ids = world.add_job([f"{n}@example.com" for n in range(4)])
    world.enlist()
    ledger = ArchiveLedger(world.database)
    assert world.reporting.job(1).archive is False  # type: ignore[union-attr]
    for _ in range(2):
        ledger.want(1)
    emails = [world.claimed(i) for i in ids]
    for email, facts in zip(emails, [{}, {}, {"copy_lost": True}], strict=False):
        sent(world, email, **facts)
    ledger.archived([stored(emails[0])])
    job = world.reporting.job(1)
    assert job is not None
    assert job.archive is True
    found = ledger.of_job(1, job.counts[EmailState.SENT])
    assert (found, found.waiting, found.complete) == (JobArchive(3, 1, 1), 1, False)
    reconciliation = Reconciliation()
    for email_report, _, proof in ProofLedger(world.database).beside((e, None) for e in world.reporting.emails(1)):
        reconciliation.row(email_report, None, proof)
    now = world.reporting.now()
    told = reconciliation.certificate(job, now, now).as_json()
    assert told["archive"] == {"archived": 1, "missing": 2, "complete": False}
    assert (told["content"]["emails"], told["content"]["without"]) == (3, 0)


def test_a_copy_that_was_lost_is_recorded_only_for_what_was_sent(world: World, one: int) -> None:
    email = world.claimed(one)
    assert world.delivering.wire(email, 60) is None
    doubt = outcome(Verdict.IN_DOUBT, copy_lost=True)
    world.delivering.record(email, Decision(EmailState.IN_DOUBT, doubt, counted=True), 5)
    assert world.scalar("SELECT COUNT(*) FROM eed_archive_copy") == 0


def test_a_lost_copy_is_recorded_when_its_group_goes_alone_too(world: World, one: int) -> None:
    """With another thread's stale outcome in the same commit, each is recorded by itself."""
    email = world.claimed(one)
    assert world.delivering.wire(email, 60) is None
    world.execute("UPDATE eed_email SET state = 'in_doubt' WHERE email_id = :id", id=one)
    decision = Decision(EmailState.SENT, outcome(Verdict.SENT, copy_lost=True), counted=True)
    for _ in range(2):
        assert world.delivering.record(email, decision, 5, with_source=False)
    assert world.execute("SELECT gen, archived_at FROM eed_archive_copy") == [(0, None)]
