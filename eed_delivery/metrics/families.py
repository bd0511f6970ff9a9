"""The metrics of processes by name. A label never has a recipient, an address, an email's key or a reply in it."""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "histogram", "gauge"]
SECONDS = (0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 300.0)
QUICK = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.5, 2.0, 10.0)
WAITS = (0.05, 0.2, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)
LATE = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 86_400.0)


@dataclass(frozen=True, slots=True)
class MetricFamily:
    """One metric. `mode` says what a gauge of several processes comes to. A gauge of a dead process goes."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    mode: Literal["livemax", "livesum"] = "livemax"


FAMILIES = (
    MetricFamily(
        "eed_attempts_total", "counter", "Tries to deliver an email, by what they came to.", ("verdict", "transport")
    ),
    MetricFamily(
        "eed_attempt_seconds", "histogram", "Seconds from the hand-over to the answer.", ("transport",), SECONDS
    ),
    MetricFamily("eed_render_seconds", "histogram", "Seconds that rendering one email took.", (), QUICK),
    MetricFamily(
        "eed_queue_wait_seconds", "histogram",
        "Seconds from when a message was published to when it was received first.", (), WAITS,
    ),
    MetricFamily("eed_wire_wait_seconds", "histogram", "Seconds from an email's claim to the wire.", (), SECONDS),
    MetricFamily("eed_throttled_total", "counter", "Answers that said that this service sends too fast."),
    MetricFamily(
        "eed_breaker_open", "gauge", "1 while a worker of the channel sends nothing, because its way out is broken.",
        ("channel",),
    ),
    MetricFamily(
        "eed_pace_share", "gauge", "Emails a second that this host's workers of a channel may send. Absent: no limit.",
        ("channel",), mode="livesum",
    ),
    MetricFamily(
        "eed_messages_received_total", "counter", "Messages of the queue, by what became of them.", ("fate",)
    ),
    MetricFamily("eed_events_total", "counter", "Events about sent emails, by kind.", ("kind",)),
    MetricFamily(
        "eed_event_lag_seconds", "histogram", "Seconds from when an event happened to when it was received.", (), LATE
    ),
    MetricFamily("eed_webhook_tries_total", "counter", "Tries to send a webhook, by what they came to.", ("result",)),
    MetricFamily(
        "eed_database_seconds", "histogram", "Seconds of workers' transactions, by what they do.", ("call",), QUICK
    ),
    MetricFamily("eed_database_gone_total", "counter", "Transactions that were given up while the database was away."),
    MetricFamily(
        "eed_http_requests_total", "counter", "Requests to pages and API.", ("route", "method", "status")
    ),
    MetricFamily("eed_http_seconds", "histogram", "Seconds to answer a request to pages and API.", (), SECONDS),
    MetricFamily(
        "eed_process_start_time_seconds", "gauge", "When the role's youngest process started, in seconds since 1970.",
        ("role",),
    ),
    MetricFamily("eed_build_info", "gauge", "1 for each release and configuration that runs.", ("version", "config")),
)  # fmt: skip
