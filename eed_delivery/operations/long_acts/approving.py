"""What a second person has to decide: another person with the same right, within 15 minutes, and once."""

from dataclasses import dataclass

from eed_delivery.ledger.long_acts.approvals import EXPIRED, Approval, ApprovalLedger
from eed_delivery.ledger.long_acts.ledger import LongActLedger
from eed_delivery.ledger.long_acts.long_act import LongAct, LongActKind, LongActOrder
from eed_delivery.operations.deciding import Deciding, JobChanged, ResumeRequest, StopRequest
from eed_delivery.operations.long_acts.confirming import confirmed
from eed_delivery.operations.long_acts.crowds import refuse_crowd
from eed_delivery.operations.long_acts.second_person import SecondPerson, SecondPersonRule
from eed_delivery.operations.long_acts.starting import Asker, LongActs, as_asked, token_refused
from eed_delivery.operations.refusals import OperationRefused, UnknownKey, WrongState
from eed_delivery.operations.values import reason

__all__ = ["Approval", "ApprovalView", "Approvals", "SamePerson"]

DECISIONS = (LongActKind.CANCEL, LongActKind.RESUME)


class SamePerson(OperationRefused):
    """The person who asked must not approve it, under no name."""


@dataclass(frozen=True, slots=True)
class ApprovalView:
    """What is asked for, and the act that it is about."""

    approval: Approval
    act: LongAct


class Approvals:
    """Asks for approvals, and decides. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        acts: LongActs,
        ledger: LongActLedger,
        approvals: ApprovalLedger,
        deciding: Deciding,
        second: SecondPerson,
    ) -> None:
        self._acts = acts
        self._ledger = ledger
        self._approvals = approvals
        self._deciding = deciding
        self._second = second

    def cancel_needs_one(self, job: str) -> bool:
        """Whether another person has to approve a job's end."""
        return self._deciding.rule_of_cancel(job) is not None

    def resume_needs_one(self, request: ResumeRequest) -> bool:
        """Whether another person has to approve that a job is resumed like this."""
        return not request.watched and self._second.wants(SecondPersonRule.RESUME_UNWATCHED)

    def ask_to_cancel(self, request: StopRequest, asker: Asker) -> LongAct:
        """Ask for a job's end. Raises `JobChanged`."""
        return self._ask(LongActKind.CANCEL, request.job, request.reason, request.version, asker)

    def ask_to_resume(self, request: ResumeRequest, asker: Asker) -> LongAct:
        """Ask to resume a job without its watch. Raises `JobChanged`."""
        return self._ask(LongActKind.RESUME, request.job, request.reason or "", request.version, asker)

    def _ask(self, kind: LongActKind, job: str, why: str, version: str | None, asker: Asker) -> LongAct:
        rule = SecondPersonRule.CANCEL if kind is LongActKind.CANCEL else SecondPersonRule.RESUME_UNWATCHED
        if not asker.is_person:
            raise token_refused(rule)
        name, entered = self._ledger.named()
        if entered is not None:
            return entered
        refuse_crowd(self._ledger, kind)
        seen = self._deciding.version(job)
        if version is not None and version != seen:
            raise JobChanged("the job has changed since you looked at it. Look again, then decide")
        order = LongActOrder(
            kind, {"job": job}, {}, reason(why), 1, seen, approval=rule, subject=asker.subject
        )  # fmt: skip
        return self._ledger.start(order, name)

    def page(self, limit: int, *, waiting: bool) -> list[ApprovalView]:
        """What was asked, the newest first."""
        found = self._approvals.newest(limit, waiting=waiting)
        return [ApprovalView(one, self._acts.view(one.operation)) for one in found]

    def view(self, act_id: str) -> ApprovalView:
        """What is asked about one act. Raises `UnknownKey`."""
        found = self._approvals.of(act_id)
        if found is None:
            raise UnknownKey(f"nobody has to approve operation {act_id}", which=f"operation {act_id}")
        return ApprovalView(found, self._acts.view(act_id))

    def approve(self, act_id: str, why: str | None, asker: Asker, *, alone: bool = False) -> LongAct:
        """Let an act begin. Raises `SamePerson`, `WrongState` if it was decided, `SelectionChanged`, `JobChanged`.

        `alone`: root approves on the command line, whose names are claims. The caller has checked that.
        """
        view = self.view(act_id)
        self._refuse_decided(view.approval)
        if not alone:
            self._refuse_same(view.approval, asker)
        self._refuse_changed(view.act)
        if not self._approvals.approve(act_id, asker.subject, why):
            raise self._decided(act_id)
        return self._acts.view(act_id)

    def refuse(self, act_id: str, why: str, asker: Asker) -> LongAct:
        """Forbid an act. The person who asked may do that, too. Raises `WrongState`."""
        self._refuse_decided(self.view(act_id).approval)
        if not self._approvals.refuse(act_id, asker.subject, reason(why)):
            raise self._decided(act_id)
        return self._acts.view(act_id)

    def _refuse_decided(self, approval: Approval) -> None:
        if approval.state != "waiting":
            raise _was(approval)

    def _refuse_same(self, approval: Approval, asker: Asker) -> None:
        if not asker.is_person:
            raise token_refused(SecondPersonRule(approval.rule))
        if asker.subject.casefold() == approval.asked_subject.casefold():
            raise SamePerson("the person who asked for it cannot approve it", do="Another person has to.")

    def _refuse_changed(self, act: LongAct) -> None:
        if act.kind in DECISIONS:
            if self._deciding.version(str(act.selection["job"])) != act.selection_etag:
                raise JobChanged("the job has changed since it was asked for. Look again, then ask again")
            return
        seen = confirmed(act.selection_etag, (act.selection_etag or "").rpartition("-")[2])
        # What has come since would not be touched, and still is a reason to look again.
        self._acts.refuse_grown(act.kind, as_asked(act), seen.count, seen.at, act.tolerance)

    def _decided(self, act_id: str) -> WrongState:
        return _was(self.view(act_id).approval)


def _was(approval: Approval) -> WrongState:
    what = {EXPIRED: "its 15 minutes are over", "waiting": "it was stopped meanwhile"}
    done = what.get(approval.state, f"it was {approval.state} by {approval.decided_by}")
    return WrongState(
        f"operation {approval.operation} cannot be decided any more: {done}", which=f"operation {approval.operation}"
    )
