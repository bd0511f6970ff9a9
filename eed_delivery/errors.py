"""The tree of what can go wrong. Each error is written for the person who has to act on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from eed_delivery.model import Concerns, Outcome, Verdict


class EedError(Exception):
    """The root of every error this service raises itself."""


class NotPossible(EedError):
    """The operator asked for something that the present state does not allow. The text says why and what to do."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake in the configuration or its surroundings.

    It says where it is, what is wrong, and what would be right.
    """

    where: str
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}. {self.remedy}"


class ConfigError(EedError):
    """The configuration cannot be used. Carries every problem, not the first (exit status 78, EX_CONFIG)."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class DatabaseGone(EedError):
    """The database cannot be reached or refuses to work. What was asked was not done, or may not have been."""


class QueueGone(EedError):
    """SQS cannot be reached or refuses to work."""


class LeaseLost(EedError):
    """A job is no longer this publisher's, or has changed. What was begun is rolled back, and nothing is lost."""


class Miscounted(EedError):
    """The database has changed another number of rows than it was given. What was begun is rolled back."""


class NoGrant(EedError):
    """The ledger refused the wire, for a stale token or a lost lease, or because the job is paused, cancelled or
    expired.
    """


class Stopping(EedError):
    """The service is asked to stop. What is not on the wire goes back unharmed."""


class DeliveryFailure(EedError):
    """An attempt that did not end in a yes. The subclass is the row of the answers table.

    `for_all` means that any email would have got it, with any content and recipient. `concerns` is whom it is about, as
    a rule what the class says.
    """

    verdict: ClassVar[Verdict]
    whom: ClassVar[Concerns] = Concerns.RECIPIENT

    def __init__(
        self,
        reply: str,
        *,
        code: int | None = None,
        enhanced: str | None = None,
        for_all: bool = False,
        concerns: Concerns | None = None,
    ) -> None:
        super().__init__(reply)
        self.reply = reply
        self.code = code
        self.enhanced = enhanced
        self.for_all = for_all
        self.concerns = concerns or self.whom

    def outcome(self) -> Outcome:
        """This failure as the ledger records it. What is the job's fault costs its email no attempt (G4)."""
        verdict = Verdict.INFRASTRUCTURE if self.concerns is Concerns.JOB else self.verdict
        return Outcome(verdict, self.reply, self.code, self.enhanced, for_all=self.for_all, concerns=self.concerns)


class PermanentFailure(DeliveryFailure):
    """This recipient or this content will never be taken, so the email fails at once."""

    verdict = Verdict.PERMANENT


class RenderError(PermanentFailure):
    """The email cannot be made from its template, variables, attachments or addresses."""

    def outcome(self) -> Outcome:
        """It has no code. The mail server has said nothing, and its breaker must not take this for an answer."""
        return Outcome(self.verdict, self.reply, None, self.enhanced)


class OtherBytes(PermanentFailure):
    """A store has a file with other bytes under a document's path, which stays. `path`: below the channel's root."""

    def __init__(self, reply: str, path: str) -> None:
        super().__init__(reply)
        self.path = path


class TransientFailure(DeliveryFailure):
    """Not now, a 4xx for this recipient or content. Retried later, counted."""

    verdict = Verdict.TEMPORARY


class Throttled(DeliveryFailure):
    """We are too fast for the provider. Slow down. It costs the email nothing."""

    verdict = Verdict.THROTTLED
    whom = Concerns.EVERYBODY


class InfrastructureFailure(DeliveryFailure):
    """It is not this recipient's fault. As a rule the transport is broken for all emails (cannot connect, TLS, AUTH,
    account paused). That opens the breaker. With `Concerns.OTHERS`, what others get decides."""

    verdict = Verdict.INFRASTRUCTURE
    whom = Concerns.EVERYBODY


class InDoubt(DeliveryFailure):
    """The connection died after the wire, and the message may or may not have been taken."""

    verdict = Verdict.IN_DOUBT
