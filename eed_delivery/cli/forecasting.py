"""`forecast` says when jobs end, and whether that is in time."""

from typing import Any

import click

from eed_delivery.cli import options
from eed_delivery.cli.options import takes_config, takes_json
from eed_delivery.cli.output import BOLD, record
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.operations.forecasts.views import JobForecastView
from eed_delivery.operations.forecasts.words import VERDICT_WORDS, forecast_sentences, lasting_words


@click.command()
@click.argument("key", metavar="[JOB]", required=False, type=options.key)
@takes_json
@takes_config
@pass_session
def forecast(session: Session, key: str | None, as_json: bool) -> None:
    """Forecast when jobs end, and whether that is in time.

    Without JOB it lists all unfinished jobs.

    \b
    Examples:
      eed-delivery forecast
      eed-delivery forecast 42
    """
    queries = session.operations.forecasts
    if key is not None:
        view = queries.of(key)
        if as_json:
            session.screen.json(forecast_record(view))
        else:
            _show(session, view)
        return
    found = queries.all()
    if as_json:
        session.screen.json([forecast_record(one) for one in found.jobs])
        return
    columns = ("job", "name", "verdict", "ends", "margin", "left", "deadline")
    session.screen.table(columns, map(_row, found.jobs), prose=("name",), spare=("deadline", "left", "name"))
    if not found.jobs:
        session.screen.line("there are none")
    if found.more_jobs:
        session.screen.line(f"only the {len(found.jobs)} newest are shown")


def forecast_record(view: JobForecastView) -> dict[str, Any]:
    """A forecast as JSON."""
    facts = record(view) | {"sentences": list(forecast_sentences(view))}
    facts.pop("job_id")
    return {"job": facts.pop("key")} | facts


def _row(view: JobForecastView) -> tuple[object, ...]:
    ends = None if view.end is None else view.end.likely
    margin = None if view.margin is None else ("-" if view.margin < 0 else "") + lasting_words(view.margin)
    return (view.key, view.name, VERDICT_WORDS[view.verdict], ends, margin, view.left, view.deadline)


def _show(session: Session, view: JobForecastView) -> None:
    session.screen.line(f"job {view.key}  {view.name}", style=BOLD)
    session.screen.line(VERDICT_WORDS[view.verdict])
    for sentence in forecast_sentences(view):
        session.screen.prose(sentence)
    session.screen.line(f"as of {view.as_of:%Y-%m-%dT%H:%M:%S}Z")
