"""Channels, and holds of one."""

from typing import Annotated, Any

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.holds import HoldAnswer, HoldBody, hold_answer
from eed_delivery.api.keyed import once
from eed_delivery.api.masking import shown_or_none
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.channels import ChannelView
from eed_delivery.operators.shell import operations_now


class ChannelPath(Asked):
    """The channel in a path."""

    name: Annotated[str, Field(min_length=1, max_length=32)]


class ChannelAnswer(Told):
    """A channel. `problem` says why it cannot be used on this host."""

    name: str
    kind: str
    origin: str
    version: int
    hold: HoldAnswer | None
    unfinished_jobs: int
    workers: int
    problem: str | None
    changed_by: str | None
    changed_at: Utc | None


class ChannelsAnswer(Told):
    """All channels, `default` first."""

    items: list[ChannelAnswer]


class HeldAnswer(Told):
    """The channels that are held now, what was on the wire just then, and when the last email was let go."""

    held: list[str]
    emails_on_the_wire: int
    last_wire_at: Utc | None


def routes() -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("channels", "Channels, and holds of them.")

    @r.get("/channels", Right.VIEW, ChannelsAnswer, "channel list")
    def list_channels() -> Response:
        """List channels, with what holds and uses them."""
        return tagged(as_json(ChannelsAnswer(items=[_channel(one) for one in operations_now().channels.all()])))

    @r.get("/channels/<name>", Right.VIEW, ChannelAnswer, "channel show {name}")
    def show_channel(path: ChannelPath) -> Response:
        """Show a channel."""
        return tagged(as_json(_channel(operations_now().channels.view(path.name))))

    @r.post("/channels/<name>/hold", Right.OPERATE, HeldAnswer, "channel hold {name} --reason WHY")
    def hold_channel(path: ChannelPath, body: HoldBody) -> Response:
        """Hold a channel: nothing leaves by it from now on."""
        channels = operations_now().channels
        return once(lambda: channels.hold(path.name, body.reason, body.until), lambda: _held(path.name))

    @r.delete("/channels/<name>/hold", Right.OPERATE, HeldAnswer, "channel release {name}")
    def release_channel(path: ChannelPath) -> Response:
        """Release a channel."""
        channels = operations_now().channels
        return once(lambda: channels.release(path.name), lambda: _held(path.name))

    return r


def _held(channel: str) -> dict[str, Any]:
    channels = operations_now().channels
    held = [one.name for one in channels.all() if one.hold is not None]
    wire = channels.on_wire(channel)
    return as_json(HeldAnswer(held=held, emails_on_the_wire=wire.emails, last_wire_at=wire.last_wire_at))


def _channel(view: ChannelView) -> ChannelAnswer:
    return ChannelAnswer(
        name=view.name,
        kind=view.kind,
        origin=view.origin,
        version=view.version,
        hold=None if view.hold is None else hold_answer(view.hold),
        unfinished_jobs=view.jobs,
        workers=view.workers,
        problem=shown_or_none(view.problem),
        changed_by=view.changed_by,
        changed_at=view.changed_at,
    )
