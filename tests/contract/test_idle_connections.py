"""Kept connections that a NAT gateway has forgotten: no email is in doubt for them, over any way out.

Nothing tells either end of it (`CuttingProxy.forget`). An answer that is waited for comes only to its timeout.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from botocore.config import Config

from eed_delivery.config import SesSettings, SmtpSettings
from eed_delivery.runtime.idle_time import IdleTime
from eed_delivery.transports.ses.transport import SesTransport
from eed_delivery.transports.smtp.transport import SmtpTransport
from tests.contract.file_stores import file, files, ftp_directory, ministack_bucket, sftp_directory
from tests.contract.messages import Wire, message
from tests.contract.ses_ways import Way, boto3s, quick
from tests.servers import free_port
from tests.servers.aws_clients import aws_client
from tests.servers.cutting_proxy import CuttingProxy
from tests.servers.ses_stub import SesStub
from tests.waiting import until

TIMEOUT_SECONDS = 30
"""Of an answer. A send that has waited for one over a forgotten connection takes longer."""
SHORT, LONG = 0.05, 3600.0


class Sink:
    """An aiosmtpd handler that counts."""

    def __init__(self) -> None:
        self.taken: list[str] = []

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802
        self.taken.extend(envelope.rcpt_tos)
        return "250 2.0.0 Ok: queued as 4F1C2"


@dataclass
class Behind:
    """A way out behind a proxy. `transport` is made with a limit, and `send` with the number of the message."""

    proxy: CuttingProxy
    transport: Callable[[float], Any]
    arrived: Callable[[], int]
    numbered: Callable[[int], Any] = lambda number: message(email_id=number)


def smtp(opened: ExitStack) -> Behind:
    sink = Sink()
    controller = Controller(sink, hostname="127.0.0.1", port=free_port())
    controller.start()
    opened.callback(controller.stop)
    proxy = opened.enter_context(CuttingProxy(controller.port))

    def transport(limit: float) -> SmtpTransport:
        settings = SmtpSettings(
            host="127.0.0.1",
            port=proxy.port,
            tls="none",
            command_timeout_seconds=TIMEOUT_SECONDS,
            max_idle_seconds=limit,
        )
        return SmtpTransport(settings)

    return Behind(proxy, transport, lambda: len(sink.taken))


def ses(way: Way, opened: ExitStack) -> Behind:
    stub = opened.enter_context(SesStub())
    proxy = opened.enter_context(CuttingProxy(int(stub.endpoint_url.rpartition(":")[2])))

    def transport(limit: float) -> SesTransport:
        client = aws_client(
            "sesv2",
            region_name="us-east-2",
            endpoint_url=f"http://127.0.0.1:{proxy.port}",
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=Config(retries={"total_max_attempts": 1}, connect_timeout=5, read_timeout=10),
        )
        return SesTransport(way(client, max_idle_seconds=limit), SesSettings())

    return Behind(proxy, transport, lambda: len(stub.taken))


EMAILS = {"smtp": smtp, "ses": partial(ses, quick), "ses by boto3": partial(ses, boto3s)}
FILES = ("s3", "sftp", "ftps", "ftp")


@pytest.fixture(params=[*EMAILS, *FILES])
def behind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Behind]:
    with ExitStack() as opened:
        if request.param in EMAILS:
            yield EMAILS[request.param](opened)
            return
        match request.param:
            case "s3":
                store = opened.enter_context(ministack_bucket(request.getfixturevalue("ministack")))
            case "sftp":
                store = opened.enter_context(sftp_directory(request.getfixturevalue("sshd")))
            case name:
                store = opened.enter_context(ftp_directory(tmp_path, tls=name == "ftps"))
        timeout = "read_timeout_seconds" if store.kind == "s3" else "answer_timeout_seconds"
        yield Behind(
            store.proxy,
            lambda limit: store.transport(max_idle_seconds=limit, **{timeout: TIMEOUT_SECONDS}),
            lambda: len(store.arrived()),
            lambda number: files(file(f"{number}.pdf"), email_id=number),
        )


def test_a_forgotten_connection_puts_no_email_in_doubt(behind: Behind) -> None:
    transport = behind.transport(SHORT)
    transport.send(behind.numbered(1), Wire())
    sent = time.monotonic()
    behind.proxy.forget()
    until(lambda: time.monotonic() - sent > SHORT)
    wire = Wire()
    began = time.monotonic()
    transport.send(behind.numbered(2), wire)
    assert time.monotonic() - began < TIMEOUT_SECONDS / 2
    assert wire.asked == 1
    assert behind.arrived() == 2
    transport.close()


def test_a_connection_that_was_idle_for_less_is_used_again(behind: Behind) -> None:
    transport = behind.transport(LONG)
    for number in (1, 2, 3):
        transport.send(behind.numbered(number), Wire())
    assert behind.proxy.accepted == 1
    transport.close()


@pytest.mark.parametrize(
    ("monotonic", "wall", "longer"),
    [
        (0.0, 0.0, False),
        (5.0, 5.0, False),
        (5.1, 5.1, True),
        (0.0, 5.1, True),  # a sandbox that was frozen
        (5.1, 0.0, True),  # a wall clock that was set back meanwhile
        (0.1, -300.0, True),
    ],
)
def test_either_clock_counts(monotonic: float, wall: float, longer: bool) -> None:
    now = {"monotonic": 1000.0, "wall": 1.7e9}
    idle = IdleTime(lambda: now["monotonic"], lambda: now["wall"])
    now["monotonic"] += monotonic
    now["wall"] += wall
    assert idle.exceeds(5.05) is longer
    idle.used()
    assert not idle.exceeds(0)
