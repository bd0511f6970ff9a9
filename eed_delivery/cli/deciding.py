"""An operator's word: settle what is in doubt, pause, resume, cancel. Felt at the next wire grant."""

import click

from eed_delivery.cli import options
from eed_delivery.cli.options import takes_config
from eed_delivery.cli.session import Session, pass_session
from eed_delivery.cli.waiting import scheduled
from eed_delivery.errors import NotPossible
from eed_delivery.hints import key_words
from eed_delivery.ledger.reporting import JobReport
from eed_delivery.model import EmailState, JobState

REASON_LENGTH = 400


def text(value: str) -> str:
    """A reason in one line: it stands in the ledger for whoever asks next year."""
    line = " ".join(value.split())
    if not line or not line.isprintable() or len(line) > REASON_LENGTH:
        raise click.BadParameter(f"give a reason of 1 to {REASON_LENGTH} printable characters")
    return line


@click.command()
@click.argument("keys", metavar="EMAIL...", nargs=-1, required=True, type=options.key)
@click.option("--as", "state", required=True, type=click.Choice(["sent", "failed"]), help="What has become of them.")
@click.option("--reason", type=text, help="How you know; kept with the email.")
@takes_config
@pass_session
def settle(session: Session, keys: tuple[str, ...], state: str, reason: str | None) -> None:
    """Say what has become of emails in doubt. As failed, they can be requeued afterwards.

    \b
    Example:
      eed-delivery settle 1047 1048 --as sent --reason "seen in the relay's log"
    """
    ids = {session.email_id(key): key for key in keys}
    words = f"settled as {state} by an operator"
    done = session.operating.settle(list(ids), EmailState(state), f"{words}: {reason}" if reason else words)
    for email_id in done:
        session.screen.line(f"email {ids[email_id]} is settled as {state}")
    left = {email_id: key for email_id, key in ids.items() if email_id not in done}
    if left:
        standing = ", ".join(_standing(session, email_id, key) for email_id, key in left.items())
        raise NotPossible(f"only emails in doubt can be settled: {standing}")


def _standing(session: Session, email_id: int, key: str) -> str:
    report = session.reporting.email(email_id)
    return f"email {key} is {report.state}" if report else f"email {key} has gone"


@click.command()
@click.argument("key", metavar="JOB", type=options.key)
@click.option("--reason", required=True, type=text, help="Shown by the command job.")
@takes_config
@pass_session
def pause(session: Session, key: str, reason: str) -> None:
    """Stop sending a job for a while; nothing is lost. Felt at the next email.

    A job that waits for its time is not started until it is resumed.

    \b
    Example:
      eed-delivery pause 42 --reason "wrong interest rate in the template"
    """
    waiting = session.waiting_job(key)
    if waiting is not None and session.scheduling.pause(waiting, reason):
        session.screen.line(f"job {key} is paused before its time: it does not start until you let it")
        session.screen.line(f"let it go on:  {session.command('resume', *key_words(key))}")
        return
    job_id = session.job_id(key)
    if not session.operating.pause(job_id, reason):
        raise _impossible(session, job_id, key, "only an active job can be paused")
    session.screen.line(f"job {key} is paused: what is on the wire now still goes out")
    session.screen.line(f"let it go on:  {session.command('resume', *key_words(key))}")


@click.command()
@click.argument("key", metavar="JOB", type=options.key)
@click.option("--reason", type=text, help="Kept in the audit, beside who did it.")
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
    job_id = session.job_id(key)
    if (waiting := session.scheduling.let_wait(job_id, key, reason)) is not None:
        session.screen.line(f"job {key} waits for its time: {scheduled(waiting)}")
        if unwatched:
            session.screen.line("it is watched: --unwatched is for a job that has begun")
        return
    if not session.operating.resume(job_id, watched=not unwatched, reason=reason):
        raise _impossible(session, job_id, key, "only a paused job can go on")
    how = ", unwatched" if unwatched else ""
    session.screen.line(f"job {key} goes on{how}{f': {reason}' if reason else ''}")


@click.command()
@click.argument("key", metavar="JOB", type=options.key)
@click.option("--reason", required=True, type=text, help="Kept with each email that is not sent.")
@takes_config
@pass_session
def cancel(session: Session, key: str, reason: str) -> None:
    """End a job for good. What is not on the wire yet will not be sent. To stop it for a while, use pause.

    A job that waits for its time can be cancelled, too.

    \b
    Example:
      eed-delivery cancel 42 --reason "the fund was closed"
    """
    waiting = session.waiting_job(key)
    if waiting is not None and session.scheduling.cancel(waiting, reason):
        session.screen.line(f"job {key} is cancelled before its time: none of its emails is sent")
        return
    job_id = session.job_id(key)
    if not session.operating.cancel(job_id, reason):
        raise _impossible(session, job_id, key, "only a job that has not ended can be cancelled")
    session.screen.line(f"job {key} is cancelled: what is on the wire now still goes out")


def _impossible(session: Session, job_id: int, key: str, rule: str) -> NotPossible:
    report: JobReport | None = session.reporting.job(job_id)
    if report is None:
        return NotPossible(f"{rule}, and job {key} has gone")
    ended = report.finished_at is not None and report.state not in (JobState.FINISHED, JobState.CANCELLED)
    because = f" ({report.reason})" if report.reason else ""
    return NotPossible(f"{rule}: job {report.key} is {report.state}{' and has ended' if ended else ''}{because}")
