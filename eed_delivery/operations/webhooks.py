"""Lists and tests webhooks to the tenant's own system, and sends failed ones again."""

import time
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime

from eed_delivery.ledger.acts import Act, ActKind, ActObject
from eed_delivery.ledger.auditing import AuditLedger
from eed_delivery.ledger.webhooks.endpoint import EndpointState
from eed_delivery.ledger.webhooks.listing import WebhookList, WebhookReport
from eed_delivery.ledger.webhooks.outbox import DONE, FAILED, WAITING
from eed_delivery.operations.refusals import InvalidRequest, OperationRefused, WrongState
from eed_delivery.webhooks.body import body_of_test
from eed_delivery.webhooks.endpoint import WebhookEndpoint

__all__ = [
    "DONE", "FAILED", "MOST_LISTED", "WAITING", "EndpointState", "RetryResult", "WebhookNotTaken", "WebhookOperations",
    "WebhookReport", "WebhookTaken", "WebhooksRequest", "WebhooksView",
]  # fmt: skip

MOST_LISTED = 10_000


class WebhookNotTaken(OperationRefused):
    """The endpoint did not take a test. `status` is None where there was no answer."""

    def __init__(self, what: str, status: int | None) -> None:
        super().__init__(what, which="webhooks.url")
        self.status = status


@dataclass(frozen=True, slots=True)
class WebhooksRequest:
    """Webhooks in one state: `waiting`, `failed` or `done`, at most `limit`. `after` is what the page before said.
    Raises `InvalidRequest`."""

    state: str
    limit: int
    after: str | None = None

    def __post_init__(self) -> None:
        if self.state not in (WAITING, FAILED, DONE):
            raise InvalidRequest(f"a state is {WAITING}, {FAILED} or {DONE}", which="state")
        if not 1 <= self.limit <= MOST_LISTED:
            raise InvalidRequest(f"a limit is from 1 to {MOST_LISTED:,}", which="limit")
        if self.after is not None and _read_place(self.after) is None:
            raise InvalidRequest("after is what the page before said", which="after")


@dataclass(frozen=True, slots=True)
class WebhooksView:
    """How the endpoint is doing, how many there are in each state, and those that were asked for. `configured` says
    whether there is an endpoint at all. `next_after` is None on the last page."""

    configured: bool
    endpoint: EndpointState
    counts: Mapping[str, int]
    webhooks: tuple[WebhookReport, ...]
    next_after: str | None


@dataclass(frozen=True, slots=True)
class RetryResult:
    """The ids that will be sent again, and the error that names the others. None if there are none."""

    retried: tuple[str, ...]
    refusal: WrongState | None


@dataclass(frozen=True, slots=True)
class WebhookTaken:
    """The endpoint's answer to a test that it took. `pause_ended` means that it had been paused until now."""

    status: int
    words: str
    pause_ended: bool


class WebhookOperations:
    """Lists webhooks, and queues them to be sent again. Each call raises `DatabaseGone`."""

    def __init__(
        self,
        configured: bool,
        webhooks: Callable[[], WebhookList],
        endpoint: Callable[[], WebhookEndpoint],
        audit: Callable[[], AuditLedger],
    ) -> None:
        """`endpoint` raises `ConfigError` where its settings are wrong or not there."""
        self._configured = configured
        self._webhooks = webhooks
        self._endpoint = endpoint
        self._audit = audit

    def check_settings(self) -> None:
        """Raises `ConfigError`."""
        self._endpoint().close()

    def view(self, request: WebhooksRequest) -> WebhooksView:
        """Those that are due next come first."""
        found = self._webhooks()
        after = None if request.after is None else _read_place(request.after)
        rows = found.all(request.state, request.limit + 1, after)
        shown, more = tuple(rows[: request.limit]), len(rows) > request.limit
        next_after = _place(shown[-1]) if more else None
        return WebhooksView(self._configured, found.endpoint(), found.counts(), shown, next_after)

    def retry(self, ids: tuple[str, ...]) -> RetryResult:
        """Send failed messages again, with the same id."""
        done = self._webhooks().tell_anew(ids)
        left = [one for one in ids if one not in done]
        return RetryResult(tuple(done), _not_given_up(left) if left else None)

    def retry_all(self) -> int:
        """The same for all failed messages. Returns how many."""
        return self._webhooks().tell_all_anew()

    def test(self) -> WebhookTaken:
        """Send a test to the endpoint. If it accepts it, a pause ends. Raises `WebhookNotTaken`."""
        with closing(self._endpoint()) as endpoint:
            self._audit().record(Act(ActKind.WEBHOOK_TEST, object=ActObject.WEBHOOKS))
            body = body_of_test(datetime.now(UTC).replace(tzinfo=None))
            answer = endpoint.post(f"msg_test_{time.time_ns()}", body)
        said = f": {answer.words}" if answer.words else ""
        if answer.status is None:
            raise WebhookNotTaken(f"there was no reply{said}", None)
        if not 200 <= answer.status < 300:
            raise WebhookNotTaken(f"the endpoint did not accept it. It answered {answer.status}{said}", answer.status)
        return WebhookTaken(answer.status, answer.words, self._webhooks().go_on())


def _place(report: WebhookReport) -> str:
    """Where a page ends, as the next one takes it."""
    due_at, number = report.place
    return f"{due_at.isoformat()}_{number}"


def _read_place(text: str) -> tuple[datetime, int] | None:
    """What `_place` wrote. None for any other text."""
    due_at, _, number = text.partition("_")
    try:
        return datetime.fromisoformat(due_at).replace(tzinfo=None), int(number)
    except ValueError:
        return None


def _not_given_up(left: list[str]) -> WrongState:
    names = ", ".join(left)
    return WrongState(f"only failed messages can be sent again, and these are not: {names}", which=names)
