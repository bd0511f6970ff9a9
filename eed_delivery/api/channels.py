"""Channels, and holds of one or of all."""

from typing import Annotated, Any

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.keyed import once
from eed_delivery.api.masking import shown, shown_or_none
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Moment, Reason, Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.channels import ALL, ChannelHold, ChannelHoldRequest, ChannelView
from eed_delivery.operators.shell import operations_now


class ChannelPath(Asked):
    """The channel in a path."""

    name: Annotated[str, Field(min_length=1, max_length=32)]


class HoldAnswer(Told):
    """What holds a channel. `until_at` null: until it is released. `channel` `*`: all channels."""

    channel: str
    reason: str
    who: str
    held_at: Utc
    until_at: Utc | None


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


class HoldBody(Asked):
    """Why, and until when. Without an end it lasts until it is released."""

    reason: Reason
    until: Moment | None = None


class HeldAnswer(Told):
    """What is held now, and what was on the wire just then."""

    held: list[str]
    emails_on_the_wire: int
    last_answer_at: Utc | None


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
        return _hold(path.name, body)

    @r.delete("/channels/<name>/hold", Right.OPERATE, HeldAnswer, "channel release {name}")
    def release_channel(path: ChannelPath) -> Response:
        """Release a channel."""
        return _release(path.name)

    @r.post("/hold", Right.OPERATE, HeldAnswer, "channel hold --all --reason WHY")
    def hold_everything(body: HoldBody) -> Response:
        """Hold all channels: no email leaves from now on."""
        return _hold(ALL, body)

    @r.delete("/hold", Right.OPERATE, HeldAnswer, "channel release --all")
    def release_everything() -> Response:
        """End the hold of all channels. Holds of single channels stay."""
        return _release(ALL)

    return r


def _hold(channel: str, body: HoldBody) -> Response:
    request, channels = ChannelHoldRequest(channel, body.reason, body.until), operations_now().channels
    return once(lambda: channels.hold(request), lambda: _held(channel))


def _release(channel: str) -> Response:
    channels = operations_now().channels
    return once(lambda: channels.release(channel), lambda: _held(channel))


def _held(channel: str) -> dict[str, Any]:
    channels = operations_now().channels
    held = {hold.channel for one in channels.all() if (hold := one.hold) is not None}
    wire = channels.on_wire(channel)
    return as_json(HeldAnswer(held=sorted(held), emails_on_the_wire=wire.emails, last_answer_at=wire.last_at))


def _hold_answer(hold: ChannelHold) -> HoldAnswer:
    return HoldAnswer(
        channel=hold.channel, reason=shown(hold.reason), who=hold.who, held_at=hold.held_at, until_at=hold.until_at
    )  # fmt: skip


def _channel(view: ChannelView) -> ChannelAnswer:
    return ChannelAnswer(
        name=view.name,
        kind=view.kind,
        origin=view.origin,
        version=view.version,
        hold=None if view.hold is None else _hold_answer(view.hold),
        unfinished_jobs=view.jobs,
        workers=view.workers,
        problem=shown_or_none(view.problem),
        changed_by=view.changed_by,
        changed_at=view.changed_at,
    )
