"""Send windows: what is configured, whether it is open now, and overrides that open it for a while."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from eed_delivery.ledger.reporting import JobReport, ReportingLedger
from eed_delivery.ledger.windows.overrides import OverrideLedger, StoredOverride
from eed_delivery.ledger.windows.reading import JobWindow
from eed_delivery.model import WindowScope, WindowTarget
from eed_delivery.operations.holds import unknown_channel
from eed_delivery.operations.keys import Keys
from eed_delivery.operations.refusals import InvalidRequest, UnknownKey, WrongState
from eed_delivery.operations.values import category, reason, seconds_until_moment
from eed_delivery.send_windows.plan import NEVER, WindowPlan
from eed_delivery.send_windows.rules import SendWindows

__all__ = [
    "EndRequest", "JobWindow", "OverrideRequest", "StoredOverride", "WindowOperations", "WindowScope", "WindowTarget",
    "WindowView", "WindowsView", "called_window", "window_target",
]  # fmt: skip

LONGEST_DAYS = 31
"""Of an override. What is to be open for longer belongs into the configuration."""
_DAY_SECONDS = 86_400


def window_target(scope: WindowScope, subject: str = "") -> WindowTarget:
    """What is to be opened, in the form that the ledger keeps. Raises `InvalidRequest`."""
    if scope is WindowScope.ALL and subject:
        raise InvalidRequest("an override of everything names nothing", which="subject")
    if scope in (WindowScope.CHANNEL, WindowScope.JOB) and not subject:
        raise InvalidRequest(f"name the {scope}", which="subject")
    return WindowTarget(scope, category(subject) if scope is WindowScope.CATEGORY else subject)


def called_window(target: WindowTarget) -> str:
    """A target in words."""
    if target.scope is WindowScope.ALL:
        return "everything"
    if target == WindowTarget(WindowScope.CATEGORY):
        return "jobs without a category"
    return f"{'the ' if target.scope is WindowScope.CHANNEL else ''}{target.scope} {target.subject}"


@dataclass(frozen=True, slots=True)
class OverrideRequest:
    """Open a target from now on. `lasts` is seconds, or a time in UTC with its zone. Raises `InvalidRequest`."""

    target: WindowTarget
    reason: str
    lasts: float | datetime

    def __post_init__(self) -> None:
        reason(self.reason)


@dataclass(frozen=True, slots=True)
class EndRequest:
    """End the override of a target. Raises `InvalidRequest`."""

    target: WindowTarget
    reason: str

    def __post_init__(self) -> None:
        reason(self.reason)


@dataclass(frozen=True, slots=True)
class WindowView:
    """The windows of the installation, of a channel or of a category, each in words. Times are UTC.

    `ignores` is of a category that ignores windows. `changes_at` is when it closes or opens next.
    """

    target: WindowTarget
    windows: tuple[str, ...]
    excluded: tuple[date, ...]
    ignores: bool
    is_open: bool
    changes_at: datetime | None


@dataclass(frozen=True, slots=True)
class WindowsView:
    """What is configured, and the overrides that last. `of_jobs`: jobs may have windows of their own."""

    windows: tuple[WindowView, ...]
    overrides: tuple[StoredOverride, ...]
    of_jobs: bool


class WindowOperations:
    """Shows and overrides windows. Each call raises `DatabaseGone`, and `OperationRefused` for what cannot be done."""

    def __init__(
        self,
        overrides: OverrideLedger,
        plan: Callable[[], WindowPlan],
        keys: Keys,
        reporting: ReportingLedger,
        channels: Callable[[], Collection[str]],
    ) -> None:
        """`plan` is what is configured now. `channels` names those that there are."""
        self._overrides = overrides
        self._plan = plan
        self._keys = keys
        self._reporting = reporting
        self._channels = channels

    def view(self) -> WindowsView:
        """What is configured, and what people have opened."""
        plan, now, overrides = self._plan(), self._reporting.now(), self._overrides.all()
        windows = tuple(_overridden(one, overrides) for one in _views(plan, now))
        return WindowsView(windows, overrides, plan.of_jobs)

    def of_channel(self, name: str) -> WindowView | None:
        """The windows of a channel itself. None if it has none. Those of its jobs count beside it."""
        target = WindowTarget(WindowScope.CHANNEL, name)
        return next((one for one in self.view().windows if one.target == target), None)

    def override(self, request: OverrideRequest) -> StoredOverride:
        """Open a target until its end, whatever its windows say. Another override of it is replaced."""
        seconds = seconds_until_moment(request.lasts, self._reporting.now()) or 0.0
        if not 0 < seconds <= LONGEST_DAYS * _DAY_SECONDS:
            what = (
                "the end of the override has passed"
                if seconds <= 0
                else f"an override lasts {LONGEST_DAYS} days at most"
            )
            raise InvalidRequest(what, which="lasts")
        target = self._with_a_window(request.target)
        found = self._overrides.set(target, reason(request.reason), seconds)
        if found is None:
            raise WrongState("the override has ended already", which="override")
        return found

    def end(self, request: EndRequest) -> StoredOverride:
        """End an override. From the next wire grant on windows count again."""
        ended = self._overrides.end(request.target, reason(request.reason))
        if ended is None:
            what = f"there is no override of {called_window(request.target)}"
            raise WrongState(what, which="override", do="It may have ended. See eed-delivery window list.")
        return ended

    def numbered(self, override_id: int) -> StoredOverride:
        """An override by its number. Raises `UnknownKey`."""
        found = next((one for one in self._overrides.all() if one.override_id == override_id), None)
        if found is None:
            raise UnknownKey("there is no such override any more", which="override")
        return found

    def _with_a_window(self, target: WindowTarget) -> WindowTarget:
        """The target as the ledger has it."""
        if self._plan().is_empty:
            raise WrongState("no send window is configured: jobs leave at any time", which="send_windows")
        if target.scope is WindowScope.CHANNEL and target.subject not in (known := self._channels()):
            raise unknown_channel(target.subject, known)
        if target.scope is WindowScope.JOB:
            return WindowTarget(target.scope, self._key_of(target.subject))
        return target

    def _key_of(self, key: str) -> str:
        job: JobReport | None = self._reporting.job(self._keys.job_id(key))
        if job is None or job.finished_at is not None:
            raise WrongState(f"job {key} has finished", which=f"job {key}")
        if job.window is None:
            raise WrongState(f"no send window concerns job {key}: it leaves at any time", which=f"job {key}")
        return job.key


def _views(plan: WindowPlan, now: datetime) -> Iterator[WindowView]:
    if plan.installation.rules:
        yield _view(WindowTarget(WindowScope.ALL), plan.installation, now)
    for name, windows in plan.channels.items():
        if windows.rules:
            yield _view(WindowTarget(WindowScope.CHANNEL, name), windows, now)
    for name in sorted({*plan.categories, *plan.ignoring}):
        ignores = name in plan.ignoring
        windows = SendWindows() if ignores else plan.of_job(name, None)
        yield _view(WindowTarget(WindowScope.CATEGORY, name), windows, now, ignores=ignores)


def _overridden(view: WindowView, overrides: Sequence[StoredOverride]) -> WindowView:
    """The windows of one target, open as long as an override of it or of everything lasts."""
    ends = [one.until_at for one in overrides if one.target in (view.target, WindowTarget(WindowScope.ALL))]
    return view if view.is_open or not ends else replace(view, is_open=True, changes_at=max(ends))


def _view(target: WindowTarget, windows: SendWindows, now: datetime, *, ignores: bool = False) -> WindowView:
    words, excluded = tuple(one.words for one in windows.rules), tuple(sorted(windows.excluded))
    if ignores:
        return WindowView(target, words, excluded, ignores, is_open=True, changes_at=None)
    first = WindowPlan(windows).next_spans(now, "", "", None).first
    is_open = first.has(now)
    changes_at = first.end if is_open else first.start
    return WindowView(target, words, excluded, ignores, is_open, None if changes_at == NEVER.start else changes_at)
