"""The report as one page of HTML that a manager can read and print. It loads nothing and runs nothing.

Names, reasons and replies are others' words. Everything is escaped, and no email address of a recipient is on the page.
"""

import json
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from eed_delivery.events import DeliveryOutcome
from eed_delivery.ledger.acts import ActReport
from eed_delivery.ledger.tracking.engagement import JobEngagement
from eed_delivery.ledger.tracking.outcomes import BounceReason
from eed_delivery.model import EmailState
from eed_delivery.reports.certificate import Certificate
from eed_delivery.reports.chart import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, chart
from eed_delivery.reports.digest import Digest
from eed_delivery.reports.moments import Moments
from eed_delivery.reports.reasons import alike
from eed_delivery.reports.served import percent, served
from eed_delivery.reports.tracked import Tracked
from eed_delivery.untrusted import mask_addresses, visible

REASONS_LISTED = 20
ACTS_LISTED = 50
Command = Callable[..., str]


def page(
    certificate: Certificate,
    digest: Digest,
    bounces: Sequence[BounceReason],
    engagement: JobEngagement,
    acts: Iterable[ActReport],
    known: Tracked,
    command: Command,
    moments: Moments | None = None,
) -> str:
    """The page. `acts` are in their order. `command` makes the line to type from a command's words. `moments` writes
    the times, by default in UTC and this machine's own time."""
    reasons, more = digest.reasons.commonest(REASONS_LISTED)
    last_acts = deque(enumerate(acts, start=1), ACTS_LISTED)
    sent = certificate.states[EmailState.SENT]
    values = {
        "moments": moments or Moments.here(),
        "certificate": certificate,
        "record": json.dumps(certificate.as_json(), indent=2, ensure_ascii=False),
        "job": certificate.job,
        "states": certificate.states,
        "served": served(certificate.states, certificate.refused, certificate.outcomes[DeliveryOutcome.HARD_BOUNCED]),
        "outcomes": certificate.outcomes,
        "known": known,
        "engagement": engagement,
        "chart": chart(digest.accepted, [act.at for _, act in last_acts]),
        "acts": [act for _, act in last_acts],
        "earlier_acts": last_acts[0][0] - 1 if last_acts else 0,
        "plot": {
            "width": WIDTH,
            "height": HEIGHT,
            "left": LEFT,
            "right": WIDTH - RIGHT,
            "top": TOP,
            "bottom": HEIGHT - BOTTOM,
        },
        "reasons": reasons,
        "more_reasons": more,
        "bounces": bounces,
        "doubts": [_doubt(doubt.key, doubt.detail, doubt.wire_at, command) for doubt in digest.doubts],
        "more_doubts": certificate.states[EmailState.IN_DOUBT] - len(digest.doubts),
        "all_doubts": command("emails", certificate.job.key, "--state", "in_doubt"),
        "share": lambda count: percent(count, sent),
    }
    return _ENVIRONMENT.get_template("page.html").render(values)


def _doubt(key: str, detail: str | None, handed_over: datetime | None, command: Command) -> dict[str, object]:
    words = ["--", key] if key.startswith("-") else [key]
    return {
        "key": key,
        "handed_over": handed_over,
        "reason": alike(detail or "") or "no reason is known",
        "sent": command("settle", "--as", "sent", *words),
        "failed": command("settle", "--as", "failed", *words),
    }


def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Escaping keeps others' words from being markup; this keeps them from reversing the line, or hiding in it.
    found.filters.update(
        words=lambda text: visible(str(text)),
        # An operator's reason may name a customer: the page does not.
        unaddressed=lambda text: mask_addresses(text or ""),
        number=lambda n: f"{n:,}",
    )
    return found


_ENVIRONMENT = _environment()
