"""What a channel's settings are: their schema, their texts, as the file has them, and where files are put by them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from eed_delivery.channels.channel import Channel
from eed_delivery.config.channels import ChannelSettings
from eed_delivery.config.file_channels import FileChannelSettings
from eed_delivery.operations.refusals import WrongState
from eed_delivery.transports.kind import ChannelKind


def schema_of(kind: ChannelKind) -> Mapping[str, Any]:
    """The JSON Schema (draft 2020-12) of a channel of this kind: what every channel has, and what the kind adds."""
    shared, own = ChannelSettings.model_json_schema(), kind.settings.model_json_schema()
    return {
        "$defs": {**shared.get("$defs", {}), **own.get("$defs", {})},
        "type": "object",
        "title": kind.title,
        "properties": {
            **shared["properties"],
            "kind": {"const": kind.name},
            **own.get("properties", {}),
        },
        "required": [*shared.get("required", ()), *own.get("required", ())],
        "additionalProperties": False,
    }


def holds_secrets(kind: ChannelKind) -> bool:
    """Whether a setting is a secret itself, which pydantic marks as write-only."""
    return '"writeOnly": true' in json.dumps(kind.settings.model_json_schema())


def shown_settings(channel: Channel | None, default_kind: str) -> dict[str, Any]:
    """A channel of the file as its table has it, with the defaults. Secrets are stars."""
    if channel is None:
        return {}
    kind = default_kind if channel.kind is None else channel.kind.name
    own = channel.settings.model_dump(mode="json")
    shared = {"processes": channel.processes, "threads": channel.threads, "rate_per_second": channel.rate_per_second}
    return {"kind": kind, "queue": asdict(channel.queue), **shared, **own}


def moved_root(before: Channel | None, given: Mapping[str, Any], after: Channel) -> tuple[str, ...]:
    """The settings by which a change gives a channel of files another root. `given` are those before the change. They
    count as they are where the channel cannot be used here, and `before` is None."""
    own = after.settings
    carries_files = after.carries_files or (before is not None and before.carries_files)
    if not carries_files:
        return ()
    if after.kind is None or given.get("kind") != after.kind.name:
        return ("kind",)
    names = own.ROOT if isinstance(own, FileChannelSettings) else ()
    if before is None:
        return tuple(name for name in names if name in given and given[name] != getattr(own, name))
    return tuple(name for name in names if getattr(before.settings, name) != getattr(own, name))


def root_in_use(name: str, moved: Sequence[str]) -> WrongState:
    """The error."""
    what = f"{' and '.join(moved)}: the channel {name} would put files elsewhere while its jobs are under way"
    do = "Wait until they have ended, or create another channel. With --force their files lie in two places."
    return WrongState(what, which=f"channel {name}", do=do)
