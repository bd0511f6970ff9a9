"""Channels: listed, created, changed, checked, held and removed."""

from collections.abc import Iterable
from typing import Annotated, Any

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.holds import HoldAnswer, HoldBody, hold_answer
from eed_delivery.api.keyed import once
from eed_delivery.api.masking import shown, shown_or_none
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Told, Utc, as_json
from eed_delivery.api.versions import tagged, version_wanted
from eed_delivery.api.windows import WindowAnswer, window_answer
from eed_delivery.operations.channels import ChannelEdit, ChannelView, Finding, NewChannel, version_of
from eed_delivery.operators.asking import require
from eed_delivery.operators.shell import json_answer, operations_now


class ChannelPath(Asked):
    """The channel in a path."""

    name: Annotated[str, Field(min_length=1, max_length=32)]


class ChannelAnswer(Told):
    """A channel. `problem` says why it cannot be used on this host, and `details` why some of its workers do not send.

    `settings` are as they were given. Of a secret they have the place only.
    """

    name: str
    kind: str
    origin: str
    version: int
    hold: HoldAnswer | None
    unfinished_jobs: int
    workers: int
    sending: int
    details: list[str]
    problem: str | None
    rate_per_second: float | str | None = Field(description="0: no limit. ses: what SES allows.")
    queue_url: str | None
    archive: str | None
    window: WindowAnswer | None = Field(description="Its own send window. Null: none, or a list was asked for.")
    settings: dict[str, Any]
    made_by: str | None
    changed_by: str | None
    changed_at: Utc | None


class ChannelKindAnswer(Told):
    """A kind of channel. `schema` is the JSON Schema of its settings."""

    name: str
    title: str
    carries: str
    settings_schema: dict[str, Any] = Field(serialization_alias="schema")


class ChannelKindsAnswer(Told):
    """The kinds that are installed."""

    items: list[ChannelKindAnswer]


class ChannelBody(Asked):
    """Settings as in a table `[channel.NAME]` of the configuration. A secret is given by its place."""

    settings: dict[str, Any]


class NewChannelBody(ChannelBody):
    """A channel to create."""

    name: Annotated[str, Field(min_length=1, max_length=32)]


class ChannelEditBody(ChannelBody):
    """All settings of a channel anew. `force`: also its root, while jobs of it are under way."""

    force: bool = False


class CheckBody(Asked):
    """Settings to check before they are saved. Null: those that the channel has."""

    settings: dict[str, Any] | None = None


class ChannelFindingAnswer(Told):
    """What a check found. `level` is ok, warning or error."""

    level: str
    where: str
    what: str
    remedy: str


class ChannelFindingsAnswer(Told):
    """Everything that a check found."""

    items: list[ChannelFindingAnswer]


class RemovedChannelAnswer(Told):
    """The queues of a channel that was removed. They stay."""

    queues: list[str]


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
    _add_looks(r)
    _add_changes(r)
    _add_holds(r)
    return r


def _add_looks(r: ApiRoutes) -> None:
    @r.get("/channels", Right.VIEW, ChannelsAnswer, "channel list")
    def list_channels() -> Response:
        """List channels, with what holds and uses them."""
        return tagged(as_json(ChannelsAnswer(items=[_channel(one) for one in operations_now().channels.all()])))

    @r.get("/channels/<name>", Right.VIEW, ChannelAnswer, "channel show {name}")
    def show_channel(path: ChannelPath) -> Response:
        """Show a channel."""
        return _told(operations_now().channels.view(path.name))

    @r.get("/channel-kinds", Right.VIEW, ChannelKindsAnswer, "channel kinds")
    def list_channel_kinds() -> Response:
        """List the kinds of channels that are installed, with the JSON Schemas of their settings."""
        kinds = [
            ChannelKindAnswer(name=one.name, title=one.title, carries=one.carries, settings_schema=dict(one.schema))
            for one in operations_now().channels.kinds()
        ]
        return tagged(as_json(ChannelKindsAnswer(items=kinds)))

    @r.post("/channels/<name>/check", Right.OPERATE, ChannelFindingsAnswer, "channel check {name}")
    def check_channel(path: ChannelPath, body: CheckBody) -> Response:
        """Try a channel, its queue and its way out. Nothing is sent, and nothing stays.

        Settings that are not saved need the right `admin`."""
        channels = operations_now().channels
        if body.settings is None:
            return json_answer(_findings(channels.check(path.name)))
        require(Right.ADMIN, "To check other settings")
        return json_answer(_findings(channels.trial(NewChannel(path.name, body.settings))))


def _add_changes(r: ApiRoutes) -> None:
    @r.post("/channels", Right.ADMIN, ChannelAnswer, "channel create NAME")
    def create_channel(body: NewChannelBody) -> Response:
        """Create a channel. Its workers start within seconds on every host."""
        channels, new = operations_now().channels, NewChannel(body.name, body.settings)
        return once(lambda: channels.create(new), lambda: as_json(_channel(channels.view(body.name))))

    @r.put("/channels/<name>", Right.ADMIN, ChannelAnswer, "channel edit {name} --settings FILE")
    def edit_channel(path: ChannelPath, body: ChannelEditBody) -> Response:
        """Change a channel, if it is as it was seen with the ETag in If-Match."""
        channels, wanted = operations_now().channels, version_wanted(required=True)
        seen = channels.view(path.name).version if wanted is None else version_of(wanted)
        edit = ChannelEdit(path.name, body.settings, seen, body.force)
        return once(lambda: channels.edit(edit), lambda: as_json(_channel(channels.view(path.name))))

    @r.delete("/channels/<name>", Right.ADMIN, RemovedChannelAnswer, "channel remove {name}")
    def remove_channel(path: ChannelPath) -> Response:
        """Remove a channel that no unfinished job names. Its queues stay."""
        channels, urls = operations_now().channels, list[str]()
        return once(lambda: urls.extend(channels.remove(path.name)), lambda: as_json(RemovedChannelAnswer(queues=urls)))


def _add_holds(r: ApiRoutes) -> None:
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


def _told(view: ChannelView) -> Response:
    return tagged(as_json(_channel(view)), str(view.version))


def _findings(found: Iterable[Finding]) -> dict[str, Any]:
    def told(one: Finding) -> ChannelFindingAnswer:
        return ChannelFindingAnswer(level=one.level, where=one.where, what=shown(one.what), remedy=shown(one.remedy))

    items = [told(one) for one in found]
    return as_json(ChannelFindingsAnswer(items=items))


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
        sending=view.sending,
        details=[shown(one) for one in view.details],
        problem=shown_or_none(view.problem),
        rate_per_second=view.rate_per_second,
        queue_url=view.queue_url,
        archive=view.archive,
        window=None if view.window is None else window_answer(view.window),
        settings=dict(view.settings),
        made_by=view.made_by,
        changed_by=view.changed_by,
        changed_at=view.changed_at,
    )
