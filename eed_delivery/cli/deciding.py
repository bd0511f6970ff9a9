"""An operator's word: settle what is in doubt, pause, resume, cancel. Felt at the next wire grant."""

import click

from eed_delivery.cli import options, values
from eed_delivery.cli.options import takes_config
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.waiting import scheduled
from eed_delivery.hints import key_words
from eed_delivery.model import EmailState
from eed_delivery.operations.deciding import ResumeRequest, SettleRequest, StopRequest


@click.command()
@click.argument("keys", metavar="EMAIL...", nargs=-1, required=True, type=options.key)
@click.option("--as", "state", required=True, type=click.Choice(["sent", "failed"]), help="What has become of them.")
@click.option("--reason", type=values.text, help="How you know; kept with the email.")
@takes_config
@pass_session
def settle(session: Session, keys: tuple[str, ...], state: str, reason: str | None) -> None:
    """Say what has become of emails in doubt. As failed, they can be requeued afterwards.

    \b
    Example:
      eed-delivery settle 1047 1048 --as sent --reason "seen in the relay's log"
    """
    result = session.operations.deciding.settle(SettleRequest(keys, EmailState(state), reason))
    for key in result.settled:
        session.screen.line(f"email {key} is settled as {state}")
    if result.refusal is not None:
        raise result.refusal


@click.command()
@click.argument("key", metavar="JOB", type=options.key)
@click.option("--reason", required=True, type=values.text, help="Shown by the command job.")
@takes_config
@pass_session
def pause(session: Session, key: str, reason: str) -> None:
    """Stop sending a job for a while; nothing is lost. Felt at the next email.

    A job that waits for its time is not started until it is resumed.

    \b
    Example:
      eed-delivery pause 42 --reason "wrong interest rate in the template"
    """
    result = session.operations.deciding.pause(StopRequest(key, reason))
    if result.before_its_time:
        session.screen.line(f"job {key} is paused before its time: it does not start until you let it")
    else:
        session.screen.line(f"job {key} is paused: what is on the wire now still goes out")
    session.screen.line(f"let it go on:  {session.command('resume', *key_words(key))}")


@click.command()
@click.argument("key", metavar="JOB", type=options.key)
@click.option("--reason", type=values.text, help="Kept in the audit, beside who did it.")
@click.option("--unwatched", is_flag=True, help="Do not let its bounces and complaints pause it again.")
@takes_config
@pass_session
def resume(session: Session, key: str, reason: str | None, unwatched: bool) -> None:
    """Let a paused job go on. Its templates are read anew, so that a mended one counts.

    The watch on its bounces and complaints counts only what leaves from now on.
    A job that was paused before its time waits for it again.

    \b
    Example:
      eed-delivery resume 42
    """
    waiting = session.operations.deciding.resume(ResumeRequest(key, not unwatched, reason)).waiting
    if waiting is not None:
        session.screen.line(f"job {key} waits for its time: {scheduled(waiting)}")
        if unwatched:
            session.screen.line("it is watched: --unwatched is for a job that has begun")
        return
    how = ", unwatched" if unwatched else ""
    session.screen.line(f"job {key} goes on{how}{f': {reason}' if reason else ''}")


@click.command()
@click.argument("key", metavar="JOB", type=options.key)
@click.option("--reason", required=True, type=values.text, help="Kept with each email that is not sent.")
@takes_config
@pass_session
def cancel(session: Session, key: str, reason: str) -> None:
    """End a job for good. What is not on the wire yet will not be sent. To stop it for a while, use pause.

    A job that waits for its time can be cancelled, too.

    \b
    Example:
      eed-delivery cancel 42 --reason "the fund was closed"
    """
    result = session.operations.deciding.cancel(StopRequest(key, reason))
    if result.before_its_time:
        session.screen.line(f"job {key} is cancelled before its time: none of its emails is sent")
    else:
        session.screen.line(f"job {key} is cancelled: what is on the wire now still goes out")
