"""The worker's side of the ledger, with claim, wire, record and release. Every UPDATE here is fenced by a token."""

from collections.abc import Iterable, Iterator, Sequence

from sqlalchemy import Connection

from eed_delivery.database.multi_statement import BoundStatement, execute
from eed_delivery.database.transactions import Database
from eed_delivery.ledger.delivering import statements as sql
from eed_delivery.ledger.delivering.claiming import Claiming, email_of
from eed_delivery.ledger.delivering.claims import Claim, Fence, JobRef, Standing, fence, fences
from eed_delivery.ledger.delivering.group_commit import GroupCommit, GroupResult
from eed_delivery.ledger.delivering.recording import Decision, OutcomeRecorder
from eed_delivery.ledger.delivering.taken_paths import TakenPaths
from eed_delivery.ledger.job_facts import with_ledger_facts
from eed_delivery.ledger.keys import email_key
from eed_delivery.ledger.schema import DETAIL_LENGTH
from eed_delivery.ledger.webhooks.outbox import SILENT, Outbox
from eed_delivery.model import DEFAULT_CHANNEL, Email, EmailState, Job, Outcome, Ticket, Verdict
from eed_delivery.pseudonyms import NO_PSEUDONYMS, Pseudonyms
from eed_delivery.source import Source

PATH_AGAIN_SECONDS = 5.0
"""When an email comes again that has found its path taken."""


class DeliveryLedger:
    """What a worker process may do to the ledger. Safe for many threads. Each call is one transaction."""

    def __init__(
        self,
        database: Database,
        source: Source,
        worker: str,
        outbox: Outbox = SILENT,
        pseudonyms: Pseudonyms = NO_PSEUDONYMS,
        *,
        channel: str = DEFAULT_CHANNEL,
        sends_emails: bool = True,
    ) -> None:
        """`outbox` receives notices of emails that failed or are in doubt. A sent one writes nothing there.
        `pseudonyms` are those of erased addresses. The worker sends by `channel`, and claims no email of another.
        Only a channel that `sends_emails` heeds the suppression list."""
        self._database = database
        self._source = source
        self._claiming = Claiming(source, outbox, channel, pseudonyms, sends_emails=sends_emails)
        self._recording = OutcomeRecorder(source, outbox, worker, channel)
        self._paths = TakenPaths(channel)
        self._group = GroupCommit(database.once)

    @property
    def waiting(self) -> int:
        """How many threads wait for a commit that they will share."""
        return self._group.waiting

    def claim(self, tickets: Sequence[Ticket], token: int, lease_seconds: float) -> Claim:
        """Claim up to ten emails under `token` for `lease_seconds`, and load their content. Raises `DatabaseGone`.

        Emails of a job that is not active go back to where its state wants them, and those of another channel's job to
        the publisher. Suppressed ones end here.
        """
        return self._database.run(lambda c: self._claiming.claim(c, tickets, token, lease_seconds))

    def rehearse(self) -> None:
        """Run a claim's queries for no email. Raises `DatabaseGone`, or the error of a broken mapping or a lost
        right."""
        self._database.run(self._claiming.rehearse)

    def let_go(self) -> None:
        """Give back the database connection that the calling thread has kept, because that thread ends."""
        self._database.let_go()

    def email_key(self, email_id: int) -> str | None:
        """The source's key of an email. None where the ledger does not have it. Raises `DatabaseGone`."""
        return self._database.run(lambda c: email_key(c, email_id))

    def job(self, ref: JobRef) -> Job:
        """Load what all emails of a job share. Raises `RenderError` when its row has gone, or `DatabaseGone`."""
        return self._database.run(
            lambda c: with_ledger_facts(c, self._source.job(c, ref.job_id, ref.key, ref.revision))
        )

    def wire(self, email: Email, lease_seconds: float, paths: Sequence[str] = ()) -> Standing | None:
        """Ask for the wire. None is the grant, anything else is why not. Raises `DatabaseGone`. Then don't send.

        On a refusal because of its job the email has gone back to where the job's state wants it. `paths` are those of
        its files. If another email that is on its way has one of them, this one waits in the ledger.
        """
        return self.record_and_wire((), email, lease_seconds, paths)

    def record(self, email: Email, decision: Decision, took_ms: int, *, with_source: bool = True) -> bool:
        """Write an attempt's outcome under our token, and the source's row with it unless `with_source` is False.

        False if the email is no longer ours. Then newer truth stands (G3). Raises `DatabaseGone`.
        """
        if with_source:
            result = self._group.commit(lambda c: self._recording.statements(c, email, decision, took_ms))
            if result is GroupResult.DONE:
                return True
        return self._database.run(
            lambda c: self._recording.record(c, email, decision, took_ms, with_source=with_source)
        )

    def record_and_wire(
        self,
        finished: Sequence[tuple[Email, Decision, int]],
        email: Email,
        lease_seconds: float,
        paths: Sequence[str] = (),
    ) -> Standing | None:
        """Record what went before and ask for the next wire in one commit, as `record` and `wire` do.

        The usual case shares request and commit with other threads. In it every outcome is still ours to write, and the
        wire is free. Anything else is examined one by one.
        """

        def statements(c: Connection) -> Iterator[BoundStatement]:
            for done, decision, took_ms in finished:
                yield from self._recording.statements(c, done, decision, took_ms)
            yield from self._paths.statements(email, paths)
            yield BoundStatement(sql.WIRE, _wire_values(email, lease_seconds), last=True)

        result = self._group.commit(statements)
        if result is GroupResult.DONE:
            return None
        tries = 0

        def work(c: Connection) -> Standing | None:
            nonlocal tries
            tries += 1
            for done, decision, took_ms in finished:
                self._recording.record(c, done, decision, took_ms)
            if (holder := self._paths.take(c, email, paths)) is not None:
                return _deferred(c, email, holder)
            return self._wire(c, email, lease_seconds, again=tries > 1 or result is GroupResult.UNKNOWN)

        return self._database.run(work)

    def _wire(self, c: Connection, email: Email, lease: float, *, again: bool) -> Standing | None:
        if c.execute(sql.WIRE, _wire_values(email, lease)).rowcount == 1:
            return None
        row = c.execute(sql.STANDING, {"ids": [email.email_id]}).one_or_none()
        if row is None or row.token != email.token or row.state != EmailState.SENDING:
            return Standing.LOST
        if row.wire_at is not None:
            # Only this thread knows this token, and it asks once an email. On a second run of this transaction
            # the grant is therefore our own, whose commit went through while its answer was lost.
            mine = again and c.execute(sql.WIRED_AGAIN, {**fence(email), "lease": lease}).rowcount == 1
            return None if mine else Standing.LOST
        exit_state = self._claiming.exit_of(row)
        if exit_state is None:
            return Standing.LOST
        self._claiming.put_back(c, email, *exit_state)
        return Standing.OVER

    def rival(self, email: Email, path: str) -> str | None:
        """The key of another email that has had the same path in the last hour. Raises `DatabaseGone`."""
        return self._database.run(lambda c: self._paths.rival(c, email, path))

    def fail_unsent(self, fence: Fence, reason: str, took_ms: int) -> Email | None:
        """End an email as failed that another process held under this fence and has not sent, and return it. None when
        it is no longer so, because newer truth stands (G3). Raises `DatabaseGone`."""

        def work(c: Connection) -> Email | None:
            row = c.execute(sql.STANDING, {"ids": [fence.email_id]}).one_or_none()
            if row is None or (row.gen, row.token, row.wire_at) != (fence.gen, fence.token, None):
                return None
            email = email_of(row, fence.token)
            if row.state != EmailState.SENDING:
                return email if row.state == EmailState.FAILED else None  # a second run of this transaction
            decision = Decision(EmailState.FAILED, Outcome(Verdict.PERMANENT, reason), counted=True)
            return email if self._recording.record(c, email, decision, took_ms) else None

        return self._database.run(work)

    def release(self, emails: Sequence[Email]) -> None:
        """Put emails that have not seen the wire back to `queued`, unharmed (G4). Raises `DatabaseGone`."""
        if emails:
            self._database.run(lambda c: c.execute(sql.RELEASE, [fence(email) for email in emails]))

    def defer(self, emails: Sequence[Email], reason: str, seconds: float) -> None:
        """Let emails that have not seen the wire wait in the ledger, unharmed (G4). Raises `DatabaseGone`."""
        if emails:
            later = {"reply": reason[:DETAIL_LENGTH], "delay": seconds}
            self._database.run(lambda c: c.execute(sql.DEFER, [{**fence(email), **later} for email in emails]))

    def put_off(self, email: Email, seconds: float) -> None:
        """Let an email that has not seen the wire wait in the ledger, with the answer to its last try (G4). Raises
        `DatabaseGone`."""
        self._database.run(lambda c: c.execute(sql.PUT_OFF, {**fence(email), "delay": seconds}))

    def renew(self, batches: Iterable[Sequence[Email]], lease_seconds: float) -> None:
        """Lengthen the short lease of claimed emails that wait, a batch with one token each. Never revives one that has
        run out. Raises `DatabaseGone`."""
        renewals = [
            BoundStatement(
                sql.RENEW,
                {"ids": [email.email_id for email in emails], "our_token": emails[0].token, "lease": lease_seconds},
                rows=None,
            )
            for emails in batches
            if emails
        ]
        if renewals:
            self._database.run(lambda c: execute(c, renewals))


def _deferred(c: Connection, email: Email, holder: str) -> Standing:
    """It waits until the email that has its path has ended."""
    later = {"reply": f"waits for email {holder}, which has the same path"[:DETAIL_LENGTH], "delay": PATH_AGAIN_SECONDS}
    waits = c.execute(sql.DEFER, {**fence(email), **later}).rowcount == 1
    return Standing.OVER if waits else Standing.LOST


def _wire_values(email: Email, lease: float) -> dict[str, object]:
    return {**fences(email), "lease": lease}
