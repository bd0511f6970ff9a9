"""A whole installation for one test: database, queue, mail server, configuration, and real service processes.

    with Stack(database_url, ministack, tmp_path) as stack:
        ids = stack.add_job(["a@example.com"])
        service = stack.start("run")
        stack.wait_finished(1)
        assert service.terminate() == 0
        stack.balance()

Whatever a test does and however it ends, every process that was started here is ended by its own id.
"""

import itertools
import json
import os
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from click.testing import CliRunner, Result
from sqlalchemy import text

from eed_delivery.cli import cli
from eed_delivery.config import SourceSettings
from eed_delivery.config.load import load
from eed_delivery.errors import DatabaseGone
from tests.oracle import Books, open_books
from tests.servers import free_port
from tests.servers.ministack import ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY, MiniStack
from tests.servers.smtp_server import Received
from tests.service_process import ServiceProcess
from tests.sink import Sink, SinkLedger
from tests.terminal import Terminal
from tests.timing import WAITING, spending
from tests.world import World

PATIENCE_SECONDS = 120.0
"""Only a failure waits so long; a machine that is busy elsewhere may need half a minute to start a service."""
POLL_SECONDS = 0.1
_numbers = itertools.count(1)

# Short polls and retries, so that a run takes seconds; timeouts long enough for a machine that is busy elsewhere.
DEFAULTS: dict[str, Any] = {
    "aws.region": REGION,
    "aws.credentials": "environment",
    "queue.wait_seconds": 1,
    "queue.visibility_timeout_seconds": 30,
    "publisher.poll_seconds": 0.3,
    "publisher.job_lease_seconds": 5,
    "worker.processes": 1,
    "worker.threads": 4,
    "worker.lease_seconds": 15,
    "worker.heartbeat_seconds": 1,
    "worker.retry_delay_seconds": 0.5,
    "worker.retry_growth": 1.5,
    "worker.retry_max_delay_seconds": 3,
    "worker.probe_seconds": 1,
    "sweeper.interval_seconds": 0.5,
    "service.stop_seconds": 20,
    "smtp.host": "127.0.0.1",
    "smtp.tls": "none",
    "smtp.connect_timeout_seconds": 5,
    "smtp.command_timeout_seconds": 10,
    "smtp.data_timeout_seconds": 20,
    "rendering.message_id_domain": "mail.example.com",
}

# For runs in which workers are killed: what a dead worker held is free again after seconds.
BRISK: dict[str, Any] = {
    "queue.visibility_timeout_seconds": 8,
    "worker.lease_seconds": 5,
    "worker.send_lease_seconds": 11,
    "smtp.command_timeout_seconds": 1,
    "smtp.data_timeout_seconds": 3,
}


class Stack:
    """One installation. `settings` are dotted keys (`worker.threads`) over `DEFAULTS`."""

    def __init__(
        self,
        database_url: str,
        ministack: MiniStack,
        directory: Path,
        settings: dict[str, Any] | None = None,
        *,
        max_receive_count: int = 10,
        keep_mail: bool = True,
        service_url: str | None = None,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """`service_url`: how the service reaches the database, if not as the test and its oracle do. `environ`: its
        secrets."""
        self.directory = directory
        self.attachments = directory / "attachments"
        self.attachments.mkdir(parents=True)
        self.sqs = ministack.client("sqs")
        self.queue_url, self.dead_letter_url = ministack.make_queue(
            f"stack-{next(_numbers)}", max_receive_count=max_receive_count
        )
        self.world = World(database_url)
        self.sink_ledger = SinkLedger(directory / "sink.jsonl")
        self.environ = {
            "AWS_ACCESS_KEY_ID": ACCESS_KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET_ACCESS_KEY,
            "EED_DATABASE__URL": service_url or database_url,
            **(environ or {}),
        }
        self.config = directory / "eed-delivery.toml"
        self._keep_mail = keep_mail
        self._sink: Sink | None = None
        self._received: list[Received] = []
        self._port = free_port()
        self._services: list[ServiceProcess] = []
        self._configure(ministack.endpoint_url, settings or {})

    def _configure(self, endpoint: str, settings: dict[str, Any]) -> None:
        ours = {
            "queue.url": self.queue_url,
            "queue.dead_letter_url": self.dead_letter_url,
            "queue.endpoint_url": endpoint,
            "smtp.port": self._port,
            "rendering.attachments_root": str(self.attachments),
        }
        lines = [f"{key} = {_toml(value)}" for key, value in {**DEFAULTS, **ours, **settings}.items()]
        self.config.write_text("\n".join(lines) + "\n")
        self.settings = load(self.config, self.environ)

    @property
    def source(self) -> SourceSettings:
        return self.settings.source

    def __enter__(self) -> "Stack":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for service in self._services:
            service.kill()
        self.mail_down()
        self.world.close()

    # --- the mail server -----------------------------------------------------------------------------------------

    def mail_up(self, *, seconds: float = 0) -> Sink:
        """Start the mail server, on the port that the configuration names; it takes `seconds` over a message."""
        self._sink = Sink(self.sink_ledger, self._port, keep=self._keep_mail, seconds=seconds)
        self._sink.__enter__()
        return self._sink

    def mail_down(self) -> None:
        """Stop it: connections end, new ones are refused."""
        if self._sink is not None:
            self._sink.stop()
            self._received += self._sink.received
            self._sink = None

    def received(self) -> list[Received]:
        """What the mail server has taken over all its lives, with contents if `keep_mail`."""
        return [*self._received, *(self._sink.received if self._sink is not None else ())]

    # --- the service ---------------------------------------------------------------------------------------------

    def start(
        self,
        *words: str,
        environ: Mapping[str, str] | None = None,
        within: Sequence[str] = (),
        anew: bool = False,
    ) -> ServiceProcess:
        """Start `eed-delivery` with these words, as on one more host; `environ` is that host's own, `within` and `anew`
        as in `ServiceProcess`."""
        log = self.directory / f"{len(self._services) + 1}-{words[0]}.log"
        service = ServiceProcess(words, self.config, {**self.environ, **(environ or {})}, log, within, anew=anew)
        self._services.append(service)
        return service

    def command(self, *words: str) -> Result:
        """Run one command of the CLI to its end; it must succeed."""
        result = CliRunner().invoke(cli, [*words, "--config", str(self.config)], env=self.environ)
        assert result.exit_code == 0, (result.output, result.exception)
        return result

    def terminal(self, *words: str) -> Terminal:
        """One command of the CLI at a terminal, where it may ask."""
        return Terminal([*words, "--config", str(self.config)], {**os.environ, **self.environ, "TERM": "dumb"})

    # --- the source ----------------------------------------------------------------------------------------------

    def add_job(
        self,
        recipients: Sequence[str],
        job_id: int = 1,
        *,
        variables: Callable[[int], str] = lambda n: json.dumps({"name": f"Zoë {n}"}),
        attachments: Sequence[dict[str, Any]] = (),
        **columns: Any,
    ) -> list[int]:
        """A job that is ready, with its emails, in one transaction. An attachment without `email_id` is the job's."""
        job = {
            "id": job_id,
            "name": f"job {job_id}",
            "status": "processing",
            "sender": "Bank <statements@bank.example>",
            "subject": "Statement for {{ name }}",
            "html_template": "<p>Dear {{ name }}</p>",
            **columns,
        }
        ids = [job_id * 100_000 + n for n in range(1, len(recipients) + 1)]
        emails = [
            {"id": i, "job_id": job_id, "recipient": r, "variables": variables(n)}
            for n, (i, r) in enumerate(zip(ids, recipients, strict=True), start=1)
        ]
        files = [{"email_id": None, "filename": None, "sha256": None, **a, "job_id": job_id} for a in attachments]
        self.insert({"delivery_attachment": files, "delivery_email": emails, "delivery_job": [job]})
        return ids

    def insert(self, rows: dict[str, list[dict[str, Any]]]) -> None:
        """Rows by table, all in one transaction; the rows of one table have the same columns."""

        def work(c: Any) -> None:
            for table, values in rows.items():
                if values:
                    names = ", ".join(f"`{name}`" for name in values[0])
                    marks = ", ".join(f":{name}" for name in values[0])
                    c.execute(text(f"INSERT INTO `{table}` ({names}) VALUES ({marks})"), values)

        self.world.database.run(work)

    # --- what has come of it -------------------------------------------------------------------------------------

    def counts(self, job_id: int | None = None) -> Counter[str]:
        """Emails in the ledger by state."""
        which = "" if job_id is None else f" WHERE job_id = {job_id}"
        return Counter(dict(self.world.execute(f"SELECT state, COUNT(*) FROM eed_email{which} GROUP BY state")))

    def finished(self, *job_ids: int) -> bool:
        """Whether the ledger has finished every one of these jobs."""
        done = self.world.execute("SELECT job_id FROM eed_job WHERE finished_at IS NOT NULL")
        return set(job_ids) <= {row[0] for row in done}

    def wait_finished(self, *job_ids: int, seconds: float = PATIENCE_SECONDS) -> None:
        self.wait_until(lambda: self.finished(*job_ids), f"jobs {job_ids} finished", seconds)

    def wait_until(self, condition: Callable[[], bool], what: str, seconds: float = PATIENCE_SECONDS) -> None:
        """Ask until it is so; on a timeout fail with how far it has come and the end of every log."""
        pause = threading.Event()
        with spending(WAITING):
            for _ in range(int(seconds / POLL_SECONDS)):
                if condition():
                    return
                pause.wait(POLL_SECONDS)
        raise AssertionError(f"not in {seconds:g} s: {what}\n{self.story()}")

    def story(self) -> str:
        """Where everything stands, for people."""
        try:
            counts = dict(self.counts())
            jobs = self.world.execute(
                "SELECT job_id, state, reason, total FROM eed_job WHERE finished_at IS NULL LIMIT 10"
            )
        except DatabaseGone as gone:
            counts, jobs = {}, [str(gone)]
        logs = "".join(f"\n--- {s.log.name}, {'running' if s.running else 'ended'}\n{s.tail()}" for s in self._services)
        return f"emails: {counts}\nunfinished jobs: {jobs}\ntaken: {len(self.sink_ledger.read())}{logs}"

    def log_events(self, event: str) -> list[dict[str, Any]]:
        """The lines of that event in the logs of all services."""
        return [e for service in self._services for e in service.log_events(event)]

    def depth(self, *, dead: bool = False) -> int:
        """Messages in the queue, in flight and delayed ones too."""
        url = self.dead_letter_url if dead else self.queue_url
        facts = self.sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        return sum(int(facts[f"ApproximateNumberOfMessages{which}"]) for which in ("", "NotVisible", "Delayed"))

    def books(self) -> Books:
        return open_books(self.world, self.source, self.sink_ledger.read())

    def balance(self, *, twice_is_possible: bool = False) -> Books:
        """The oracle. Fails with everything that is wrong at once."""
        books = self.books()
        violations = books.violations(twice_is_possible=twice_is_possible)
        assert not violations, "\n".join([*violations, self.story()])
        return books


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return "{" + ", ".join(f"{json.dumps(k)} = {_toml(v)}" for k, v in value.items()) + "}"
        case _:
            return json.dumps(value)
