"""Kinds of channels: what a kind is, and how the installed ones are found.

A kind is a folder or a package of its own. It registers by a Python entry point of the group `eed_delivery.channels`,
whose value is a `ChannelKind`. So a customer's own package can add one (docs/channels.md).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Literal, Protocol

from eed_delivery.config.section import Section
from eed_delivery.config.settings import SesSettings
from eed_delivery.errors import ConfigError, Problem
from eed_delivery.transports import FileTransport, Transport

if TYPE_CHECKING:
    from mypy_boto3_sesv2.client import SESV2Client

    from eed_delivery.aws.calls import SesCalls

GROUP = "eed_delivery.channels"
"""The entry points' group. https://packaging.python.org/en/latest/specifications/entry-points/"""

Carries = Literal["emails", "files"]


class Surroundings(Protocol):
    """What the composition root hands to a kind: the only way to secrets and to clients."""

    threads: int
    """How many transports one process makes."""

    def secret(self, setting: str, reference: str) -> str:
        """The secret that a `SecretReference` leads to. Raises `ConfigError`."""
        ...

    def ses(self, settings: SesSettings) -> "SesCalls | SESV2Client":
        """A client of SES for all threads of the process; it never tries twice."""
        ...

    def aws(self, service: str, *, region: str | None = None, endpoint_url: str | None = None, **config: Any) -> Any:
        """A boto3 client that never tries twice. `region`: None for that of [aws]. `config` goes to
        `botocore.config.Config`."""
        ...


@dataclass(frozen=True, slots=True)
class ChannelKind:
    """One kind of channel.

    - `name`: as in `kind = "sftp"`; `title`: one line for people who choose.
    - `settings`: the class of its settings. Its JSON Schema is what forms and `channel create` are made from.
    - `carries`: emails, which are sent; or files, which are put, and can be asked for.
    - `make`: from settings and surroundings, what makes one transport for each thread. Called once a process.
    - `check`: a trial of the settings without effects that stay. Yields what it found, for people. What does not work
      is raised: `ConfigError` or `InfrastructureFailure`.
    - `longest_send`: the transport's `wire_seconds` with these settings.
    """

    name: str
    title: str
    settings: type[Section]
    carries: Carries
    make: Callable[[Any, Surroundings], Callable[[], Transport | FileTransport]]
    check: Callable[[Any, Surroundings], Iterator[str]]
    longest_send: Callable[[Any], float]


@cache
def kinds() -> Mapping[str, ChannelKind]:
    """The installed kinds by name. Raises `ConfigError` for an entry point that cannot be used."""
    found: dict[str, ChannelKind] = {}
    for point in entry_points(group=GROUP):
        try:
            kind = point.load()
        except Exception as error:
            what = f"it cannot be loaded: {type(error).__name__}: {error}"
            raise ConfigError([_unusable(point.value, what)]) from error
        if not isinstance(kind, ChannelKind) or kind.name != point.name:
            raise ConfigError([_unusable(point.value, f"it is not a ChannelKind of the name {point.name}")])
        if point.name in found:
            raise ConfigError([_unusable(point.value, f"another package has a kind of the name {point.name}")])
        found[point.name] = kind
    return dict(sorted(found.items()))


def _unusable(value: str, what: str) -> Problem:
    return Problem(f"the kind of channel {value}", what, "Correct or remove the package that brings it.")
