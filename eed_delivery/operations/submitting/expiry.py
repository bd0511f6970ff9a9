"""Whether a job will expire before its send window opens, said when it is registered."""

from datetime import UTC, datetime

from eed_delivery.config.source_mapping import JobSource
from eed_delivery.operations.submitting.drafts import JobDraft
from eed_delivery.reports.moments import when
from eed_delivery.send_windows.plan import NEVER, WindowPlan
from eed_delivery.source.values import category_of, channel_of


def expires_unsent(plan: WindowPlan, source: JobSource, draft: JobDraft, now: datetime) -> str | None:
    """The sentence, or None. `now` is the database's clock. Overrides are not counted: a person may still open it."""
    if draft.expires is None or plan.is_empty:
        return None
    expires, begins = _in_ledger(draft.expires), now
    if draft.schedule is not None:
        begins = max(now, _in_ledger(draft.schedule))
    channel = channel_of(source.channel_value, draft.channel)
    category = category_of(source.category_value, draft.category)
    first = plan.next_spans(begins, channel, category, None).first
    if first.start < expires:
        return None
    opens = "does not open within a year" if first == NEVER else f"opens at {when(first.start)}"
    return f"It will expire unsent at {when(expires)}, because its send window {opens}. Override the window."


def _in_ledger(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
