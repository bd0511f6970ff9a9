"""What the role `sweeper` does, each with its step. The tick does the same without a process of its own."""

from typing import TYPE_CHECKING

from eed_delivery.app.forecasting import forecast_watch

if TYPE_CHECKING:
    from eed_delivery.app.parts import App
    from eed_delivery.runtime.loop import Step


def sweeper_steps(app: "App") -> "dict[str, Step]":
    """The steps by the names of their loops, `sweeper` first."""
    sweeper, watch, retention = app.sweeper(), app.job_watch(), app.retention()
    steps = {
        "sweeper": sweeper.step,
        "endings": sweeper.end_jobs,
        "audit-head": app.audit_head_log().step,
        "answers": app.answers_alike.step,
    }
    if watch:
        steps["watch"] = watch.step
    if retention:
        steps["retention"] = retention.step
    steps["paths"] = app.taken_paths().step
    steps["windows"] = app.window_sweep().step
    steps["progress"] = app.progress_sweep().step
    steps["forecasts"] = forecast_watch(app).step
    steps["aws-figures"] = app.aws_figure_sweep().step
    if recipients := app.recipient_retention():
        steps["recipients"] = recipients.step
    if reconciling := app.reconcile_sweep():
        steps["reconcile"] = reconciling.step
    if app.settings.metrics.cloudwatch != "off":
        from eed_delivery.app.operations import Operations
        from eed_delivery.ledger.actor import SERVICE

        steps["cloudwatch"] = Operations(app.settings, SERVICE, app.database(connections=1)).cloudwatch.step
    return steps
