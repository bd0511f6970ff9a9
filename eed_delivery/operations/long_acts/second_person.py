"""Acts that a second person has to approve, where `operators.second_person` says so."""

from collections.abc import Collection
from enum import StrEnum

from eed_delivery.operations.refusals import OperationRefused


class SecondPersonRule(StrEnum):
    """An act that one person alone must not do."""

    RESEND_DOUBTS = "resend_doubts"  # requeue what may have arrived, or say without evidence that it has not
    CANCEL = "cancel"  # a job with many unsent emails
    RESUME_UNWATCHED = "resume_unwatched"
    UNSUPPRESS_COMPLAINTS = "unsuppress_complaints"


class SecondPersonNeeded(OperationRefused):
    """One person alone must not do this. `rule` says why."""

    def __init__(self, rule: SecondPersonRule) -> None:
        super().__init__(
            f"operators.second_person names {rule}: another person has to approve this",
            do="Ask for it by the pages or the API. On the command line, root can act with --alone and --reason.",
        )
        self.rule = rule


class SecondPerson:
    """Whether an act needs another person. `satisfied` where one has approved, or root acts alone."""

    def __init__(self, rules: Collection[str] = (), cancel_above: int = 0, *, satisfied: bool = False) -> None:
        self.cancel_above = cancel_above
        self._rules = frozenset() if satisfied else frozenset(rules)

    def wants(self, rule: SecondPersonRule) -> bool:
        """Whether an act under this rule needs one."""
        return rule in self._rules

    def demand(self, rule: SecondPersonRule) -> None:
        """Raises `SecondPersonNeeded`."""
        if self.wants(rule):
            raise SecondPersonNeeded(rule)


NOBODY_ELSE = SecondPerson()
"""No act needs another person."""
