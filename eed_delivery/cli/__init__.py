"""The command line, `eed-delivery`. It reads arguments, calls `operations`, and prints. One module for each group of
commands:

- `running`             run, publisher, worker, sweeper, events, bounces, web, operators
- `bouncing`            bounce
- `preparing`           db init, db check, queue init
- `checking`            check
- `submitting`          submit
- `submissions`         submission list, discard
- `reading`             jobs, emails
- `one_job`             job
- `forecasting`         forecast
- `one_email`           email
- `finding`             find
- `previewing`          preview
- `rehearsing`          rehearse
- `shadowing`           shadow start, follow, status, list, show, differences, accept, revoke, accepted, report
- `processes`           processes
- `reporting`           report
- `requeueing`          requeue
- `resending`           resend
- `nudging`             nudge
- `reconciling`         reconcile
- `deciding`            settle, pause, resume, cancel
- `doubts`              doubts list, match, settle
- `channels`            channel kinds, list, show, create, edit, check, hold, release, remove
- `holding`             hold add, list, release
- `pacing`              pace show, set, clear, domains, set-domain, clear-domain
- `gating`              gate list, open
- `windows`             window list, override, end
- `suppression`         suppression list, add, remove
- `suppression_moving`  suppression import, export
- `persons`             person show, erase
- `alerting`            alerts list, alerts test, alerts terraform
- `webhooks`            webhooks run, list, retry, test
- `access`              user add, list, revoke, and token add, list, revoke
- `login_sessions`      session list, revoke
- `dead_letters`        dead-letters list, show, delete
- `auditing`            audit, audit check, export
- `long_acts`           operations list, show, stop, continue, and approvals list, approve, refuse

What `submit` and `suppression import` read:

- `text_input`    a file that is named, or stdin, in its encoding
- `csv_options`   how a CSV file is read
- `sifting`       the file of recipients, read
- `refused_rows`  the rows of it that are refused
- `registering`   jobs with many recipients, registered by an operation

What `channel create` and `channel edit` read:

- `channel_settings`  settings from options, from JSON, or asked for at a terminal

What commands share:

- `session`   the configuration and the operations of one call, each made when it is needed
- `options`   options and types of arguments
- `values`    types of arguments that operations check
- `person`    who calls a command, for the audit
- `given`     the command line as it was given, without secrets
- `failures`  expected errors as messages and exit codes
- `output`    tables at a terminal, plain text elsewhere, JSON for scripts
- `layout`    tables within a width
- `lists`     a list for people, or as JSON
- `watching`  `job --watch`
- `waiting`   jobs before their time, as `jobs` and `job` show them
- `streams`   standard streams that the caller has closed
"""

import gc
import importlib

import click

from eed_delivery import __version__
from eed_delivery.cli.options import takes_config
from eed_delivery.cli.session import Session
from eed_delivery.cli.streams import open_closed_streams

ALLOCATIONS = 20_000
"""Objects that are made before Python looks for garbage. Loading makes many that stay, and few commands make any."""
CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
EPILOG = """\b
Exit codes:
  0   done
  1   not possible now, or a check found an error or a difference
  2   the command line is wrong
  69  the database or the queue cannot be reached
  75  bounce only: the bounce was not stored, and the mail server should try again
  78  the configuration is wrong

\b
The message on stderr says why.

\b
Every command accepts --config. Without it, EED_CONFIG names the file. EED_<SECTION>__<KEY> sets
a single setting. Job and email keys are those of the delivery server's own tables."""


# Command, room and name there, in the order of the work. A room is loaded when its command runs, and what is needed to
# explain an error when there is one: that is most of the start.
COMMANDS = {
    "run": "running:run",
    "publisher": "running:publisher",
    "worker": "running:worker",
    "sweeper": "running:sweeper",
    "archive": "running:archive",
    "events": "running:events",
    "bounces": "running:bounces",
    "web": "running:web",
    "resolver": "running:resolver",
    "operators": "running:operators",
    "bounce": "bouncing:bounce",
    "db": "preparing:database",
    "queue": "preparing:queue",
    "check": "checking:check",
    "submit": "submitting:submit",
    "submission": "submissions:submission",
    "jobs": "reading:jobs",
    "job": "one_job:job",
    "forecast": "forecasting:forecast",
    "emails": "reading:emails",
    "email": "one_email:email",
    "find": "finding:find",
    "preview": "previewing:preview",
    "rehearse": "rehearsing:rehearse",
    "shadow": "shadowing:shadow",
    "nudge": "nudging:nudge",
    "report": "reporting:report",
    "processes": "processes:processes",
    "requeue": "requeueing:requeue",
    "resend": "resending:resend",
    "reconcile": "reconciling:reconcile",
    "settle": "deciding:settle",
    "doubts": "doubts:doubts",
    "pause": "deciding:pause",
    "resume": "deciding:resume",
    "cancel": "deciding:cancel",
    "dead-letters": "dead_letters:dead_letters",
    "channel": "channels:channel",
    "hold": "holding:hold",
    "pace": "pacing:pace",
    "gate": "gating:gate",
    "window": "windows:window",
    "suppression": "suppression_moving:suppression",
    "person": "persons:person",
    "alerts": "alerting:alerts",
    "webhooks": "webhooks:webhooks",
    "user": "access:user",
    "token": "access:token",
    "session": "login_sessions:session",
    "audit": "auditing:audit",
    "operations": "long_acts:operations",
    "approvals": "long_acts:approvals",
}


class Commands(click.Group):
    """The commands, each loaded when it is wanted, with expected errors turned into messages and exit codes."""

    def invoke(self, ctx: click.Context) -> object:
        """Run a command. An error of ours becomes a message and an exit code. Any other one is a defect."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            from eed_delivery.cli.failures import EXPECTED, explained

            if isinstance(error, EXPECTED):
                raise explained(error) from error
            raise

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the command line, for the audit."""
        ctx.ensure_object(Session).words = tuple(args)
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click calls it so
        """In the order of the work."""
        return [*COMMANDS, *self.commands]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return super().get_command(ctx, cmd_name)
        room, _, name = COMMANDS[cmd_name].partition(":")
        return _loaded(f"eed_delivery.cli.{room}", name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that `args` name. The demo's placeholder is replaced by the real one."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, _load_demo() if command is demo_place else command, rest


def _loaded(module: str, name: str) -> click.Command:
    command = getattr(importlib.import_module(module), name)
    assert isinstance(command, click.Command)  # noqa: S101 - tells mypy what the module holds
    return command


@click.group(cls=Commands, epilog=EPILOG, context_settings=CONTEXT)
@click.version_option(__version__, prog_name="eed-delivery")
@takes_config
def cli() -> None:
    """Deliver bulk email from a MySQL job table through SQS and SMTP or SES, with a clear result for every email.

    \b
    Example:
      eed-delivery --config /etc/eed-delivery/eed-delivery.toml jobs
    """


@click.command("demo", short_help="Deliver a batch on this machine, with a mail server that misbehaves.")
def demo_place() -> None:
    """Stands in the list for the demo, which needs packages that a server has no use for."""


def _load_demo() -> click.Command:
    try:
        return _loaded("eed_delivery.demo.command", "demo")
    except ModuleNotFoundError as error:
        from eed_delivery.cli.failures import Failure

        raise Failure(
            f"the demo needs the package {error.name}, which is not installed.\n"
            "Install it with: pip install 'eed-delivery[demo]'"
        ) from error


cli.add_command(demo_place)


def main() -> None:
    """The entry point of the script `eed-delivery`."""
    gc.set_threshold(ALLOCATIONS, 10, 10)
    open_closed_streams()
    cli(prog_name="eed-delivery")
