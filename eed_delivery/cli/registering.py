"""Jobs with many recipients: this command registers them, unless the role `operators` is faster.

What is killed goes on: by that role, or by `operations continue`.
"""

import threading

import click

from eed_delivery.cli.session import Session
from eed_delivery.cli.submissions import left_job
from eed_delivery.errors import NotPossible
from eed_delivery.operations.long_acts.starting import LongAct, LongActKind, LongActState
from eed_delivery.operations.submitting.submission import RegisteredJob

GOES_ON = (LongActState.WAITING, LongActState.RUNNING)


def is_submission(act: LongAct) -> bool:
    """Whether it is a job's registration that has not ended."""
    return act.kind is LongActKind.SUBMIT and act.state in GOES_ON


def registered_by(session: Session, act: LongAct) -> RegisteredJob:
    """Register the job of an operation, or wait for the process that does. Raises `NotPossible` if that fails."""
    step, wait = session.operations.submission_step(act.id), threading.Event().wait
    again = session.command("operations", "continue", act.id)
    click.echo(f"operation {act.id} registers them. If it is cut off:  {again}", err=True)
    while is_submission(act := session.operations.long_acts.view(act.id)):
        wait(step())
    if act.state is not LongActState.DONE or act.result is None:
        raise _broken_off(session, act)
    return RegisteredJob(act.result["job"], act.result["emails"], act.result.get("skipped", 0))


def _broken_off(session: Session, act: LongAct) -> NotPossible:
    error = NotPossible(f"operation {act.id} is {act.state}: {'; '.join(act.errors) or 'a person has stopped it'}")
    if (left := session.operations.incomplete_jobs.left_by(act)) is not None:
        error.add_note(left_job(session, left))
    return error
