"""Create a channel, or change one: choose the kind, fill in its form, check it, and save."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from flask import Response, request

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import VERSION, FormError, FormField, form_errors
from eed_delivery.console.channel_forms import NAME, ChannelForm
from eed_delivery.console.channels import CALL, CHANNELS, SECTION, channel_crumb, channel_path
from eed_delivery.console.rendering import Crumb, page, see_other
from eed_delivery.console.routes import BOTH, PageRoutes
from eed_delivery.errors import ConfigError
from eed_delivery.operations.channels import (
    OF_FILE,
    ChannelChanged,
    ChannelEdit,
    ChannelKindView,
    ChannelView,
    Finding,
    NewChannel,
    version_of,
)
from eed_delivery.operations.refusals import UnknownKey, WrongState
from eed_delivery.operators.shell import operations_now

KINDS = Crumb("Create a channel", "/channel-kinds")
FORCE = FormField(
    "force", "Change its root, too, while jobs of it are under way", "Their files lie in two places then.", "checkbox",
    required=False,
)  # fmt: skip
CHANGED = "Another person has changed it since you looked. Compare, then save again: your settings replace theirs."


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page(
        "/channel-kinds", Right.ADMIN, section=SECTION, command="channel kinds", call="GET /api/v1/channel-kinds"
    )
    def choose_kind() -> Response:
        kinds = operations_now().channels.kinds()
        return page("channel_kinds.html", title=KINDS.name, crumbs=(CHANNELS,), kinds=kinds)

    @routes.page(
        "/channel-kinds/<kind>/create",
        Right.ADMIN,
        section=SECTION,
        command=("channel create NAME --kind {kind} --set KEY=VALUE", "channel create NAME --kind {kind} --dry-run"),
        call=("POST /api/v1/channels", "POST /api/v1/channels/NAME/check"),
        methods=BOTH,
    )
    def create_channel(kind: str) -> Response:
        return _Creation(_kind(kind)).answer()

    @routes.page(
        "/channels/<name>/edit",
        Right.ADMIN,
        section=SECTION,
        command=("channel edit {name} --set KEY=VALUE", "channel edit {name} --set KEY=VALUE --dry-run"),
        call=(f"PUT {CALL}", f"POST {CALL}/check"),
        methods=BOTH,
    )
    def edit_channel(name: str) -> Response:
        channel = operations_now().channels.view(name)
        if channel.origin == "file":
            raise WrongState(f"channel {name}: {OF_FILE}", which=f"channel {name}", do="Change the file.")
        return _Change(channel, _kind(channel.kind)).answer()


def _kind(name: str) -> ChannelKindView:
    kinds = {one.name: one for one in operations_now().channels.kinds()}
    if name not in kinds:
        raise UnknownKey(f"there is no kind of channel {name}. Installed are {', '.join(kinds)}", which="kind")
    return kinds[name]


def _asked(
    form: ChannelForm,
    title: str,
    back: Crumb,
    given: Mapping[str, str],
    errors: Sequence[FormError] = (),
    *,
    beside: Sequence[FormField] = (),
    status: int = 200,
    findings: Sequence[Finding] = (),
    version: str = "",
) -> Response:
    return page(
        "channel_form.html",
        title=title,
        crumbs=(CHANNELS, back),
        status=status,
        fields=(*beside, *form.fields),
        given=form.kept(given),
        errors=errors,
        findings=findings,
        seen=version,
        back=back,
    )


Again = Callable[..., Response]


def _done(
    form: ChannelForm, given: Mapping[str, str], name: str, again: Again, save: Callable[[dict[str, Any]], object]
) -> Response:
    """Check or save what was typed, or show the form again with what is wrong."""
    settings, errors = form.settings(given)
    if errors:
        return again(given, errors, status=422)
    try:
        if given.get("do") == "check":
            return again(given, findings=operations_now().channels.trial(NewChannel(name, settings)))
        save(settings)
    except ConfigError as error:
        return again(given, form.errors(error, name), status=422)
    except ChannelChanged:
        return again({**given, VERSION: ""}, [FormError("", CHANGED)], status=412)
    return see_other(channel_path(name), f"Channel {name} is saved. Its workers begin within seconds.")


def _given() -> dict[str, str]:
    return {name: value.strip() for name, value in request.form.items()}


class _Creation:
    """The form of a new channel."""

    def __init__(self, kind: ChannelKindView) -> None:
        self._kind = kind
        self._form = ChannelForm(kind)

    def answer(self) -> Response:
        """A GET asks, a POST checks or saves."""
        if request.method != "POST":
            return self._again({})
        given = _given()
        name, channels = given.get("name", ""), operations_now().channels
        if errors := [*form_errors((NAME,), given), *_about_name(name)]:
            return self._again(given, errors[:1], status=422)
        return _done(self._form, given, name, self._again, lambda s: channels.create(NewChannel(name, s)))

    def _again(self, given: Mapping[str, str], errors: Sequence[FormError] = (), **more: Any) -> Response:
        title = f"Create a channel: {self._kind.title}"
        return _asked(self._form, title, KINDS, given, errors, beside=(NAME,), **more)


def _about_name(name: str) -> list[FormError]:
    try:
        operations_now().channels.check_name(name)
    except ConfigError as error:
        return [FormError("name", f"{one.what}. {one.remedy}".capitalize()) for one in error.problems]
    except WrongState as error:
        return [FormError("name", error.what.capitalize())]
    return []


class _Change:
    """The form of a channel that is there."""

    def __init__(self, channel: ChannelView, kind: ChannelKindView) -> None:
        self._channel = channel
        self._form = ChannelForm(kind)
        self._beside = (FORCE,) if kind.carries == "files" else ()

    def answer(self) -> Response:
        """A GET shows what is set, a POST checks or saves."""
        if request.method != "POST":
            return self._again(self._form.shown(self._channel.settings))
        given, name, channels = _given(), self._channel.name, operations_now().channels
        seen, force = given.get(VERSION, ""), given.get("force") == "yes"
        version = version_of(seen)
        return _done(
            self._form, given, name, self._again, lambda s: channels.edit(ChannelEdit(name, s, version, force))
        )

    def _again(self, given: Mapping[str, str], errors: Sequence[FormError] = (), **more: Any) -> Response:
        name, where = self._channel.name, channel_crumb(self._channel.name)
        version = given.get(VERSION) or str(self._channel.version)  # a look in between is not the person's
        return _asked(
            self._form, f"Change channel {name}", where, given, errors, beside=self._beside, version=version, **more
        )
