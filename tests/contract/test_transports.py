"""One suite for every way out: what `Transport` promises holds for SMTP, SES and the folder of .eml files alike.

SMTP speaks to aiosmtpd, which reads the protocol independently of us. SES speaks to our stub, because moto has no
GetAccount and ministack keeps no raw message; what those two understand is tested once each.
"""

import resource
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from botocore.config import Config
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer
from moto.ses.models import ses_backends

from eed_delivery.config import EmlFolderSettings, SesSettings, SmtpSettings
from eed_delivery.errors import DatabaseGone, InfrastructureFailure, NoGrant
from eed_delivery.model import Accepted
from eed_delivery.transports import Transport
from eed_delivery.transports.eml_folder.transport import EmlFolderTransport
from eed_delivery.transports.ses.transport import SesTransport
from eed_delivery.transports.smtp.transport import SmtpTransport
from tests.contract.messages import CONTENT, RECIPIENT, SENDER, Wire, message, no_grant
from tests.contract.ses_ways import Way, boto3s, quick
from tests.examples import examples
from tests.servers import free_port
from tests.servers.aws_clients import aws_client
from tests.servers.ministack import MiniStack
from tests.servers.ses_stub import SesStub


@dataclass
class WayOut:
    """A transport and a look at what arrived behind it."""

    transport: Transport
    arrived: Callable[[], list[bytes]]
    unplug: Callable[[], None]


class Sink:
    """An aiosmtpd handler that keeps the envelopes."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.envelopes.append(envelope)
        return "250 2.0.0 Ok: queued as 4F1C2"


def smtp_way_out(tmp_path: Path) -> Iterator[WayOut]:
    sink = Sink()
    controller = Controller(sink, hostname="127.0.0.1", port=free_port(), enable_SMTPUTF8=True)
    controller.start()
    running = [controller]

    def unplug() -> None:
        running.pop().stop()

    transport = SmtpTransport(
        SmtpSettings(host="127.0.0.1", port=controller.port, tls="none", command_timeout_seconds=5)
    )
    yield WayOut(transport, lambda: [e.content for e in sink.envelopes], unplug)
    transport.close()
    for controller in running:
        controller.stop()


def ses_way_out(tmp_path: Path) -> Iterator[WayOut]:
    yield from over_ses(quick)


def boto3_way_out(tmp_path: Path) -> Iterator[WayOut]:
    yield from over_ses(boto3s)


def over_ses(way: Way) -> Iterator[WayOut]:
    with SesStub() as stub:
        transport = SesTransport(way(stub.client()), SesSettings())
        yield WayOut(transport, lambda: [taken.content for taken in stub.taken], stub.stop)


def folder_way_out(tmp_path: Path) -> Iterator[WayOut]:
    directory = tmp_path / "emails"

    def unplug() -> None:
        directory.rename(tmp_path / "gone")
        directory.write_text("a file where the folder should be")

    yield WayOut(
        EmlFolderTransport(EmlFolderSettings(directory=directory)),
        lambda: [path.read_bytes() for path in sorted(directory.glob("*.eml"))],
        unplug,
    )


def ses_client(endpoint_url: str) -> Any:
    return aws_client(
        "sesv2",
        region_name="us-east-2",
        endpoint_url=endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=Config(retries={"total_max_attempts": 1}, connect_timeout=30, read_timeout=60),
    )


WAYS_OUT = {"smtp": smtp_way_out, "ses": ses_way_out, "ses by boto3": boto3_way_out, "eml_folder": folder_way_out}


@pytest.fixture(params=WAYS_OUT)
def way_out(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[WayOut]:
    yield from WAYS_OUT[request.param](tmp_path)


def test_an_accepted_message_arrives_once_and_unchanged(way_out: WayOut) -> None:
    wire = Wire()
    answer = way_out.transport.send(message(), wire)
    assert isinstance(answer, Accepted)
    assert answer.message_id
    assert answer.code in (200, 250)
    assert way_out.arrived() == [CONTENT]
    assert wire.asked == 1


def test_nothing_has_left_when_the_wire_is_asked_for(way_out: WayOut) -> None:
    seen = []
    way_out.transport.send(message(), lambda: seen.append(way_out.arrived()))
    assert seen == [[]]


@pytest.mark.parametrize("refusal", [NoGrant("paused"), DatabaseGone("gone"), RuntimeError("a defect")])
def test_without_a_grant_nothing_is_sent_and_the_next_one_is(way_out: WayOut, refusal: Exception) -> None:
    wire = Wire(refusal)
    with pytest.raises(type(refusal)) as raised:
        way_out.transport.send(message(), wire)
    assert raised.value is refusal
    assert wire.asked == 1
    assert way_out.arrived() == []
    way_out.transport.send(message(email_id=18), Wire())
    assert way_out.arrived() == [CONTENT]


def test_many_messages_in_a_row(way_out: WayOut) -> None:
    for number in range(5):
        way_out.transport.send(message(email_id=100 + number), Wire())
    assert way_out.arrived() == [CONTENT] * 5


def test_a_way_out_that_is_gone_is_an_infrastructure_failure(way_out: WayOut) -> None:
    way_out.transport.send(message(email_id=18), Wire())
    way_out.unplug()
    with pytest.raises(InfrastructureFailure) as raised:
        way_out.transport.send(message(), Wire())
    assert raised.value.reply
    with pytest.raises(InfrastructureFailure):
        way_out.transport.probe()


def test_a_probe_sends_nothing(way_out: WayOut) -> None:
    way_out.transport.probe()
    assert way_out.arrived() == []
    way_out.transport.send(message(), Wire())
    assert way_out.arrived() == [CONTENT]


def test_close_may_come_at_any_time(way_out: WayOut) -> None:
    way_out.transport.close()
    way_out.transport.send(message(), Wire())
    way_out.transport.close()
    way_out.transport.close()
    way_out.transport.send(message(email_id=18), Wire())
    assert len(way_out.arrived()) == 2
    with pytest.raises(NoGrant):
        way_out.transport.send(message(), no_grant())
    way_out.transport.close()


def test_it_says_how_long_the_wire_can_be_held(way_out: WayOut) -> None:
    assert way_out.transport.wire_seconds >= 10
    assert way_out.transport.name in WAYS_OUT


def test_ses_as_moto_understands_it() -> None:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        client = ses_client(f"http://{host}:{port}")
        client.create_email_identity(EmailIdentity=SENDER)
        SesTransport(quick(client), SesSettings()).send(message(), Wire())
        sent: Any = ses_backends["123456789012"]["us-east-2"].sent_messages[-1]
    finally:
        server.stop()
    assert sent.raw_data.encode() == CONTENT


def test_ses_as_ministack_understands_it(ministack: MiniStack) -> None:
    client = ses_client(ministack.endpoint_url)
    client.create_email_identity(EmailIdentity=SENDER)
    transport = SesTransport(quick(client), SesSettings())
    transport.probe()
    assert transport.send(message(), Wire()).message_id


lines = st.one_of(
    st.sampled_from([b"", b".", b"..", b"...", b". ", b".\t.", b".QUIT"]),
    st.binary(max_size=200).map(lambda line: line.replace(b"\r", b"").replace(b"\n", b"")),
)


@pytest.fixture(scope="module")
def sink_and_transport(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WayOut]:
    yield from smtp_way_out(tmp_path_factory.mktemp("smtp"))


@settings(max_examples=examples(200), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(body=st.lists(lines, min_size=1, max_size=20))
def test_any_lines_arrive_over_smtp_as_they_were(sink_and_transport: WayOut, body: list[bytes]) -> None:
    content = b"".join(line + b"\r\n" for line in body)
    sink_and_transport.transport.send(message(content=content), Wire())
    assert sink_and_transport.arrived()[-1] == content


def test_the_folder_shows_what_would_have_been_sent_twice(tmp_path: Path) -> None:
    transport = EmlFolderTransport(EmlFolderSettings(directory=tmp_path))
    names = [transport.send(message(content=text), Wire()).reply for text in (b"one\r\n", b"two\r\n", b"three\r\n")]
    assert names == ["written to 17.1.eml", "written to 17.1.2.eml", "written to 17.1.3.eml"]
    assert (tmp_path / "17.1.eml").read_bytes() == b"one\r\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["17.1.2.eml", "17.1.3.eml", "17.1.eml"]


def test_a_file_that_cannot_be_written_whole_leaves_nothing_behind(tmp_path: Path) -> None:
    transport = EmlFolderTransport(EmlFolderSettings(directory=tmp_path))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))  # the kernel refuses the rest, as on a full disk
    try:
        wire = Wire()
        with pytest.raises(InfrastructureFailure, match=r"Check eml_folder\.directory"):
            transport.send(message(content=b"x" * 10_000), wire)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert wire.asked == 0
    assert list(tmp_path.iterdir()) == []


def test_two_writers_in_one_folder_never_replace_each_other(tmp_path: Path) -> None:
    def write(number: int) -> None:
        transport = EmlFolderTransport(EmlFolderSettings(directory=tmp_path))
        for _ in range(20):
            transport.send(message(content=b"%d\r\n" % number), Wire())

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert len(list(tmp_path.glob("*.eml"))) == 80


def test_smtp_takes_the_envelope_from_the_message_and_not_from_its_headers() -> None:
    sink = Sink()
    controller = Controller(sink, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        transport = SmtpTransport(SmtpSettings(host="127.0.0.1", port=controller.port, tls="none"))
        answer = transport.send(message(sender="bounces@bank.example", recipient="other@example.com"), Wire())
        transport.close()
    finally:
        controller.stop()
    assert answer.message_id == "4F1C2"
    assert (sink.envelopes[0].mail_from, sink.envelopes[0].rcpt_tos) == ("bounces@bank.example", ["other@example.com"])
    assert RECIPIENT.encode() in sink.envelopes[0].content


@pytest.mark.parametrize(
    ("address", "understood"),
    [
        ('"try..this."@docomo.example', "try..this.@docomo.example"),  # aiosmtpd takes these quotes off
        ('"quoted local"@example.com', '"quoted local"@example.com'),
    ],
)
def test_a_quoted_local_part_reaches_a_server_that_is_not_ours(address: str, understood: str) -> None:
    sink = Sink()
    controller = Controller(sink, hostname="127.0.0.1", port=free_port())
    controller.start()
    transport = SmtpTransport(SmtpSettings(host="127.0.0.1", port=controller.port, tls="none"))
    try:
        transport.send(message(recipient=address), Wire())
        assert [envelope.rcpt_tos for envelope in sink.envelopes] == [[understood]]
    finally:
        transport.close()
        controller.stop()


@pytest.mark.parametrize("way", [quick, boto3s])
def test_a_quoted_local_part_is_ses_only_recipient(way: Way) -> None:
    address = '"try, this."@docomo.example'
    with SesStub() as stub:
        SesTransport(way(stub.client()), SesSettings()).send(message(recipient=address), Wire())
        assert [taken.recipients for taken in stub.taken] == [(address,)]
