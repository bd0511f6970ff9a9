"""Channels: the list, one of them, its check, its hold, and its end. `channel_changes` creates and changes them."""

from collections.abc import Mapping
from typing import Any

from flask import Response, url_for

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import REASON, ActDone, Confirmation, FormField, confirmed
from eed_delivery.console.ends import end_field, seconds_until_end
from eed_delivery.console.rendering import Crumb, page
from eed_delivery.console.routes import BOTH, PageRoutes
from eed_delivery.operations.channel_fields import flat
from eed_delivery.operations.channels import ChannelView
from eed_delivery.operations.holds import called
from eed_delivery.operations.refusals import WrongState
from eed_delivery.operators.shell import operations_now

SECTION = "Channels"
CHANNELS = Crumb(SECTION, "/channels")
CALL = "/api/v1/channels/{name}"


def channel_path(name: str) -> str:
    """The address of a channel's page."""
    return url_for("console.show_channel", name=name)


def channel_crumb(name: str) -> Crumb:
    """The channel's page, above another one."""
    return Crumb(f"Channel {name}", channel_path(name))


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""
    _add_looks(routes)
    _add_holds(routes)
    _add_removal(routes)


def _add_looks(routes: PageRoutes) -> None:
    @routes.page("/channels", Right.VIEW, section=SECTION, command="channel list", call="GET /api/v1/channels")
    def channels() -> Response:
        operations = operations_now()
        paces = {one.channel: one for one in operations.paces.view().paces}
        queues = operations.tonight.queues()
        facts: dict[str, Any] = {
            "paces": paces,
            "queues": queues,
            "waiting": {one.channel: one for one in queues.value or ()},
        }
        return page("channels.html", title=SECTION, channels=operations.channels.all(), **facts)

    @routes.page("/channels/<name>", Right.VIEW, section=SECTION, command="channel show {name}", call=f"GET {CALL}")
    def show_channel(name: str) -> Response:
        operations = operations_now()
        channel, wire = operations.channels.view(name), operations.channels.on_wire(name)
        facts: dict[str, Any] = {"channel": channel, "wire": wire, "called": called, "settings": flat(channel.settings)}
        return page("channel.html", title=f"Channel {name}", crumbs=(CHANNELS,), **facts)

    @routes.page(
        "/channels/<name>/check",
        Right.OPERATE,
        section=SECTION,
        command="channel check {name}",
        call=f"POST {CALL}/check",
        methods=("POST",),
    )
    def check_channel(name: str) -> Response:
        found = operations_now().channels.check(name)
        crumbs = (CHANNELS, channel_crumb(name))
        return page("channel_check.html", title=f"Check of channel {name}", crumbs=crumbs, findings=found)


def _add_holds(routes: PageRoutes) -> None:
    hold = {"command": "channel hold {name} --reason WHY", "call": f"POST {CALL}/hold"}

    @routes.page("/channels/<name>/hold", Right.OPERATE, section=SECTION, methods=BOTH, **hold)
    def hold_channel(name: str) -> Response:
        def act(given: Mapping[str, str]) -> ActDone:
            proof = operations_now().channels.hold(name, given[REASON.name], seconds_until_end(given))
            left = f" {proof.on_wire.emails:,} emails are still on the wire." if proof.on_wire.emails else ""
            return ActDone(f"Channel {name} is held.{left}", channel_path(name))

        return confirmed(lambda: _asking_to_hold(name), act)

    release = {"command": "channel release {name}", "call": f"DELETE {CALL}/hold"}

    @routes.page("/channels/<name>/release", Right.OPERATE, section=SECTION, methods=BOTH, **release)
    def release_channel(name: str) -> Response:
        def act(_: Mapping[str, str]) -> ActDone:
            operations_now().channels.release(name)
            return ActDone(f"The hold of channel {name} is ended.", channel_path(name))

        return confirmed(lambda: _asking_to_release(name), act)


def _asking_to_hold(name: str) -> Confirmation:
    operations_now().channels.view(name)
    what = ["No further email leaves by it. Emails on the wire still do.", "Emails wait, and lose no try."]
    return Confirmation(
        f"Hold channel {name}?", what, "Hold it", channel_crumb(name), (REASON, end_field()), crumbs=(CHANNELS,)
    )


def _asking_to_release(name: str) -> Confirmation:
    hold = operations_now().channels.view(name).hold
    if hold is None:
        raise WrongState(f"the channel {name} is not held", which=f"channel {name}")
    what = [f"{hold.who} holds it: {hold.reason}", "Its emails leave again."]
    return Confirmation(
        f"End the hold of channel {name}?", what, "Release it", channel_crumb(name), (), crumbs=(CHANNELS,)
    )


def _add_removal(routes: PageRoutes) -> None:
    same = {"command": "channel remove {name}", "call": f"DELETE {CALL}"}

    @routes.page("/channels/<name>/remove", Right.ADMIN, section=SECTION, methods=BOTH, **same)
    def remove_channel(name: str) -> Response:
        def act(_: Mapping[str, str]) -> ActDone:
            urls = operations_now().channels.remove(name)
            left = f" Its queues stay, and are yours to delete: {' and '.join(urls)}" if urls else ""
            return ActDone(f"Channel {name} is removed.{left}", CHANNELS.path)

        return confirmed(lambda: _asking_to_remove(operations_now().channels.view(name)), act)


def _asking_to_remove(channel: ChannelView) -> Confirmation:
    name = channel.name
    return Confirmation(
        title=f"Remove channel {name}?",
        what=("Its workers stop. Its queues stay.", "It is refused while unfinished jobs name it."),
        button="Remove it",
        back=channel_crumb(name),
        fields=(FormField("confirmation", f"Type the channel's name, {name}, to confirm", length=32, must_be=name),),
        warning="Its settings are gone then.",
        crumbs=(CHANNELS,),
    )
