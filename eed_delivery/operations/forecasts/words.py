"""A forecast in words, the same on all surfaces."""

from datetime import datetime

from eed_delivery.forecast.verdicts import ForecastVerdict
from eed_delivery.ledger.forecasts import StoredForecast
from eed_delivery.operations.forecasts.views import JobForecastView
from eed_delivery.reports.moments import when

VERDICT_WORDS = {
    ForecastVerdict.IN_TIME: "in time",
    ForecastVerdict.AT_RISK: "at risk",
    ForecastVerdict.TOO_LATE: "too late",
    ForecastVerdict.NOT_MOVING: "not moving",
    ForecastVerdict.UNKNOWN: "unknown",
    ForecastVerdict.NO_DEADLINE: "no deadline",
}
_DEADLINES = {
    "deadline": "its deadline",
    "category": "the deadline of its category",
    "expires_at": "the time at which it expires",
}


def lasting_words(seconds: float) -> str:
    """A length of time: `2 h 05 min`, `12 min`, `40 s`."""
    whole = round(abs(seconds))
    hours, minutes = divmod(whole // 60, 60)
    if hours:
        return f"{hours:,} h {minutes:02} min"
    return f"{minutes} min" if minutes else f"{whole} s"


def kept_words(kept: StoredForecast | None) -> str | None:
    """What a list has of a job: `in time, ends 12-01T04:12Z`. None: nothing is known."""
    if kept is None or kept.verdict is ForecastVerdict.UNKNOWN:
        return None
    ends = "" if kept.end is None else f"ends {kept.end:%m-%dT%H:%MZ}"
    if kept.verdict is ForecastVerdict.NO_DEADLINE:
        return ends or None
    return ", ".join(filter(None, [VERDICT_WORDS[kept.verdict], ends]))


def verdict_sentence(view: JobForecastView) -> str:
    """Whether it ends in time, and by how much."""
    if view.verdict is ForecastVerdict.NOT_MOVING and view.stands is not None:
        return f"It does not move: {view.stands.words}"
    if view.verdict is ForecastVerdict.UNKNOWN:
        return _unknown(view)
    if view.deadline is None:
        return "It has no deadline."
    deadline = f"{_DEADLINES[view.deadline_by]}, {when(view.deadline)}"
    if view.margin is None:
        return f"It does not end before {deadline}: its send windows are not open for long enough."
    if view.verdict is ForecastVerdict.IN_TIME:
        return f"It ends in time: {lasting_words(view.margin)} before {deadline}."
    if view.verdict is ForecastVerdict.TOO_LATE:
        return f"It ends too late: {lasting_words(view.margin)} after {deadline}."
    side = "before" if view.margin >= 0 else "after"
    return f"It is at risk: it probably ends {lasting_words(view.margin)} {side} {deadline}."


def _unknown(view: JobForecastView) -> str:
    if not view.is_enlisted:
        return "Its emails are still being picked up."
    if not view.is_counted:
        return "It was not counted within the last minute. A sweeper does that."
    return "Too little was seen to say when it ends."


def end_sentence(view: JobForecastView) -> str:
    """When it ends, with the band. Empty: it is not known."""
    end = view.end
    if view.verdict is ForecastVerdict.NOT_MOVING or end is None or end.likely is None:
        return ""
    band = f" ({_or_later(end.early)} to {_or_later(end.late)})"
    words = f"It ends at about {when(end.likely)}{band}."
    if view.retries.emails and end.nearly is not None:
        words = (
            f"99.9 % by {when(end.nearly)}, all by {when(end.likely)}. {view.retries.emails:,} wait for their retry."
        )
    return words


def _or_later(moment: datetime | None) -> str:
    return "an unknown time" if moment is None else when(moment)


def method_sentence(view: JobForecastView) -> str:
    """What the forecast is made of."""
    if view.speed is None:
        return f"{view.left:,} of {view.total:,} emails are left."
    pace = f"{view.speed.per_second:,.1f} emails a second"
    if view.is_usual:
        how = f"by the last seven days ({pace}), as far as limits allow"
    else:
        how = f"by the mean of the last {lasting_words(view.speed.window)} in which emails could leave ({pace})"
    found = [f"{view.left:,} of {view.total:,} emails are left. The forecast is made {how}."]
    if view.shares_with:
        found.append(f"It shares the speed with {', '.join(view.shares_with[:5])}.")
    if view.speed.trend:
        found.append(f"The speed is {'rising' if view.speed.trend > 0 else 'falling'}.")
    if view.opens_at is not None:
        found.append(f"Its emails may leave from {when(view.opens_at)} on.")
    return " ".join(found)


def forecast_sentences(view: JobForecastView) -> tuple[str, ...]:
    """All of it, what matters most first."""
    found = (verdict_sentence(view), end_sentence(view), *view.would_help, method_sentence(view))
    return tuple(one for one in found if one)
