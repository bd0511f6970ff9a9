"""While a channel's gate is shut nothing is published, and its function is not invoked."""

import io
import socket
import zipfile
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from eed_delivery.app.parts import App
from eed_delivery.app.tick_function import tick_parts
from eed_delivery.aws.event_source_mapping import EventSourceMapping, MappingUnknown
from eed_delivery.aws_lambda.ticking import TickSandbox
from eed_delivery.errors import InfrastructureFailure
from eed_delivery.ledger.gates import Gate
from eed_delivery.publisher import Publisher
from eed_delivery.queue import MAX_BATCH
from eed_delivery.sweeper.mapping_switch import OFF_AFTER_SECONDS, PROBES, MappingSwitch
from tests.event_source import TimeLeft
from tests.integration.conftest import NewStack
from tests.servers.ministack import MiniStack
from tests.stack import Stack
from tests.world import World

PEOPLE = [f"c{n}@example.com" for n in range(25)]
TRIED = "UPDATE eed_gate SET shut_until = UTC_TIMESTAMP(6) - INTERVAL 1 SECOND"


def gate_shut_for(world: World, seconds: float) -> Gate:
    """The default channel's gate, shut for so long, and for a while to come."""
    gate = Gate(world.database, "default")
    gate.shut("no connection")
    world.execute(f"UPDATE eed_gate SET shut_at = {world.earlier('shut_at', seconds)}")
    world.execute(f"UPDATE eed_gate SET shut_until = {world.earlier('shut_until', -60)}")
    return gate


# --- the publisher ---------------------------------------------------------------------------------------------------


@pytest.fixture
def stack(new_stack: NewStack) -> Stack:
    return new_stack({"worker.coordination": "ledger", "publisher.poll_seconds": 0.05})


@pytest.fixture
def publisher(stack: Stack) -> Iterator[Publisher]:
    one = App(stack.settings).publisher()
    yield one
    one.close()


def test_nothing_is_published_while_the_gate_is_shut_and_a_batch_while_it_is_tried(
    stack: Stack, publisher: Publisher
) -> None:
    gate = gate_shut_for(stack.world, 1)
    stack.add_job(PEOPLE)
    stack.wait_until(lambda: publisher.step() is not None and stack.counts()["pending"] == 25, "all are enlisted")
    for _ in range(5):
        publisher.step()
    assert stack.counts() == {"pending": 25}
    stack.world.execute(TRIED)
    stack.wait_until(lambda: publisher.step() is not None and stack.counts()["queued"] > 0, "one batch is tried")
    for _ in range(5):
        publisher.step()
    assert stack.counts() == {"pending": 15, "queued": MAX_BATCH}
    assert gate.open()
    stack.wait_until(lambda: publisher.step() is not None and stack.counts()["queued"] == 25, "all are published")


def test_without_a_shared_gate_the_publisher_asks_none(new_stack: NewStack) -> None:
    stack = new_stack({"publisher.poll_seconds": 0.05})
    gate_shut_for(stack.world, 1)
    publisher = App(stack.settings).publisher()
    stack.add_job(PEOPLE)
    stack.wait_until(lambda: publisher.step() is not None and stack.counts()["queued"] == 25, "all are published")
    publisher.close()


# --- the event source mapping ----------------------------------------------------------------------------------------


class Functions:
    """Lambda's API, as far as it is used."""

    def __init__(self, state: str = "Enabled") -> None:
        self.state = state
        self.calls: list[bool] = []

    def get_event_source_mapping(self, **_: Any) -> dict[str, str]:
        return {"State": self.state}

    def update_event_source_mapping(self, *, Enabled: bool, **_: Any) -> None:  # noqa: N803 - boto3's name
        self.calls.append(Enabled)
        self.state = "Enabled" if Enabled else "Disabled"


class WayOut:
    works = False
    probes = 0

    def probe(self) -> None:
        self.probes += 1
        if not self.works:
            raise InfrastructureFailure("still away")


@pytest.fixture
def functions() -> Functions:
    return Functions()


@pytest.fixture
def way_out() -> WayOut:
    return WayOut()


@pytest.fixture
def switch(world: World, functions: Functions, way_out: WayOut) -> MappingSwitch:
    return MappingSwitch(Gate(world.database, "default"), EventSourceMapping(lambda: functions, "a"), way_out.probe)


def past(world: World) -> None:
    world.execute(f"UPDATE eed_gate SET shut_until = {world.earlier('shut_until', 600)}")


@pytest.mark.both_databases
def test_a_mapping_is_turned_off_probed_and_turned_on_again(
    world: World, switch: MappingSwitch, functions: Functions, way_out: WayOut
) -> None:
    switch.step()
    gate = gate_shut_for(world, OFF_AFTER_SECONDS + 1)
    switch.step()
    switch.step()
    assert functions.calls == [False]
    assert (gate.look().mapping_off, way_out.probes) == (True, 0)
    past(world)
    switch.step()
    assert way_out.probes == 1
    assert gate.look().seconds > 0, "a probe that fails shuts it anew"
    way_out.works = True
    past(world)
    switch.step()
    assert functions.calls == [False, True]
    seen = gate.look()
    assert (seen.mapping_off, seen.reason is not None, seen.seconds) == (False, True, 0.0), "an email is to prove it"
    switch.step()
    assert functions.calls == [False, True], "it is left on while it is tried"
    gate.shut("it does not work after all")
    switch.step()
    assert functions.calls == [False, True, False]
    assert gate.open_proven(gate.look().shut_at)
    switch.step()
    assert functions.calls == [False, True, False, True]


@pytest.mark.both_databases
def test_a_gate_that_is_shut_for_a_moment_turns_nothing_off(
    world: World, switch: MappingSwitch, functions: Functions
) -> None:
    gate_shut_for(world, OFF_AFTER_SECONDS / 2)
    switch.step()
    assert functions.calls == []


@pytest.mark.both_databases
@pytest.mark.parametrize("state", ["Disabled", "Disabling", "Enabling", "Updating"])
def test_what_a_person_has_turned_off_stays_off(
    world: World, switch: MappingSwitch, functions: Functions, state: str
) -> None:
    """And what is on its way is left until it is there."""
    functions.state = state
    gate = gate_shut_for(world, OFF_AFTER_SECONDS + 1)
    switch.step()
    assert not gate.look().mapping_off
    gate.open_proven(gate.look().shut_at)
    switch.step()
    assert functions.calls == []


@pytest.mark.both_databases
def test_a_mapping_that_cannot_be_turned_on_yet_is_turned_on_later(
    world: World, switch: MappingSwitch, functions: Functions
) -> None:
    gate = gate_shut_for(world, OFF_AFTER_SECONDS + 1)
    switch.step()
    gate.open_proven(gate.look().shut_at)
    functions.state = "Disabling"
    switch.step()
    assert gate.look().mapping_off
    functions.state = "Disabled"
    switch.step()
    assert (functions.calls, gate.look().mapping_off) == ([False, True], False)


@pytest.mark.both_databases
def test_after_some_probes_in_vain_an_email_is_tried(
    world: World, switch: MappingSwitch, functions: Functions, way_out: WayOut
) -> None:
    """The tick may lack a right or a way that the function has."""
    gate = gate_shut_for(world, OFF_AFTER_SECONDS + 1)
    switch.step()
    for _ in range(PROBES):
        assert functions.calls == [False]
        past(world)
        switch.step()
    assert (functions.calls, way_out.probes) == ([False, True], PROBES)
    seen = gate.look()
    assert (seen.mapping_off, seen.reason is not None, seen.seconds) == (False, True, 0.0)


@pytest.mark.both_databases
def test_a_gate_is_shut_before_it_is_probed(world: World, functions: Functions) -> None:
    """A probe that takes longer than the tick must not be the first thing of the next tick, too."""
    gate = gate_shut_for(world, OFF_AFTER_SECONDS + 1)

    def probe() -> None:
        assert gate.look().seconds > 0
        raise ValueError("no probe at all")

    switch = MappingSwitch(gate, EventSourceMapping(lambda: functions, "a"), probe)
    switch.step()
    past(world)
    switch.step()
    assert gate.look().mapping_off


def test_a_mail_server_that_says_nothing_does_not_take_the_tick(new_stack: NewStack) -> None:
    """Everything else of the tick has its turn before, and each answer of a probe is awaited for seconds only."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uuid = "0c2bc5a4-6a3e-4f0e-9a57-aaaaaaaaaaaa"
        patient = {"smtp.command_timeout_seconds": 200, "smtp.data_timeout_seconds": 20}
        timeouts = {"aws_lambda.timeout_seconds": 900, "queue.visibility_timeout_seconds": 5400}
        ours = {"aws_lambda.event_source_mapping": uuid, "smtp.port": silent.getsockname()[1]}
        stack = new_stack({**MAPPED, **patient, **timeouts, **ours})
        gate = gate_shut_for(stack.world, OFF_AFTER_SECONDS + 1)
        gate.note_mapping_off()
        stack.world.execute(TRIED)
        told = steps_until_mapping(TickSandbox(tick_parts(stack.settings)))
        assert told["sweeper"] > 0
        assert gate.look().seconds > 0


def steps_until_mapping(tick: TickSandbox) -> Counter[str]:
    """The steps of ticks until the mapping had its turn. On a busy machine the first tick may not come to it."""
    told = Counter[str]()
    while not told["mapping"]:
        answer = tick.invoke({}, TimeLeft(120))
        assert answer["tick"] == "done"
        told.update(answer["steps"])
    return told


MAPPED: dict[str, Any] = {
    "aws_lambda.timeout_seconds": 120,
    "aws_lambda.tick_seconds": 1,
    "queue.visibility_timeout_seconds": 720,
    "worker.coordination": "ledger",
}


def test_a_tick_turns_the_real_mapping_off_and_on(new_stack: NewStack, ministack: MiniStack) -> None:
    """As ministack's Lambda has it."""
    client = ministack.client("lambda")
    stack = new_stack({**MAPPED, "aws_lambda.endpoint_url": ministack.endpoint_url})
    queue = stack.sqs.get_queue_attributes(QueueUrl=stack.queue_url, AttributeNames=["QueueArn"])
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", "def handler(event, context): return None")
    role = "arn:aws:iam::000000000000:role/none"
    client.create_function(
        FunctionName="none", Runtime="python3.11", Role=role, Handler="index.handler", Code={"ZipFile": code.getvalue()}
    )
    made = client.create_event_source_mapping(
        EventSourceArn=queue["Attributes"]["QueueArn"], FunctionName="none", Enabled=True
    )
    ours = stack.settings.aws_lambda.model_copy(update={"event_source_mapping": made["UUID"]})
    tick = TickSandbox(tick_parts(stack.settings.model_copy(update={"aws_lambda": ours})))
    mapping = EventSourceMapping(lambda: client, made["UUID"])
    gate_shut_for(stack.world, OFF_AFTER_SECONDS + 1)
    steps_until_mapping(tick)
    stack.wait_until(lambda: mapping.is_enabled() is False, "it is off")
    stack.mail_up()
    stack.world.execute(TRIED)
    steps_until_mapping(tick)
    stack.wait_until(lambda: mapping.is_enabled() is True, "it is on again")
    client.delete_event_source_mapping(UUID=made["UUID"])
    client.delete_function(FunctionName="none")
    with pytest.raises(MappingUnknown):
        mapping.is_enabled()
