r"""How mail servers write what they did. A further server is a further table here.

Postfix, one line a step, related by a queue id, which is used again later:
`postfix/cleanup[2536]: 4F9D195432C: message-id=<…>`, then qmgr's `(queue active)` once the message is whole, then
`to=<…>, relay=…, status=sent|bounced|deferred (…)`, then `removed`.
https://www.postfix.org/postconf.5.html#enable_long_queue_ids, src/global/log_adhoc.c and src/qmgr/qmgr_active.c there.

Exim's main log, related by a message id: `<=` arrival with `id=` the Message-ID, `=>`, `->` and `>>` delivery, `**`
failure, `==` deferral. https://www.exim.org/exim-html-current/doc/html/spec_html/ch-log_files.html

KumoMTA, a JSON record a step. Its logger must have the header Message-ID among its `headers`.
https://docs.kumomta.com/reference/log_record/

SES, an event a line, with our tags. https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from eed_delivery.tracking.relay_logs.sightings import LineFate
from eed_delivery.tracking.ses.sns_envelope import message_in

_SYSLOG = rb"[A-Z][a-z]{2} [ \d]\d \d\d:\d\d"
_ISO = rb"\d{4}-\d\d-\d\d[T ]\d\d:\d\d"
_REST = rb":\d\d(?:[.,]\d{1,9})?"
_FIELDS = rb"(?:(?!status=)[a-z_]+=[^,]*, )*"  # a reply behind the status may hold another one
_ZONE = rb"(?P<zone>Z|[+-]\d\d:?\d\d)?"


@dataclass(frozen=True, slots=True)
class LineDialect:
    """Lines of text. `line` finds `minute`, `zone` and `queue`, and ends where the rest begins.

    `arrival` finds the Message-ID in the rest, and says `arrived`. Each of `fates` finds `to`, or no recipient. After
    `over` the queue id belongs to no email any more.
    """

    name: str
    line: re.Pattern[bytes]
    arrival_mark: bytes
    arrival: re.Pattern[bytes]
    arrived: LineFate
    fates: Sequence[tuple[re.Pattern[bytes], LineFate]]
    over: re.Pattern[bytes]


@dataclass(frozen=True, slots=True)
class JsonDialect:
    """A JSON object a line. `mark` is how its lines are told from others.

    `unwrap` gives the record of a line, `tags` ours in it, and `kind` its kind, whose fate is among `fates`. `arrivals`
    are the kinds that come at the hand-over. `proves_absence`: whether what is not in it has not happened.
    """

    name: str
    mark: re.Pattern[bytes]
    unwrap: Callable[[str], Mapping[str, Any] | None]
    kind: Callable[[Mapping[str, Any]], Any]
    fates: Mapping[str, LineFate]
    message_id: Callable[[Mapping[str, Any]], Any]
    queue: Callable[[Mapping[str, Any]], Any]
    recipient: Callable[[Mapping[str, Any]], Any]
    tags: Callable[[Mapping[str, Any]], Any]
    arrivals: re.Pattern[bytes]
    proves_absence: bool


POSTFIX = LineDialect(
    name="Postfix",
    line=re.compile(
        rb"(?:<\d{1,3}>\d? ?)?(?P<minute>%b|%b)%b%b \S+ [^\s\[]*\[\d+\]: (?P<queue>[0-9A-Za-z]{6,20}): "
        % (_SYSLOG, _ISO, _REST, _ZONE)
    ),
    arrival_mark=b"message-id=",
    arrival=re.compile(rb"(?:resent-)?message-id=<?([^>\s]+)>?\s*$"),
    arrived=LineFate.MENTIONED,
    fates=(
        (re.compile(rb"to=<(?P<to>[^>]*)>, %bstatus=sent " % _FIELDS), LineFate.SENT),
        (re.compile(rb"to=<(?P<to>[^>]*)>, %bstatus=(?:bounced|expired) " % _FIELDS), LineFate.BOUNCED),
        (re.compile(rb"to=<(?P<to>[^>]*)>, %bstatus=deferred " % _FIELDS), LineFate.DEFERRED),
        (re.compile(rb"from=<[^>]*>, status=(?:force-)?expired, "), LineFate.BOUNCED),
        (re.compile(rb"from=<[^>]*>, size=\d+, nrcpt=\d+ \(queue active\)"), LineFate.TAKEN),
        (re.compile(rb"(?:milter-)?(?:reject|discard): "), LineFate.BOUNCED),
    ),
    over=re.compile(rb"removed\s*$"),
)
EXIM = LineDialect(
    name="Exim",
    line=re.compile(
        rb"(?:.{0,200}?exim\d?\[\d+\]: )?(?P<minute>%b)%b(?: %b)? (?:\[\d+\] )?"
        rb"(?P<queue>[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}-[0-9A-Za-z]{2}|[0-9A-Za-z]{11}-[0-9A-Za-z]{4})) "
        % (_ISO, _REST, _ZONE.removesuffix(b"?"))
    ),
    arrival_mark=b" id=",
    arrival=re.compile(rb"<= \S+ (?:.*? )??id=(\S+)"),
    arrived=LineFate.TAKEN,
    fates=(
        (re.compile(rb"(?:=>|->|>>) (?P<to>\S+)"), LineFate.SENT),
        (re.compile(rb"\*\* (?P<to>\S+)"), LineFate.BOUNCED),
        (re.compile(rb"== (?P<to>\S+)"), LineFate.DEFERRED),
    ),
    over=re.compile(rb"Completed\s*$"),
)


def _of(*path: str) -> Callable[[Mapping[str, Any]], Any]:
    """What is at this place of a record. None for nothing."""

    def find(record: Mapping[str, Any]) -> Any:
        found: Any = record
        for name in path:
            found = found.get(name) if isinstance(found, dict) else None
        return found

    return find


def _record(line: str) -> Mapping[str, Any] | None:
    found = json.loads(line)
    return found if isinstance(found, dict) else None


def _logged_message_id(record: Mapping[str, Any]) -> Any:
    headers = record.get("headers")
    found = headers.items() if isinstance(headers, dict) else ()
    return next((value for name, value in found if name.lower() == "message-id"), None)


KUMOMTA = JsonDialect(
    name="KumoMTA",
    mark=re.compile(
        rb'\s*\{.*?"type":\s*"(?:Reception|Delivery|Bounce|TransientFailure|Expiration|AdminBounce|OOB|Rejection|Delay)"'
    ),
    unwrap=_record,
    kind=_of("type"),
    fates={
        "Reception": LineFate.TAKEN,
        "Delivery": LineFate.SENT,
        "TransientFailure": LineFate.DEFERRED,
        "Delay": LineFate.DEFERRED,
        **dict.fromkeys(("Bounce", "Expiration", "AdminBounce", "OOB", "Rejection"), LineFate.BOUNCED),
    },
    message_id=_logged_message_id,
    queue=_of("id"),
    recipient=_of("recipient"),
    tags=_of("tags"),
    arrivals=re.compile(rb'"type":\s*"Reception"'),
    proves_absence=True,
)
SES = JsonDialect(
    name="SES",
    mark=re.compile(rb'\s*\{.*?(?:eventType|notificationType)\\?":'),
    unwrap=message_in,
    kind=lambda record: record.get("eventType") or record.get("notificationType"),
    fates={
        **dict.fromkeys(("Delivery", "Complaint", "Open", "Click"), LineFate.SENT),
        **dict.fromkeys(("Bounce", "Reject", "Rendering Failure"), LineFate.BOUNCED),
        "Send": LineFate.TAKEN,
        "DeliveryDelay": LineFate.DEFERRED,
    },
    message_id=_of("mail", "commonHeaders", "messageId"),
    queue=_of("mail", "messageId"),
    recipient=_of("recipient"),  # there is none: our emails have one each
    tags=_of("mail", "tags"),
    arrivals=re.compile(rb"(?!)"),
    proves_absence=False,  # events may be late, and a configuration set may leave kinds of them out
)
LINES: tuple[LineDialect, ...] = (POSTFIX, EXIM)
JSONS: tuple[JsonDialect, ...] = (KUMOMTA, SES)
