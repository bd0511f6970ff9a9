"""When jobs end, and whether that is in time."""

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.masking import shown
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import OneKey, Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.forecasts.views import ForecastVerdict, JobForecastView
from eed_delivery.operations.forecasts.words import forecast_sentences
from eed_delivery.operators.shell import operations_now


class ForecastEndAnswer(Told):
    """When a job ends. Null: not within the windows of the next 14 days."""

    early: Utc | None
    likely: Utc | None
    late: Utc | None
    nearly: Utc | None = Field(description="When 99.9 % of its emails have ended.")


class ForecastSpeedAnswer(Told):
    """The speed of all jobs of the channel together, in emails a second, with its band."""

    per_second: float
    least: float
    most: float
    window_seconds: float = Field(description="The mean is of this time, in which emails could leave.")
    trend: float = Field(description="By how much the last two minutes differ: 0.2 is faster by a fifth.")
    is_usual: bool = Field(description="It is that of the last seven days, because no speed is measured yet.")


class ForecastAnswer(Told):
    """The forecast of a job that has not finished. All callers share it for five seconds."""

    key: str
    name: str
    as_of: Utc = Field(description="When its emails were counted.")
    verdict: ForecastVerdict
    sentences: list[str] = Field(description="The forecast for people: verdict, end, what would help, and method.")
    left: int
    total: int
    ends: ForecastEndAnswer | None = Field(description="Null: it is not known.")
    speed: ForecastSpeedAnswer | None
    deadline: Utc | None
    deadline_by: str = Field(description="`deadline`, `category` or `expires_at`. Empty: there is none.")
    margin_seconds: float | None = Field(description="From the likely end to the deadline. Negative: too late.")
    needed_per_second: float | None = Field(description="What the job needs to end in time, if it does not.")
    would_help: list[str]
    reason: str | None = Field(description="Why it does not move: the first reason that fits. Null: it does.")
    may_leave_from: Utc | None = Field(description="When its emails may leave again. Null: now, or it is not known.")
    retries: int = Field(description="Emails that wait for their retry, of the last 2,000.")
    retries_until: Utc | None
    shares_with: list[str] = Field(description="Other jobs with which it shares the speed.")
    enlisted: bool = Field(description="All its emails are known.")


class ForecastsAnswer(Told):
    """The forecasts of unfinished jobs, the newest first, 50 at most."""

    at: Utc
    items: list[ForecastAnswer]
    more_jobs: bool


def routes() -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("forecasts", "When jobs end.")

    @r.get("/forecasts", Right.VIEW, ForecastsAnswer, "forecast --json")
    def list_forecasts() -> Response:
        """Forecast when unfinished jobs end."""
        found = operations_now().forecasts.all()
        items = [forecast_answer(one) for one in found.jobs]
        return tagged(as_json(ForecastsAnswer(at=found.at, items=items, more_jobs=found.more_jobs)))

    @r.get("/jobs/<path:key>/forecast", Right.VIEW, ForecastAnswer, "forecast {key} --json")
    def show_forecast(path: OneKey) -> Response:
        """Forecast when a job ends, also one that waits for its time."""
        return tagged(as_json(forecast_answer(operations_now().forecasts.of(path.key))))

    return r


def forecast_answer(view: JobForecastView) -> ForecastAnswer:
    """A forecast as the API tells it."""
    speed = view.speed
    return ForecastAnswer(
        key=view.key,
        name=shown(view.name),
        as_of=view.as_of,
        verdict=view.verdict,
        sentences=[shown(one) for one in forecast_sentences(view)],
        left=view.left,
        total=view.total,
        ends=None if view.end is None else ForecastEndAnswer.model_validate(view.end),
        speed=None
        if speed is None
        else ForecastSpeedAnswer(
            per_second=round(speed.per_second, 1),
            least=round(speed.least, 1),
            most=round(speed.most, 1),
            window_seconds=round(speed.window, 1),
            trend=round(speed.trend, 2),
            is_usual=view.is_usual,
        ),
        deadline=view.deadline,
        deadline_by=view.deadline_by,
        margin_seconds=None if view.margin is None else round(view.margin, 1),
        needed_per_second=None if view.needed is None else round(view.needed, 1),
        would_help=[shown(one) for one in view.would_help],
        reason=None if view.stands is None else view.stands.reason.value,
        may_leave_from=view.opens_at,
        retries=view.retries.emails,
        retries_until=view.retries.last_at,
        shares_with=list(view.shares_with),
        enlisted=view.is_enlisted,
    )
