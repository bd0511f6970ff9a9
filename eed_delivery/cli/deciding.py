"""An operator's decisions: settle what is in doubt, pause, resume, cancel. Felt at the next wire grant."""

import click

from eed_delivery.cli import options, values
from eed_delivery.cli.options import takes_alone, takes_config
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.waiting import scheduled
from eed_delivery.hints import key_words
from eed_delivery.model import EmailState
from eed_delivery.operations.deciding import ResumeRequest, SettleRequest, StopRequest


@click.command()
@click.argument("keys", metavar="EMAIL...", nargs=-1, required=True, type=options.key)
@click.option("--as", "state", required=True, type=click.Choice(["sent", "failed"]), help="Set their state.")
@click.option("--reason", type=values.text, help="Say how you know. Kept with the email.")
@takes_alone
@takes_config
@pass_session
def settle(session: Session, keys: tuple[str, ...], state: str, reason: str | None) -> None:
    """Settle emails in doubt as sent or failed. Failed ones can be requeued.

    \b
    Example:
      eed-delivery settle 1047 1048 --as sent --reason "seen in the relay's log"
    """
    if session.alone and not reason:
        raise click.UsageError("--alone needs --reason.")
    result = session.operations.deciding.settle(SettleRequest(keys, EmailState(state), reason))
    for key in result.settled:
        session.screen.line(f"email {key} is settled as {state}")
    if result.refusal is not None:
        raise result.refusal


@click.command()
@click.argument("key", metavar="JOB", type=options.key)
@click.option("--reason", required=True, type=values.text, help="Say why. The command job shows it.")
@takes_config
@pass_session
def pause(session: Session, key: str, reason: str) -> None:
    """Pause a job. No email is lost, and resume continues it.

    Emails that are being handed over now still go out. A scheduled job does not start until it is resumed.

    \b
    Example:
      eed-delivery pause 42 --reason "wrong interest rate in the template"
    """
    result = session.operations.deciding.pause(StopRequest(key, reason))
    if result.before_its_time:
        session.screen.line(f"job {key} is paused before its time. It does not start until you resume it")
    else:
        session.screen.line(f"job {key} is paused. Emails on the wire now still go out")
    session.screen.line(f"resume it:  {session.command('resume', *key_words(key))}")


@click.command()
@click.argument("key", metavar="JOB", type=options.key)
@click.option("--reason", type=values.text, help="Say why. Kept in the audit.")
@click.option("--unwatched", is_flag=True, help="Stop bounces and complaints from pausing it again.")
@click.option("--unrehearsed", is_flag=True, help="Let it start without a rehearsal.")
@takes_alone
@takes_config
@pass_session
def resume(session: Session, key: str, reason: str | None, unwatched: bool, unrehearsed: bool) -> None:
    """Resume a paused job. Its templates are read again, so corrections apply.

    The bounce and complaint limits count only emails that are sent from now on.
    A job that was paused before its scheduled time waits for that time again.

    \b
    Example:
      eed-delivery resume 42
    """
    if session.alone and not reason:
        raise click.UsageError("--alone needs --reason.")
    request = ResumeRequest(key, not unwatched, reason, rehearsed=not unrehearsed)
    waiting = session.operations.deciding.resume(request).waiting
    if waiting is not None:
        session.screen.line(f"job {key} waits for its time: {scheduled(waiting)}")
        if unwatched:
            session.screen.line("--unwatched was ignored, because the job has not started")
        return
    how = ", unwatched" if unwatched else ", unrehearsed" if unrehearsed else ""
    session.screen.line(f"job {key} is resumed{how}{f': {reason}' if reason else ''}")


@click.command()
@click.argument("key", metavar="JOB", type=options.key)
@click.option("--reason", required=True, type=values.text, help="Say why. Kept with each email that is not sent.")
@takes_alone
@takes_config
@pass_session
def cancel(session: Session, key: str, reason: str) -> None:
    """Cancel a job permanently. Its unsent emails are not sent.

    Emails that are being handed over now still go out. Scheduled jobs can be cancelled, too. To stop a job
    temporarily, use pause.

    \b
    Example:
      eed-delivery cancel 42 --reason "the fund was closed"
    """
    result = session.operations.deciding.cancel(StopRequest(key, reason))
    if result.before_its_time:
        session.screen.line(f"job {key} is cancelled before its time. None of its emails is sent")
    else:
        session.screen.line(f"job {key} is cancelled. Emails on the wire now still go out")
