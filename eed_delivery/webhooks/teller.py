"""Sends due webhooks and records their results. Each is sent at least once, in no promised order.

An endpoint that fails is left alone for longer and longer, with one probe at a time over all processes of all hosts. So
an outage of its side uses up no message's tries.
"""

import random
import threading
import time

import structlog

from eed_delivery.config import WebhooksSettings
from eed_delivery.ledger.delivering.claims import new_token
from eed_delivery.ledger.webhooks.endpoint import TOO_MANY_FAILURES, EndpointNews, EndpointState
from eed_delivery.ledger.webhooks.ledger import Try, WebhookLedger, Work
from eed_delivery.metrics import observing
from eed_delivery.webhooks.body import body_of
from eed_delivery.webhooks.endpoint import WebhookAnswer, WebhookEndpoint

log = structlog.get_logger(__name__)

BATCH = 50
"""Webhooks that share the commits of a round. If the process dies in the middle, at most this many are sent twice."""
ROUND_SECONDS = 20.0
"""Seconds after which no new one is begun."""
LEASE_MARGIN_SECONDS = 60.0
"""For what no timeout bounds: a name server, a commit."""
IDLE_SECONDS = 1.0
LONGEST_PROBE_SECONDS = 300.0
HOUSEKEEPING_SECONDS = 60.0
BUSY_OR_DOWN = frozenset({429, 502, 503, 504})
"""Of the endpoint as a whole: it is left alone at once."""
GONE = 410
"""The receiver wants no more, as Standard Webhooks reads RFC 9110, section 15.5.11."""


class Teller:
    """One thread of the role. `step` is one round."""

    def __init__(
        self,
        ledger: WebhookLedger,
        endpoint: WebhookEndpoint,
        settings: WebhooksSettings,
        stop: threading.Event,
        *,
        round_seconds: float = ROUND_SECONDS,
    ) -> None:
        self._ledger = ledger
        self._endpoint = endpoint
        self._settings = settings
        self._stop = stop
        self._round_seconds = round_seconds

    def step(self) -> float:
        """Claim, send, record.

        Raises `DatabaseGone`. What was sent and not recorded is sent again, with the same id.
        """
        until = time.monotonic() + self._round_seconds
        token = new_token()
        work = self._ledger.take(
            token, self._round_seconds + self._settings.timeout_seconds + LEASE_MARGIN_SECONDS, BATCH
        )
        if not work.held:
            self._endpoint.close()  # no idle connection is kept open
            return 0.0 if work.more else IDLE_SECONDS
        tries, news = self._tell(work, until)
        given_up = self._ledger.record(token, tries, work.held[len(tries) :], news)
        _say_of_endpoint(work.endpoint, news, tries[-1] if tries else None)
        _say_given_up(given_up)
        return 0.0

    def _tell(self, work: Work, until: float) -> tuple[list[Try], EndpointNews]:
        """Send them one after the other, as long as there is time and the endpoint is neither down nor gone."""
        tries: list[Try] = []
        failures = work.endpoint.failures
        for held in work.held:
            if self._stop.is_set() or time.monotonic() > until:
                break
            answer = self._endpoint.post(held.message_id, body_of(held, addresses=self._settings.addresses))
            delay = self._pause(held.tries, self._settings.retry_max_delay_seconds)
            tries.append(Try(held.webhook_id, answer.status, answer.words, delay))
            observing.count("eed_webhook_tries_total", _result(answer, taken=tries[-1].taken))
            failures = 0 if tries[-1].taken else _one_more(failures, answer)
            if failures >= TOO_MANY_FAILURES or answer.status == GONE:
                break
        return tries, self._news(work.endpoint, failures, tries[-1] if tries else None)

    def _news(self, before: EndpointState, failures: int, last: Try | None) -> EndpointNews:
        if last is None or failures == before.failures == 0:
            return EndpointNews()
        pause = self._pause(failures - TOO_MANY_FAILURES + 1, LONGEST_PROBE_SECONDS)
        return EndpointNews(failures, pause, last.words if last.status == GONE else None)

    def _pause(self, times: int, longest: float) -> float:
        """Seconds to wait after `times` failures. They double, and are spread so that not all come at once."""
        delay = self._settings.retry_delay_seconds * 2.0 ** min(max(times, 1) - 1, 30)
        return min(delay, longest) * random.uniform(0.75, 1.25)  # noqa: S311 - spreads load, guards nothing


class Housekeeper:
    """Marks failed what is too old, and deletes what was delivered or failed long enough ago."""

    def __init__(self, ledger: WebhookLedger) -> None:
        self._ledger = ledger

    def step(self) -> float:
        """A small step of each. It is called again at once while there is more. Raises `DatabaseGone`."""
        given_up = self._ledger.expire()
        _say_given_up(given_up)
        return 0.0 if given_up + self._ledger.forget() else HOUSEKEEPING_SECONDS


def _result(answer: WebhookAnswer, *, taken: bool) -> str:
    if taken:
        return "taken"
    return "no_answer" if answer.status is None else "refused"


def _one_more(failures: int, answer: WebhookAnswer) -> int:
    """Failures in a row. Without an answer the next one would wait in vain as long as this one did."""
    for_all = answer.status is None or answer.status in BUSY_OR_DOWN
    return max(failures + 1, TOO_MANY_FAILURES if for_all else 0)


def _say_of_endpoint(before: EndpointState, news: EndpointNews, last: Try | None) -> None:
    if last is None or news.failures is None:
        return
    if news.gone is not None:
        log.error("webhooks_paused", reason=news.gone, status=last.status, todo="eed-delivery webhooks test")
    elif news.failures == 0 and before.down:
        log.info("webhooks_up")
    elif news.failures >= TOO_MANY_FAILURES and not before.down:
        log.warning("webhooks_down", status=last.status, reason=last.words, again_in_seconds=news.pause_seconds)


def _say_given_up(count: int) -> None:
    if count:
        log.error("webhooks_given_up", count=count, todo="eed-delivery webhooks list --state failed")
