"""The audit of all operations: each act, and each read of personal data, has its row, and none is done without (G7)."""

import csv
import inspect
import io
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from eed_delivery.app.long_acts import long_act_steps
from eed_delivery.app.operations import Operations
from eed_delivery.cli.given import command_line
from eed_delivery.ledger.access.sessions import SessionLedger
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.acts import Act, ActKind, ActObject
from eed_delivery.ledger.auditing import AuditEntry, AuditFilter, AuditLedger
from eed_delivery.ledger.gates import Gate
from eed_delivery.ledger.operating import OperatingLedger, Selection
from eed_delivery.ledger.revision import head
from eed_delivery.ledger.suppression.listing import SuppressionEntry, SuppressionList
from eed_delivery.ledger.webhooks.outbox import Outbox
from eed_delivery.model import EmailState, HoldScope, HoldTarget
from eed_delivery.notices import Notice, NoticeKind
from eed_delivery.operations.access import NewTokenRequest, NewUserRequest, OperatorRole, Right
from eed_delivery.operations.auditing import AuditRequest
from eed_delivery.operations.channels import ALL, ChannelEdit, NewChannel
from eed_delivery.operations.deciding import ResumeRequest, SettleRequest, StopRequest
from eed_delivery.operations.domain_paces import DomainPaceRequest
from eed_delivery.operations.emails import EmailsRequest
from eed_delivery.operations.gates import GateOpening
from eed_delivery.operations.holds import HoldRequest
from eed_delivery.operations.long_acts.report_orders import ReportOrder
from eed_delivery.operations.long_acts.requests import LongActKind, LongActRequest, LongActSelection
from eed_delivery.operations.long_acts.starting import Asker
from eed_delivery.operations.paces import PaceRequest
from eed_delivery.operations.persons import EraseRequest
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.reporting import ReportRequest
from eed_delivery.operations.requeueing import RequeueRequest
from eed_delivery.operations.resending import ResendRequest
from eed_delivery.operations.shadowing.accepting import AcceptRequest
from eed_delivery.operations.submitting.drafts import JobDraft
from eed_delivery.operations.submitting.sifting import SiftRequest
from eed_delivery.operations.suppression.listing import EntriesRequest, RemoveRequest, SuppressRequest
from eed_delivery.operations.suppression.moving import ImportRequest, UploadedEntries
from eed_delivery.operations.text_files.csv_rows import Form
from eed_delivery.operations.text_files.reading import TextFile, read_text
from eed_delivery.operations.windows import EndRequest, OverrideRequest, WindowScope, WindowTarget
from eed_delivery.pseudonyms import Pseudonyms
from tests.command_line import CommandLine
from tests.operating import operations_over
from tests.servers.ministack import MiniStack
from tests.servers.webhook_receiver import SECRET, Receiver
from tests.world import World

ANY_KEY = "*"
KEY = "the-key-of-the-hashes-of-erased-addresses"
CONFIG = """
[alerts]
sender = "eed@example.com"
[alerts.audience.devops]
email = ["oncall@example.com"]
[[alerts.rule]]
name = "breaker"
word = "breaker_open"
audience = ["devops"]
[webhooks]
url = "{url}"
[operators]
reports_directory = "/nonexistent"
second_person = ["cancel"]
cancel_alone_max = 1000
[send_windows.category.night]
open = {{ from = "22:00", to = "06:00", zone = "UTC" }}
[source.job]
category = "category"
"""


@dataclass
class Place:
    """What an act of the table is done to: a job of three emails, and one that waits for its time."""

    operations: Operations
    world: World

    def state(self, state: str, *emails: int) -> None:
        for email_id in emails:
            self.world.execute("UPDATE eed_email SET state = :state WHERE email_id = :id", state=state, id=email_id)

    def on_list(self) -> None:
        SuppressionList(self.world.database).add(SuppressionEntry("anna@example.com", "", "asked", "operator"))
        self.forget()

    def paused(self) -> None:
        OperatingLedger(self.world.database, self.world.source).pause(1, "a look first")
        self.forget()

    def webhook(self, state: str = "failed") -> str:
        outbox = Outbox(tuple(NoticeKind))
        self.world.database.run(lambda c: outbox.put(c, [Notice(NoticeKind.JOB_PAUSED, 1)]))
        self.world.execute("UPDATE eed_webhook SET state = :state", state=state)
        number, nonce = self.world.execute("SELECT webhook_id, nonce FROM eed_webhook")[0]
        return f"msg_{number}_{nonce}"

    def forget(self) -> None:
        """Preparations leave no row: a test is about what comes after."""
        self.world.execute("DELETE FROM eed_audit")

    def row_count(self) -> int:
        return int(self.world.scalar("SELECT COUNT(*) FROM eed_audit"))

    def rows(self) -> list[AuditEntry]:
        return list(AuditLedger(self.world.database).entries(AuditFilter()))


Work = Callable[[Place], object]


@dataclass(frozen=True)
class Case:
    """`prepared` gives the work. The row then has these fields; a long act has `rows`, which are listed as one."""

    kind: ActKind
    prepared: Callable[[Place], Callable[[], object]]
    object: ActObject
    key: str | None
    fields: Mapping[str, Any] = field(default_factory=dict)
    rows: int = 1


def accept_footer(place: Place) -> None:
    place.operations.shadow_acceptances.accept(AcceptRequest("footer", "html", "Sent by", "it is new"))


def revoke_footer(place: Place) -> Callable[[], object]:
    place.world.execute(
        "INSERT INTO eed_shadow_acceptance (name, field, pattern, who, reason, made_at)"
        f" VALUES ('footer', 'html', 'Sent by', 'anna', 'it is new', {place.world.now})"
    )
    return lambda: place.operations.shadow_acceptances.revoke("footer", "it has an error")


def job_case(kind: ActKind, prepared: Any, **fields: Any) -> Case:
    return Case(kind, prepared, ActObject.JOB, "1", fields)


def email_case(kind: ActKind, prepared: Any, **fields: Any) -> Case:
    return Case(kind, prepared, ActObject.EMAIL, "1000", fields)


def file_of(content: str) -> TextFile:
    return read_text(io.BufferedReader(io.BytesIO(content.encode())), "rows.csv")  # type: ignore[arg-type]


def requeue(place: Place, **terms: Any) -> Callable[[], object]:
    place.state("failed", 1000, 1001)
    requeueing = place.operations.requeueing
    preview = requeueing.preview(RequeueRequest(**terms))
    return lambda: requeueing.requeue(preview)


def settle(place: Place) -> Callable[[], object]:
    place.state("in_doubt", 1000)
    request = SettleRequest(("1000",), EmailState.SENT, "seen in the log")
    return lambda: place.operations.deciding.settle(request)


def resume(place: Place) -> Callable[[], object]:
    place.paused()
    return lambda: place.operations.deciding.resume(ResumeRequest("1", watched=False, reason="ticket 4711"))


def resume_waiting(place: Place) -> Callable[[], object]:
    place.operations.deciding.pause(StopRequest("7", "not yet"))
    place.forget()
    return lambda: place.operations.deciding.resume(ResumeRequest("7", reason="now"))


def resend(place: Place) -> Callable[[], object]:
    place.state("sent", 1000)
    return lambda: place.operations.resending.resend(ResendRequest("1000", "she lost it"))


def repair(place: Place) -> Callable[[], object]:
    place.state("sent", 1000)
    chosen = place.operations.reconciling.choose(_one_job())
    return lambda: list(place.operations.reconciling.repair(chosen))


def _one_job() -> Any:
    from eed_delivery.operations.reconciling import ReconcileRequest

    return ReconcileRequest(jobs=("1",))


def repair_sums(place: Place) -> Callable[[], object]:
    place.world.execute("UPDATE eed_job SET total = 5 WHERE job_id = 1")
    chosen = place.operations.reconciling.choose(_one_job())
    return lambda: list(place.operations.reconciling.repair(chosen))


def submit(place: Place) -> Callable[[], object]:
    submitting = place.operations.submitting
    draft = JobDraft("Statements", sender="statements@bank.example", subject="Yours", text="Dear {{ amount }}")
    job = submitting.prepare(draft)
    request = SiftRequest(file_of("email,amount\na@example.com,1\nnobody,2\n"), "csv", Form(), True)
    sifted = submitting.sift(job, request, io.StringIO(), lambda row, lines: None)
    return lambda: submitting.register(job, sifted)


def report(place: Place) -> Callable[[], object]:
    request = ReportRequest("1", "csv", lambda *words: " ".join(words), opens=True)
    return lambda: place.operations.reporting.begin(request)


def suppress(place: Place) -> Callable[[], object]:
    return lambda: place.operations.suppression.add(SuppressRequest(("anna@example.com",), "asked by phone"))


def unsuppress(place: Place) -> Callable[[], object]:
    place.on_list()
    return lambda: place.operations.suppression.remove(RemoveRequest(("anna@example.com",)))


def erase(place: Place) -> Callable[[], object]:
    place.on_list()
    return lambda: place.operations.persons.erase(EraseRequest("anna@example.com", "her request"))


def import_list(place: Place) -> Callable[[], object]:
    content = "\n".join(f"a{n}@example.com" for n in range(2001))
    request = ImportRequest(file_of(content), Form(), reason="of the old service")
    return lambda: place.operations.suppression_moving.enter(request, lambda row: None)


def retry(place: Place) -> Callable[[], object]:
    message = place.webhook()
    return lambda: place.operations.webhooks.retry((message,))


def retry_all(place: Place) -> Callable[[], object]:
    place.webhook()
    return lambda: place.operations.webhooks.retry_all()


LETTERS: dict[str, Any] = {
    "kind": "smtp", "host": "127.0.0.1", "tls": "none",
    "queue": {
        "url": "https://sqs.us-east-2.amazonaws.com/000000000000/letters",
        "dead_letter_url": "https://sqs.us-east-2.amazonaws.com/000000000000/letters-dead",
    },
}  # fmt: skip


def with_channel(place: Place, work: Callable[[], object]) -> Callable[[], object]:
    place.operations.channels.create(NewChannel("letters", LETTERS))
    place.forget()
    return work


def edit_channel(place: Place) -> Callable[[], object]:
    change = ChannelEdit("letters", {**LETTERS, "threads": 3, "host": "localhost"}, version=1)
    return with_channel(place, lambda: place.operations.channels.edit(change))


def release_channel(place: Place) -> Callable[[], object]:
    place.operations.channels.hold(ALL, "a wrong letter")
    place.forget()
    return lambda: place.operations.channels.release(ALL)


NEWSLETTERS = HoldTarget(HoldScope.CATEGORY, "newsletters")
DOMAIN = HoldTarget(HoldScope.DOMAIN, "example.com")


def release_hold(
    place: Place, release: Callable[[int], object], target: HoldTarget = NEWSLETTERS
) -> Callable[[], object]:
    held = place.operations.holds.hold(HoldRequest(target, "a wrong letter"))
    place.forget()
    return lambda: release(held.hold.hold_id)


def clear_pace(place: Place) -> Callable[[], object]:
    place.operations.paces.set(PaceRequest("default", 50.0, "the relay asks for it"))
    place.forget()
    return lambda: place.operations.paces.set(PaceRequest("default", None, "it may be fast again"))


def clear_domain_pace(place: Place) -> Callable[[], object]:
    place.operations.domain_paces.set(DomainPaceRequest("gmail.com", 20.0, None, "they ask for it"))
    place.forget()
    return lambda: place.operations.domain_paces.set(DomainPaceRequest("gmail.com", None, None, "they take it all"))


def open_gate(place: Place) -> Callable[[], object]:
    Gate(place.world.database, "default").shut("connection refused")
    return lambda: place.operations.gates.open(GateOpening("default", "the relay is up"))


def end_override(place: Place) -> Callable[[], object]:
    target = WindowTarget(WindowScope.CATEGORY, "night")
    place.operations.windows.override(OverrideRequest(target, "tonight", 3600.0))
    place.world.execute("UPDATE eed_window_override SET until_at = '2999-01-01 00:00:00.000000'")
    place.forget()
    return lambda: place.operations.windows.end(EndRequest(target, "all is sent"))


BEFORE_ITS_TIME = {"state": "waits for its time"}
NEW_USER = NewUserRequest("bert", "correct horse battery", OperatorRole.OPERATOR, (Right.SEE_RECIPIENTS,))
NEW_TOKEN = NewTokenRequest("old-server", OperatorRole.OPERATOR, 3600, (Right.NUDGE,))


ASKER = Asker("anna", is_person=True)


def order_of(place: Place, **more: Any) -> LongActRequest:
    """A requeue of two emails, as it was counted."""
    place.state("failed", 1000, 1001)
    request = LongActRequest(LongActKind.REQUEUE, LongActSelection(jobs=("1",)), "mended", **more)
    return replace_etag(request, place.operations.long_acts.preview(request).etag)


def replace_etag(request: LongActRequest, etag: str) -> LongActRequest:
    return LongActRequest(request.kind, request.selection, request.reason, canary=request.canary, selection_etag=etag)


def start_long_act(place: Place) -> Callable[[], object]:
    request = order_of(place)
    return lambda: place.operations.long_acts.start(request, ASKER)


def stop_long_act(place: Place) -> Callable[[], object]:
    act = place.operations.long_acts.start(order_of(place), ASKER)
    place.forget()
    return lambda: place.operations.long_acts.stop(act.id, "a wrong job")


def continue_long_act(place: Place) -> Callable[[], object]:
    act = place.operations.long_acts.start(order_of(place, canary=1), ASKER)
    place.world.execute("UPDATE eed_operation SET state = 'canary'")
    place.forget()
    return lambda: place.operations.long_acts.go_on(act.id, "they arrive")


def retry_now(place: Place) -> Callable[[], object]:
    place.world.execute("UPDATE eed_email SET state = 'queued', not_before = '2999-01-01 00:00:00.000000'")
    acts = place.operations.long_acts
    request = LongActRequest(LongActKind.RETRY_NOW, LongActSelection(jobs=("1",)), "mended")
    etag = acts.preview(request).etag
    acts.start(LongActRequest(request.kind, request.selection, "mended", selection_etag=etag), ASKER)
    place.forget()
    return long_act_steps(place.operations.settings, place.world.database).chunks


def order_report(place: Place) -> Callable[[], object]:
    return lambda: place.operations.report_orders.order(ReportOrder("1", "html"))


def asked(place: Place) -> str:
    return place.operations.approvals.ask_to_cancel(StopRequest("1", "the fund was closed"), ASKER).id


def approve(place: Place) -> Callable[[], object]:
    act_id = asked(place)
    place.forget()
    return lambda: place.operations.approvals.approve(act_id, "I looked", Asker("bert", is_person=True))


def refuse(place: Place) -> Callable[[], object]:
    act_id = asked(place)
    place.forget()
    return lambda: place.operations.approvals.refuse(act_id, "not this one", ASKER)


def nudge(place: Place) -> Callable[[], object]:
    place.world.add_job(job_id=8)
    return lambda: place.operations.nudging.nudge("8")


def revoke_user(place: Place) -> Callable[[], object]:
    place.operations.users.add(NEW_USER)
    place.forget()
    return lambda: place.operations.users.revoke("bert")


SESSION = bytes(range(32))


def revoke_session(place: Place) -> Callable[[], object]:
    SessionLedger(place.world.database, 900, 3600).begin(SESSION, Actor("bert", "page"))
    place.forget()
    return lambda: place.operations.sessions.revoke(SESSION.hex()[:16])


def upload_list(place: Place) -> Callable[[], object]:
    content = b"a1@example.com\na2@example.com"
    return lambda: place.operations.suppression_moving.upload(UploadedEntries(io.BytesIO(content), reason="found"))


def revoke_token(place: Place) -> Callable[[], object]:
    place.operations.tokens.add(NEW_TOKEN)
    place.forget()
    return lambda: place.operations.tokens.revoke("old-server")


ACTS: Mapping[str, Case] = {
    "deciding.pause": job_case(
        ActKind.PAUSE,
        lambda place: lambda: place.operations.deciding.pause(StopRequest("1", "a look first")),
        reason="a look first",
        before={"state": "active", "watched": True},
        after={"state": "paused"},
    ),
    "deciding.pause before its time": Case(
        ActKind.PAUSE,
        lambda place: lambda: place.operations.deciding.pause(StopRequest("7", "not yet")),
        ActObject.JOB,
        "7",
        {"reason": "not yet", "before": BEFORE_ITS_TIME, "after": {"state": "paused"}},
    ),
    "deciding.resume": job_case(
        ActKind.RESUME,
        resume,
        reason="unwatched, ticket 4711",
        before={"state": "paused", "reason": "a look first", "watched": True},
        after={"state": "active", "watched": False},
    ),
    "deciding.resume before its time": Case(
        ActKind.RESUME,
        resume_waiting,
        ActObject.JOB,
        "7",
        {"reason": "now", "before": {"state": "paused"}, "after": BEFORE_ITS_TIME},
    ),
    "deciding.cancel": job_case(
        ActKind.CANCEL,
        lambda place: lambda: place.operations.deciding.cancel(StopRequest("1", "the fund was closed")),
        reason="the fund was closed",
        before={"state": "active", "watched": True},
        after={"state": "cancelled"},
    ),
    "long_acts.start": Case(
        ActKind.OPERATION_START,
        start_long_act,
        ActObject.OPERATION,
        ANY_KEY,
        {"reason": "mended", "after": {"kind": "requeue", "total": 2}},
    ),
    "long_acts.stop": Case(
        ActKind.OPERATION_STOP,
        stop_long_act,
        ActObject.OPERATION,
        ANY_KEY,
        {"reason": "a wrong job", "before": {"state": "waiting", "done": 0}},
    ),
    "long_acts.go_on": Case(
        ActKind.OPERATION_CONTINUE, continue_long_act, ActObject.OPERATION, ANY_KEY, {"reason": "they arrive"}
    ),
    "chunked_works retry": job_case(ActKind.RETRY_NOW, retry_now, reason="mended", count=3),
    "report_orders.order": Case(
        ActKind.OPERATION_START,
        order_report,
        ActObject.OPERATION,
        ANY_KEY,
        {"after": {"kind": "report", "total": 3}},
    ),
    "approvals.ask_to_cancel": Case(
        ActKind.OPERATION_START,
        lambda place: lambda: asked(place),
        ActObject.OPERATION,
        ANY_KEY,
        {"reason": "the fund was closed", "after": {"kind": "cancel", "total": 1, "approval": "cancel"}},
    ),
    "approvals.approve": Case(
        ActKind.OPERATION_APPROVE,
        approve,
        ActObject.OPERATION,
        ANY_KEY,
        {"reason": "I looked", "after": {"asked_by": "anna"}},
    ),
    "approvals.refuse": Case(
        ActKind.OPERATION_REFUSE,
        refuse,
        ActObject.OPERATION,
        ANY_KEY,
        {"reason": "not this one", "after": {"asked_by": "anna"}},
    ),
    "nudging.nudge": Case(
        ActKind.NUDGE,
        nudge,
        ActObject.JOB,
        "8",
        {"after": {"state": "registered"}},
    ),
    "users.add": Case(
        ActKind.USER_ADD,
        lambda place: lambda: place.operations.users.add(NEW_USER),
        ActObject.USER,
        "bert",
        {"after": {"role": "operator", "rights": "see_recipients"}},
    ),
    "users.revoke": Case(ActKind.USER_REVOKE, revoke_user, ActObject.USER, "bert", {}),
    "sessions.revoke": Case(
        ActKind.SESSION_REVOKE, revoke_session, ActObject.USER, "bert", {"after": {"session": SESSION.hex()[:16]}}
    ),
    "tokens.add": Case(
        ActKind.TOKEN_ADD,
        lambda place: lambda: place.operations.tokens.add(NEW_TOKEN),
        ActObject.TOKEN,
        "old-server",
        {"after": {"role": "operator", "scopes": "nudge", "expires_in_seconds": 3600}},
    ),
    "tokens.revoke": Case(ActKind.TOKEN_REVOKE, revoke_token, ActObject.TOKEN, "old-server", {}),
    "deciding.settle": email_case(
        ActKind.SETTLE,
        settle,
        reason="settled as sent by an operator: seen in the log",
        count=1,
        before={"state": "in_doubt"},
        after={"state": "sent"},
    ),
    "requeueing.requeue": job_case(
        ActKind.REQUEUE,
        lambda place: requeue(place, jobs=("1",)),
        reason="failed ones",
        count=2,
        before={"state": "failed"},
        after={"state": "pending"},
    ),
    "requeueing.requeue by name": email_case(
        ActKind.REQUEUE,
        lambda place: requeue(place, emails=("1000",)),
        reason="failed ones",
        count=1,
        before={"state": "failed"},
        after={"state": "pending"},
    ),
    "resending.resend": email_case(
        ActKind.RESEND,
        resend,
        reason="as 1000~1 to a@example.com: she lost it",
        count=1,
        after={"email": "1000~1", "despite_suppression": False},
    ),
    "reconciling.repair": job_case(
        ActKind.REPAIR, repair, reason='the source said "not sent yet" of emails that were sent', count=1
    ),
    "reconciling.repair of sums": job_case(
        ActKind.REPAIR,
        repair_sums,
        reason="total was 5 and is 3, counted from its rows",
        before={"total": 5, "found": 3, "refused": 0},
        after={"total": 3, "found": 3, "refused": 0},
    ),
    "submitting.register": Case(
        ActKind.SUBMIT,
        submit,
        ActObject.JOB,
        "8",
        {"count": 1, "counts": {"emails": 1, "skipped": 1}, "after": {"name": "Statements", "subject": "Yours"}},
    ),
    "suppression.add": Case(
        ActKind.SUPPRESSION_ADD,
        suppress,
        ActObject.ADDRESS,
        "anna@example.com",
        {
            "reason": "asked by phone",
            "count": 1,
            "counts": {"added": 1, "prolonged": 0},
            "after": {"category": "", "reason": "asked by phone", "source": "operator"},
        },
    ),
    "suppression.remove": Case(
        ActKind.SUPPRESSION_REMOVE,
        unsuppress,
        ActObject.ADDRESS,
        "anna@example.com",
        {"count": 1, "before": {"category": "", "reason": "asked", "source": "operator"}},
    ),
    "suppression_moving.enter": Case(
        ActKind.SUPPRESSION_IMPORT,
        import_list,
        ActObject.SUPPRESSION_LIST,
        None,
        {"reason": "of the old service", "count": 2001, "counts": {"added": 2001, "prolonged": 0}},
        rows=3,
    ),
    "suppression_moving.upload": Case(
        ActKind.SUPPRESSION_IMPORT,
        upload_list,
        ActObject.SUPPRESSION_LIST,
        None,
        {"reason": "found", "count": 2, "counts": {"added": 2, "prolonged": 0}},
    ),
    "persons.erase": Case(
        ActKind.PERSON_ERASE,
        erase,
        ActObject.ADDRESS,
        Pseudonyms([KEY]).of("anna@example.com"),
        {"reason": "her request", "counts": {"entries": 1, "emails": 0}},
        rows=2,
    ),
    "webhooks.retry": Case(
        ActKind.WEBHOOK_RETRY,
        retry,
        ActObject.WEBHOOK,
        "msg_",
        {"count": 1, "before": {"state": "failed"}, "after": {"state": "waiting"}},
    ),
    "webhooks.retry_all": Case(
        ActKind.WEBHOOK_RETRY,
        retry_all,
        ActObject.WEBHOOKS,
        None,
        {"count": 1, "before": {"state": "failed"}, "after": {"state": "waiting"}},
    ),
    "webhooks.test": Case(
        ActKind.WEBHOOK_TEST,
        lambda place: lambda: place.operations.webhooks.test(),
        ActObject.WEBHOOKS,
        None,
    ),
    "alerting.test": Case(
        ActKind.ALERT_TEST,
        lambda place: lambda: place.operations.alerting.test("breaker"),
        ActObject.ALERT_RULE,
        "breaker",
    ),
    "preparing.upgrade": Case(
        ActKind.DB_INIT,
        lambda place: lambda: place.operations.preparing.upgrade(with_source=True),
        ActObject.LEDGER,
        None,
        {"before": {"revision": head()}, "after": {"revision": head(), "with_source": True}},
    ),
    "queue_making.make": Case(
        ActKind.QUEUE_INIT,
        lambda place: lambda: place.operations.queue_making.make(on_aws=False),
        ActObject.QUEUE,
        "mail",
        {"after": {"name": "mail", "dead_letter_name": "mail-dead"}},
    ),
    "channels.create": Case(
        ActKind.CHANNEL_CREATE,
        lambda place: lambda: place.operations.channels.create(NewChannel("letters", LETTERS)),
        ActObject.CHANNEL,
        "letters",
        {
            "after": {
                "version": 1,
                "kind": "smtp",
                "host": "127.0.0.1",
                "tls": "none",
                "queue.url": LETTERS["queue"]["url"],
                "queue.dead_letter_url": LETTERS["queue"]["dead_letter_url"],
            }
        },
    ),
    "channels.edit": Case(
        ActKind.CHANNEL_EDIT,
        edit_channel,
        ActObject.CHANNEL,
        "letters",
        {
            "before": {"version": 1, "host": "127.0.0.1"},
            "after": {"version": 2, "host": "localhost", "threads": "3"},
        },
    ),
    "channels.trial": Case(
        ActKind.CHANNEL_TRIAL,
        lambda place: lambda: place.operations.channels.trial(NewChannel("letters", LETTERS)),
        ActObject.CHANNEL,
        "letters",
        {
            "after": {
                "kind": "smtp",
                "host": "127.0.0.1",
                "tls": "none",
                "queue.url": LETTERS["queue"]["url"],
                "queue.dead_letter_url": LETTERS["queue"]["dead_letter_url"],
            }
        },
    ),
    "channels.remove": Case(
        ActKind.CHANNEL_REMOVE,
        lambda place: with_channel(place, lambda: place.operations.channels.remove("letters")),
        ActObject.CHANNEL,
        "letters",
        {"before": {"version": 1}},
    ),
    "channels.hold": Case(
        ActKind.CHANNEL_HOLD,
        lambda place: lambda: place.operations.channels.hold("default", "a wrong letter", 7200.0),
        ActObject.CHANNEL,
        "default",
        {"reason": "a wrong letter", "after": {"until_seconds": 7200}},
    ),
    "channels.release": Case(
        ActKind.CHANNEL_RELEASE, release_channel, ActObject.CHANNEL, "*", {"before": {"reason": "a wrong letter"}}
    ),
    "holds.hold": Case(
        ActKind.CATEGORY_HOLD,
        lambda place: lambda: place.operations.holds.hold(HoldRequest(NEWSLETTERS, "a wrong letter", 7200.0)),
        ActObject.CATEGORY,
        "newsletters",
        {"reason": "a wrong letter", "after": {"until_seconds": 7200}},
    ),
    "holds.hold of a domain": Case(
        ActKind.DOMAIN_HOLD,
        lambda place: lambda: place.operations.holds.hold(HoldRequest(DOMAIN, "its operator asks for it")),
        ActObject.DOMAIN,
        "example.com",
        {"reason": "its operator asks for it", "after": {}},
    ),
    "holds.release of a domain": Case(
        ActKind.DOMAIN_RELEASE,
        lambda place: release_hold(place, lambda hold_id: place.operations.holds.release(hold_id), DOMAIN),
        ActObject.DOMAIN,
        "example.com",
        {"before": {"reason": "a wrong letter"}},
    ),
    "holds.release": Case(
        ActKind.CATEGORY_RELEASE,
        lambda place: release_hold(place, lambda hold_id: place.operations.holds.release(hold_id)),
        ActObject.CATEGORY,
        "newsletters",
        {"before": {"reason": "a wrong letter"}},
    ),
    "holds.release_target": Case(
        ActKind.CATEGORY_RELEASE,
        lambda place: release_hold(place, lambda _: place.operations.holds.release_target(NEWSLETTERS)),
        ActObject.CATEGORY,
        "newsletters",
        {"before": {"reason": "a wrong letter"}},
    ),
    "paces.set": Case(
        ActKind.PACE_SET,
        lambda place: lambda: place.operations.paces.set(PaceRequest("default", 50.0, "the relay asks for it", 3600.0)),
        ActObject.CHANNEL,
        "default",
        {"reason": "the relay asks for it", "after": {"per_second": "50", "until_seconds": 3600}},
    ),
    "paces.set to none": Case(
        ActKind.PACE_CLEAR, clear_pace, ActObject.CHANNEL, "default", {"reason": "it may be fast again"}
    ),
    "domain_paces.set": Case(
        ActKind.DOMAIN_PACE_SET,
        lambda place: (
            lambda: place.operations.domain_paces.set(DomainPaceRequest("Gmail.com", 20.0, 5, "they ask for it", 60.0))
        ),
        ActObject.DOMAIN,
        "gmail.com",
        {"reason": "they ask for it", "after": {"per_second": "20", "concurrency": 5, "until_seconds": 60}},
    ),
    "domain_paces.set to none": Case(
        ActKind.DOMAIN_PACE_CLEAR, clear_domain_pace, ActObject.DOMAIN, "gmail.com", {"reason": "they take it all"}
    ),
    "gates.open": Case(ActKind.GATE_OPEN, open_gate, ActObject.CHANNEL, "default", {"reason": "the relay is up"}),
    "windows.override": Case(
        ActKind.WINDOW_OVERRIDE,
        lambda place: (
            lambda: place.operations.windows.override(OverrideRequest(WindowTarget(WindowScope.ALL), "tonight", 3600.0))
        ),
        ActObject.CHANNEL,
        "*",
        {"reason": "tonight", "after": {"until_seconds": 3600}},
    ),
    "windows.end": Case(
        ActKind.WINDOW_END,
        end_override,
        ActObject.CATEGORY,
        "night",
        {"reason": "all is sent", "before": {"reason": "tonight", "until": "2999-01-01 00:00:00Z"}},
    ),
    "shadow_acceptances.accept": Case(
        ActKind.SHADOW_ACCEPT,
        lambda place: lambda: accept_footer(place),
        ActObject.ACCEPTANCE,
        "footer",
        {"reason": "it is new", "after": {"field": "html", "pattern": "Sent by"}},
    ),
    "shadow_acceptances.revoke": Case(
        ActKind.SHADOW_REVOKE, revoke_footer, ActObject.ACCEPTANCE, "footer", {"reason": "it has an error"}
    ),
    # reads of personal data
    "reporting.begin": job_case(ActKind.REPORT, report, after={"format": "csv", "opens": True}),
    "emails.each": job_case(
        ActKind.EMAILS, lambda place: lambda: list(place.operations.emails.each(EmailsRequest(job="1")))
    ),
    "emails.page": Case(
        ActKind.EMAILS,
        lambda place: lambda: place.operations.emails.page(EmailsRequest(to="a@example.com"), 5),
        ActObject.ADDRESS,
        "a@example.com",
    ),
    "emails.view": email_case(ActKind.EMAIL, lambda place: lambda: place.operations.emails.view("1000")),
    "suppression.each": Case(
        ActKind.SUPPRESSION_LIST,
        lambda place: lambda: list(place.operations.suppression.each(EntriesRequest())),
        ActObject.SUPPRESSION_LIST,
        None,
    ),
    "suppression.page": Case(
        ActKind.SUPPRESSION_LIST,
        lambda place: lambda: place.operations.suppression.page(EntriesRequest("a@example.com"), 5),
        ActObject.ADDRESS,
        "a@example.com",
    ),
    "suppression.full_page": Case(
        ActKind.SUPPRESSION_LIST,
        lambda place: lambda: place.operations.suppression.full_page(EntriesRequest("a@example.com"), 5),
        ActObject.ADDRESS,
        "a@example.com",
    ),
    "suppression_moving.written": Case(
        ActKind.SUPPRESSION_EXPORT,
        lambda place: lambda: list(place.operations.suppression_moving.written()),
        ActObject.SUPPRESSION_LIST,
        None,
    ),
    "persons.show": Case(
        ActKind.PERSON_SHOW,
        lambda place: lambda: list(place.operations.persons.show("anna@example.com").rows),
        ActObject.ADDRESS,
        Pseudonyms([KEY]).of("anna@example.com"),
    ),
    "auditing.each": Case(
        ActKind.AUDIT,
        lambda place: lambda: list(place.operations.auditing.each(AuditRequest(job="1"))),
        ActObject.AUDIT,
        None,
        {"after": {"job": "1"}},
    ),
    "auditing.page": Case(
        ActKind.AUDIT,
        lambda place: lambda: place.operations.auditing.page(AuditRequest(person="bert"), 5),
        ActObject.AUDIT,
        None,
        {"after": {"person": "bert"}},
    ),
    "auditing.export": Case(
        ActKind.AUDIT,
        lambda place: lambda: list(place.operations.auditing.export()),
        ActObject.AUDIT,
        None,
        {"after": {"export": True}},
    ),
}

_KEYS = "resolves a key to a number"
_CHECK = "a check: it changes nothing, and shows no recipient"
_REPEAT = "about a request, whose act has its own row"
_COUNTS = "counts and states"
EXEMPT: Mapping[str, str] = {
    "sample_sending.refuse_stranger": "looks at the settings alone",
    "sample_sending.send": "recorded: tests/integration/test_rehearsal_samples.py",
    "jobs.acts": "what the audit keeps of a job, for whoever may see the job",
    "jobs.all_waiting": _COUNTS,
    "jobs.breakdown": "counts by domain",
    "jobs.counted": _COUNTS,
    "jobs.failures_by_the_side": "counts and reasons",
    "jobs.now": _COUNTS,
    "jobs.outcomes": _COUNTS,
    "processes.look": "processes, and no person",
    "alerting.metric_filters": "makes text of the configuration",
    "dead_letters.page": "messages that name no email, with addresses masked",
    "dead_letters.view": "likewise",
    "dead_letters.delete": "recorded: tests/integration/test_dead_letters.py",
    "incomplete_jobs.all": "keys and names of jobs",
    "incomplete_jobs.one": "the key and the name of a job",
    "incomplete_jobs.left_by": "the key of a job",
    "incomplete_jobs.discard": "recorded: tests/integration/test_submissions.py",
    "submission_orders.registered_as": _REPEAT,
    "submission_orders.register": "as `uploading.register`, or recorded as an operation",
    "submission_orders.start_sifted": "recorded as an operation: tests/integration/test_submissions.py",
    "submission_orders.start": "recorded as an operation: tests/integration/test_submissions.py",
    "submission_orders.too_long": "a number",
    "uploading.longer_in_s3": "a number",
    "uploading.prepare": "reads the caller's own file",
    "uploading.prepared": "checks the caller's own draft",
    "repeats.kept": _REPEAT,
    "submitting.registered_as": _REPEAT,
    "uploading.registered_as": _REPEAT,
    "uploading.checked": "reads the caller's own file",
    "uploading.preview": "renders the caller's own file",
    "uploading.register": "as submitting.register: tests/integration/test_submit_api.py",
    "tonight.look": _COUNTS,
    "tonight.queues": _COUNTS,
    "tonight.standing_of": _COUNTS,
    "doubts.match": "verdicts and keys, of a log that the caller has",
    "doubts.message_id": "an id, and no recipient",
    "doubts.match_these": "verdicts and keys, of a log that the resolver has read",
    "doubts.open_doubts": "keys, Message-IDs and processes",
    "doubts.settle": "tests/integration/test_doubts.py",
    "doubts.settle_proven": "tests/integration/test_resolver.py",
    "doubts.standing": _COUNTS,
    "doubts.view": "keys, Message-IDs and processes",
    "previewing.preview": "tests/integration/test_previewing.py",
    "resending.newest": _KEYS,
    "searching.kinds": "what a text may be",
    "searching.page": "tests/integration/test_searching.py",
    "auditing.check": "it says whether the chain holds, and shows no row",
    "figures.now": _COUNTS,
    "cloudwatch.step": _COUNTS,
    "holds.all": "holds, and no recipient",
    "holds.view": "a hold and processes",
    "holds.view_target": "a hold and processes",
    "holds.on_wire": _COUNTS,
    "holds.leaving": _COUNTS,
    "paces.view": "paces and processes",
    "domain_paces.view": "domains, and no recipient",
    "domain_paces.pace_of": "domains, and no recipient",
    "domain_paces.waiting": _COUNTS,
    "domain_paces.bound_of_job": _COUNTS,
    "domain_paces.bounds_of": _COUNTS,
    "windows.view": "windows and overrides",
    "windows.numbered": "an override",
    "long_acts.preview": _COUNTS,
    "long_acts.page": _COUNTS,
    "long_acts.view": _COUNTS,
    "long_acts.refuse_grown": _COUNTS,
    "report_orders.file": "tests/integration/test_long_acts.py",
    "approvals.ask_to_resume": "as ask_to_cancel: tests/integration/test_second_person.py",
    "approvals.cancel_needs_one": _COUNTS,
    "approvals.resume_needs_one": _COUNTS,
    "approvals.page": _COUNTS,
    "approvals.view": _COUNTS,
    "deciding.rule_of_cancel": _COUNTS,
    "deciding.version": "a digest of a job's state",
    "jobs.failures": "counts and reasons",
    "jobs.per_second": "a speed",
    "reporting.certificate": "counts and digests",
    "users.all": "operators, and no recipient",
    "sessions.all": "operators, and no recipient",
    "tokens.all": "names of tokens",
    "repeats.take": _REPEAT,
    "repeats.act": _REPEAT,
    "repeats.answered": _REPEAT,
    "keys.job_id": _KEYS,
    "keys.email_id": _KEYS,
    "keys.waiting_job": _KEYS,
    "jobs.page": "counts and states",
    "jobs.waiting": "counts and states",
    "jobs.report": "counts and states",
    "jobs.view": "counts, and up to ten emails in doubt, which somebody has to decide about",
    "emails.with_engagement": "beside emails that `each` or `page` gave",
    "processes.all": "processes, and no person",
    "watching.follow": "counts and states",
    "requeueing.preview": "counts",
    "reconciling.choose": _KEYS,
    "reconciling.compare": "keys and states; it notes when it was done with the job",
    "submitting.check_source": _CHECK,
    "submitting.prepare": "checks the caller's own draft",
    "submitting.sift": "reads the caller's own file",
    "submitting.preview": "renders the caller's own file",
    "persons.check": "counts, and keys of jobs",
    "alerting.rules": "settings, and when each rule was met",
    "webhooks.check_settings": _CHECK,
    "webhooks.view": "keys and the endpoint's answers",
    "bounces.take": "a mail server hands a bounce over: an event, and no act of a person",
    "preparing.check": _CHECK,
    "preparing.findings": _CHECK,
    "checking.findings": _CHECK,
    "channels.kinds": "what is installed",
    "channels.all": "settings, and places of secrets",
    "channels.view": "settings, and places of secrets",
    "channels.check": _CHECK,
    "suppression.needs_another": _COUNTS,
    "channels.on_wire": "counts and times",
    "channels.leaving": "counts and times",
    "channels.check_name": "whether a name can be had",
    "forecasts.all": "jobs, counts and times",
    "forecasts.known": "jobs, counts and times",
    "forecasts.of": "jobs, counts and times",
    "kept_forecasts.all": "jobs, counts and times",
    "rehearsal_orders.refuse_writer": _CHECK,
    "rehearsal_orders.start": "recorded as an operation: tests/integration/test_rehearsal.py",
    "rehearsal_results.message": "recorded: tests/integration/test_rehearsal.py",
    "rehearsal_results.messages": "recorded: tests/integration/test_rehearsal.py",
    "rehearsal_results.of_job": "counts, reasons and keys",
    "rehearsal_results.view": "counts, reasons and keys",
    "rehearsal_results.waits": "whether an operation waits",
    "shadow_acceptances.list_all": "rules of differences, and who accepts them",
    "shadow_acceptances.now": "rules of differences, and who accepts them",
    "shadow_orders.start": "recorded as an operation: tests/integration/test_shadow.py",
    "shadow_results.email": "keys and descriptions",
    "shadow_results.emails": "keys and descriptions",
    "shadow_results.list_all": "operations",
    "shadow_results.messages": "recorded: tests/integration/test_shadow.py",
    "shadow_results.newest": "operations",
    "shadow_results.view": "counts, keys and descriptions",
    "tonight.standings_of": _COUNTS,
    "gates.all": "channels, times and words of mail servers",
    "gates.view": "channels, times and words of mail servers",
    "long_act_takers.require": "which processes there are",
    "windows.of_channel": "windows and overrides",
}


def operations_there_are() -> Iterator[str]:
    """Each public method of what `Operations` gives, as `room.method`."""
    for owner in Operations.__mro__[:-1]:
        composition = sys.modules[owner.__module__]
        for name, part in vars(owner).items():
            if name.startswith("_") or not hasattr(part, "func"):
                continue
            hints = get_type_hints(part.func, vars(composition) | _typed(part.func, composition))
            for method, _ in inspect.getmembers(hints["return"], inspect.isfunction):
                if not method.startswith("_"):
                    yield f"{name}.{method}"


def _typed(function: Any, composition: Any) -> dict[str, Any]:
    """What the annotation names, which is imported for types alone."""
    import importlib
    import re

    wanted = str(function.__annotations__["return"])
    line = re.search(rf"from (eed_delivery[\w.]+) import [^\n]*\b{wanted}\b", inspect.getsource(composition))
    assert line is not None, wanted
    return {wanted: getattr(importlib.import_module(line[1]), wanted)}


def test_every_operation_is_recorded_or_exempt() -> None:
    """A new operation must be in one of the two tables."""
    recorded = {name.partition(" ")[0] for name in ACTS} - {"chunked_works"}  # by the runner alone
    assert not recorded & EXEMPT.keys()
    assert set(operations_there_are()) == recorded | EXEMPT.keys()
    assert {case.kind for case in ACTS.values()} == set(ActKind) - {
        ActKind.DEAD_LETTER_DELETE,  # tests/integration/test_dead_letters.py
        ActKind.EXPIRE,  # by the service alone: tests/integration/test_acts.py
        ActKind.FAIL,
        ActKind.HOLD,  # likewise: tests/integration/test_job_channels.py
        ActKind.MANIFEST_PUT,  # likewise: tests/integration/test_manifest_ledger.py
        ActKind.RELEASE,
        ActKind.WEBHOOK_RESUME,  # below
        ActKind.LOGIN,  # by a session alone: tests/integration/test_logging_in.py
        ActKind.LOGOUT,
        ActKind.SUBMISSION_DISCARD,  # of one that broke off: tests/integration/test_submissions.py
        ActKind.PREVIEW,  # it renders: tests/integration/test_previewing.py
        ActKind.SAMPLE_SEND,  # it renders: tests/integration/test_rehearsal_samples.py
    }


@pytest.fixture
def hooks() -> Iterator[Receiver]:
    with Receiver() as receiver:
        yield receiver


@pytest.fixture
def place(world: World, tmp_path: Path, hooks: Receiver, ministack: MiniStack) -> Place:
    world.add_job(["a@example.com", "b@example.com", "c@example.com"])
    world.enlist()
    world.add_job(job_id=7, scheduled_for="2037-12-31 23:00:00")
    secrets = {
        "EED_WEBHOOKS__SECRET": SECRET,
        "EED_PRIVACY__SECRET": KEY,
        "EED_QUEUE__ENDPOINT_URL": ministack.endpoint_url,
    }
    return Place(operations_over(world, tmp_path, CONFIG.format(url=hooks.url), secrets), world)


@pytest.mark.both_databases
@pytest.mark.also_on_sqlite
@pytest.mark.parametrize("name", ACTS)
def test_each_act_of_the_operations_gives_one_row(place: Place, name: str) -> None:
    case = ACTS[name]
    work = case.prepared(place)
    assert place.rows() == []
    work()
    (row,) = place.rows()
    assert place.row_count() == case.rows
    assert (row.act, row.object) == (case.kind, case.object)
    assert row.key == case.key or (case.key == "msg_" and str(row.key).startswith("msg_")) or case.key == ANY_KEY
    assert (row.user, row.surface, row.host, row.command) == ("anna", "api", "ops.example.com", "POST /api/v1/anything")
    told = {name: getattr(row, name) for name in ("reason", "count", "counts", "before", "after")}
    assert {name: value for name, value in told.items() if value is not None} == case.fields
    assert row.operation


def tables(world: World) -> dict[str, Any]:
    """Everything that is in the database, but for the audit."""
    names = (
        "eed_job",
        "eed_email",
        "eed_attempt",
        "eed_suppression",
        "eed_webhook",
        "eed_webhook_endpoint",
        "eed_channel",
    )
    names = (*names, "eed_hold", "eed_approval")
    source = ("delivery_job", "delivery_email")
    return {name: world.execute(f"SELECT * FROM {name}") for name in (*names, *source)}


@pytest.mark.parametrize("name", ACTS)
def test_nothing_is_done_or_read_without_its_row(
    place: Place, hooks: Receiver, ministack: MiniStack, tmp_path: Path, name: str
) -> None:
    """The row cannot be written: then nothing was done, nobody was told, and nothing was read out."""
    work = ACTS[name].prepared(place)
    place.world.execute("ALTER TABLE eed_audit RENAME COLUMN reason TO reason_away")
    before = tables(place.world)
    try:
        with pytest.raises(DBAPIError, match="reason"):
            work()
    finally:
        place.world.execute("ALTER TABLE eed_audit RENAME COLUMN reason_away TO reason")
    after = tables(place.world)
    if name == "submitting.register":  # its rows stay in 'preparing', and nobody picks them up
        after = {
            table: rows if table not in ("delivery_job", "delivery_email") else before[table]
            for table, rows in after.items()
        }
        assert place.world.scalar("SELECT status FROM delivery_job WHERE id = 8") == "preparing"
    assert after == before
    assert (hooks.told, list(tmp_path.rglob("*.eml"))) == ([], [])


@pytest.mark.both_databases
@pytest.mark.also_on_sqlite
def test_what_changes_nothing_has_no_row(place: Place) -> None:
    place.on_list()
    operations = place.operations
    operations.suppression.add(SuppressRequest(("anna@example.com",), "again", expires=60.0))
    assert operations.suppression.remove(RemoveRequest(("b@example.com",))).refusal is not None
    operations.deciding.settle(SettleRequest(("1000",), EmailState.SENT))
    operations.webhooks.retry(("msg_1_ab",))
    operations.webhooks.retry_all()
    operations.preparing.upgrade(with_source=False)
    preview = operations.requeueing.preview(RequeueRequest(every=True))
    assert operations.requeueing.requeue(preview) == 0
    assert place.rows() == []


def test_a_taken_test_ends_the_endpoints_pause_by_an_act_of_its_own(place: Place) -> None:
    assert not place.operations.webhooks.test().pause_ended
    place.world.execute("UPDATE eed_webhook_endpoint SET paused_at = '2026-01-01 00:00:00.000000', reason = 'gone'")
    place.forget()
    assert place.operations.webhooks.test().pause_ended
    assert not place.operations.webhooks.test().pause_ended
    rows = [(row.act, row.before) for row in reversed(place.rows())]
    assert rows == [
        ("webhook_test", None),
        ("webhook_resume", {"paused_at": "2026-01-01T00:00:00Z", "reason": "gone"}),
        ("webhook_test", None),
    ]


def test_an_entry_is_prolonged_with_what_stood_there(place: Place) -> None:
    suppression = place.operations.suppression
    suppression.add(SuppressRequest(("anna@example.com",), "for a while", expires=3600.0))
    suppression.add(SuppressRequest(("anna@example.com",), "for ever"))
    row = place.rows()[0]
    assert row.before is not None
    assert row.before["reason"] == "for a while"
    assert str(row.before["expires_at"]).endswith("Z")
    assert (row.counts, row.after) == (
        {"added": 0, "prolonged": 1},
        {"category": "", "reason": "for ever", "source": "operator"},
    )


@pytest.mark.both_databases
@pytest.mark.also_on_sqlite
def test_a_row_of_a_read_is_written_once_although_its_answer_is_lost(place: Place) -> None:
    audit, act = AuditLedger(place.world.database, SERVICE), Act(ActKind.AUDIT, object=ActObject.AUDIT)
    audit.record(act)
    audit.record(act)  # as after a commit whose answer was lost
    assert place.row_count() == 1


@pytest.mark.both_databases
@pytest.mark.also_on_sqlite
def test_what_is_kept_is_bounded(place: Place) -> None:
    actor = Actor("a" * 300, "cli", "h" * 300, "s" * 300, f"eed-delivery {'x' * 5000} \udc80")
    act = Act(ActKind.PAUSE, 1, reason="r" * 900, key="k" * 900, after={str(n): "v" * 900 for n in range(9)})
    ledger = AuditLedger(place.world.database, actor)
    ledger.record(act)
    ledger.record(Act(ActKind.RESUME, 1, after={"long": "ä" * 900, "none": None}, key="\udcff"))
    resumed, paused = place.rows()
    assert resumed.after == {"long": "ä" * 199 + "…"}
    assert resumed.key == "\\udcff"
    assert (len(paused.key or ""), len(paused.reason or ""), paused.after) == (320, 500, {"left out": "too long"})
    assert (len(paused.command or ""), (paused.command or "")[-1]) == (1000, "…")


# --- the list ------------------------------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.also_on_sqlite
def test_the_audit_is_filtered(place: Place) -> None:
    database, world = place.world.database, place.world
    for n, who in enumerate((Actor("eed", "cli", sudo_user="anna"), Actor("bert", "api"), Actor("hanna", "api"))):
        OperatingLedger(database, world.source, who=who).pause(1, str(n))
        OperatingLedger(database, world.source, who=who).resume(1)
    world.execute("UPDATE eed_email SET state = 'failed'")
    OperatingLedger(database, world.source, who=Actor("bert", "api")).requeue(Selection(emails=(1001,)))
    world.execute(
        "INSERT INTO eed_audit (act, who, at) VALUES ('cancel', 'anna as root', '2026-01-01 00:00:00.000000')"
    )
    place.operations.deciding.pause(StopRequest("7", "not yet"))
    place.operations.deciding.resume(ResumeRequest("7"))  # and the ledger knows it no more
    auditing = place.operations.auditing

    def found(**terms: Any) -> list[tuple[str, str]]:
        return [(row.act, row.who) for row in auditing.each(AuditRequest(**terms)) if row.act != "audit"]

    assert found(person="anna") == [
        ("resume", "anna"), ("pause", "anna"), ("cancel", "anna as root"), ("resume", "anna as eed"),
        ("pause", "anna as eed"),
    ]  # fmt: skip
    assert found(job="7") == [("resume", "anna"), ("pause", "anna")]
    assert len(found(job="1")) == 7
    assert found(email="1001") == [("requeue", "bert")]
    assert found(email="1000") == found(job="99") == found(person="an%") == []
    assert found(kind="pause", person="bert") == [("pause", "bert")]
    assert ("cancel", "anna as root") not in found(since=3600.0)
    assert [act for act, _ in found(until=3600.0)] == ["cancel"]
    with pytest.raises(InvalidRequest):
        AuditRequest(kind="eaten")


@pytest.mark.both_databases
@pytest.mark.also_on_sqlite
def test_a_page_never_parts_the_rows_of_one_call(place: Place) -> None:
    place.world.execute("UPDATE eed_email SET state = 'in_doubt'")
    place.operations.deciding.pause(StopRequest("1", "a look first"))
    place.operations.deciding.settle(SettleRequest(("1000", "1001", "1002"), EmailState.FAILED))
    place.operations.deciding.resume(ResumeRequest("1"))
    auditing = place.operations.auditing
    pages, after = [], None
    for _ in range(9):
        page = auditing.page(AuditRequest(job="1", after=after), 2)
        pages.append([entry.act for entry in page.entries])
        if (after := page.next_after) is None:
            break
    assert pages == [["resume", "settle", "settle", "settle"], ["pause"]]


def test_chunks_of_one_act_are_one_entry_and_other_acts_are_not(place: Place) -> None:
    world = place.world
    world.add_job(["d@example.com", "e@example.com"], job_id=2)
    world.enlist(2)
    for _ in range(2):
        world.execute("UPDATE eed_email SET state = 'failed', detail = 'no'")
        OperatingLedger(world.database, world.source, chunk=2).requeue(Selection())
    entries = [(row.key, row.count) for row in place.rows()]
    assert sorted(entries) == [("1", 3), ("1", 3), ("2", 2), ("2", 2)]


@pytest.fixture
def eed(world: World, tmp_path: Path) -> CommandLine:
    world.add_job(["a@example.com", "b@example.com"])
    world.enlist()
    return CommandLine(tmp_path, world.url)


def test_the_command_lists_acts_as_table_json_and_csv(eed: CommandLine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "there are none" in eed.good("audit")
    eed.environ["SUDO_USER"] = "anna"
    eed.good("pause", "1", "--reason", "=1+1")
    eed.good("resume", "1", "--reason", "all is well")
    lines = eed.good("audit", "--job", "1", "--since", "1h").splitlines()
    assert [line.split()[4] for line in lines[1:]] == ["resume", "pause"]
    assert "eed-delivery resume 1 --reason 'all is well'" in lines[1]
    (resumed,) = eed.json("audit", "--kind", "resume", "--person", "anna")
    assert (resumed["object"], resumed["key"], resumed["reason"]) == ("job", "1", "all is well")
    assert (resumed["before"]["state"], resumed["after"]["state"]) == ("paused", "active")
    assert (resumed["sudo_user"], resumed["surface"], resumed["at"][-1]) == ("anna", "cli", "Z")
    rows = list(csv.DictReader(io.StringIO(eed.good("audit", "--format", "csv", "--kind", "pause"))))
    assert [(row["reason"], json.loads(row["after"])) for row in rows] == [("'=1+1", {"state": "paused"})]
    assert "only the 1 newest are listed" in eed.good("audit", "--limit", "1")
    assert "is not one of" in eed.refused("audit", "--kind", "eaten", code=2)
    assert {row["act"] for row in eed.json("audit")} == {"audit", "pause", "resume"}


def test_reads_are_in_the_audit_and_not_among_the_acts_on_a_job(eed: CommandLine) -> None:
    eed.good("report", "1", "--format", "json")
    eed.good("report", "1", "--format", "html")
    eed.good("emails", "1", "--format", "csv")
    eed.good("email", "1000")
    eed.good("suppression", "export")
    eed.good("suppression", "list", "--json")
    acts = [row["act"] for row in eed.json("audit")]
    assert acts[::-1] == ["report", "emails", "email", "suppression_export", "suppression_list"]
    assert eed.json("job", "1")["acts"] == []
    assert eed.json("email", "1000")["acts"] == []


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        (["pause", "1", "--reason", "two words"], "eed-delivery pause 1 --reason 'two words'"),
        (["submit", "--smtp-password", "hunter2", "x"], "eed-delivery submit --smtp-password '***' x"),
        (["submit", "--api-token=hunter2"], "eed-delivery submit '--api-token=***'"),
        (
            ["x", "mysql+pymysql://eed:hunter2@db.example.com/d"],
            "eed-delivery x 'mysql+pymysql://***@db.example.com/d'",
        ),
        (["x", "https://a.example/?a=1&token=hunter2&b=2"], "eed-delivery x 'https://a.example/?a=1&token=***&b=2'"),
        (["emails", "--to", "anna@example.com"], "eed-delivery emails --to anna@example.com"),
    ],
)
def test_a_command_line_is_kept_without_secrets(words: list[str], kept: str) -> None:
    assert command_line(words) == kept


@pytest.mark.both_databases
@pytest.mark.also_on_sqlite
def test_rows_of_earlier_releases_are_taken_along(any_database_url: str) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine

    from eed_delivery.ledger import migrations

    engine = create_engine(any_database_url)
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0012")
        row = "1, 'requeue', 'anna as eed', 3, '2026-01-01 00:00:00.000000'"
        connection.execute(text(f"INSERT INTO eed_act (job_id, act, who, count, at) VALUES ({row})"))
        # broken off half-way, and run again
        connection.execute(text("ALTER TABLE eed_act RENAME TO eed_audit"))
        connection.execute(text("ALTER TABLE eed_audit ADD COLUMN sudo_user VARCHAR(255)"))
        connection.execute(text("CREATE INDEX eed_audit_by_time ON eed_audit (at)"))
    engine.dispose()
    world = World(any_database_url)
    (row,) = AuditLedger(world.database).entries(AuditFilter())
    assert (row.act, row.who, row.count, row.host, row.operation) == ("requeue", "anna as eed", 3, None, None)
    world.close()
