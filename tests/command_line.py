"""`eed-delivery` as a test calls it: with a configuration file of its own, in this process or in a real one."""

import json
import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from eed_delivery.cli import cli
from tests.terminal import Terminal

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
ENDPOINT = "http://127.0.0.1:9"  # discard: nobody answers


class CommandLine:
    """Runs commands against one database; `queue_urls` and `endpoint` name a real queue where one is needed."""

    def __init__(
        self,
        directory: Path,
        database_url: str,
        queue_urls: tuple[str, str] = (f"{ENDPOINT}/0/mail", f"{ENDPOINT}/0/mail-dead"),
        endpoint: str = ENDPOINT,
        more: str = "",
    ) -> None:
        self.files = directory / "files"
        self.files.mkdir()
        self.emails = directory / "emails"
        self.config = directory / "eed.toml"
        self.environ = {**KEYS, "EED_DATABASE__URL": database_url}
        self.config.write_text(
            f"""
            [aws]
            region = "us-east-1"
            credentials = "environment"
            [queue]
            url = "{queue_urls[0]}"
            dead_letter_url = "{queue_urls[1]}"
            endpoint_url = "{endpoint}"
            wait_seconds = 1
            [transport]
            kind = "eml_folder"
            [eml_folder]
            directory = "{self.emails}"
            [publisher]
            poll_seconds = 0.2
            [sweeper]
            interval_seconds = 0.2
            [worker]
            processes = 1
            threads = 2
            [rendering]
            message_id_domain = "mail.example.com"
            attachments_root = "{self.files}"
            {more}
            """
        )

    def __call__(self, *words: str, stdin: str | bytes | None = None) -> Result:
        """Run a command in this process; an exception that is not a message fails the test."""
        result = CliRunner().invoke(cli, [*words, "--config", str(self.config)], input=stdin, env=self.environ)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def good(self, *words: str, stdin: str | bytes | None = None) -> str:
        """Run a command that must succeed; returns its stdout."""
        result = self(*words, stdin=stdin)
        assert result.exit_code == 0, result.output
        return result.stdout

    def json(self, *words: str) -> Any:
        """What a command answers with --json."""
        return json.loads(self.good(*words, "--json"))

    def refused(self, *words: str, code: int = 1) -> str:
        """Run a command that must end with `code`; returns what it says on stderr."""
        result = self(*words)
        assert result.exit_code == code, result.output
        return result.stderr

    def terminal(self, *words: str) -> Terminal:
        """The same at a terminal, where it may ask."""
        environ = {**os.environ, **self.environ, "TERM": "dumb", "COLUMNS": "200"}
        return Terminal([*words, "--config", str(self.config)], environ)

    def process(self, *words: str, stdin: Any = subprocess.DEVNULL, **pipes: Any) -> "subprocess.Popen[bytes]":
        """The same in a process of its own, in a group of its own."""
        environ = {**os.environ, **self.environ}
        command = [sys.executable, "-c", "from eed_delivery.cli import main; main()", *words]
        return subprocess.Popen(
            [*command, "--config", str(self.config)],
            env=environ,
            stdin=stdin,
            start_new_session=True,
            # A shell has its background jobs ignore Ctrl-C, and the tests may be one of those.
            preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
            **pipes,
        )
