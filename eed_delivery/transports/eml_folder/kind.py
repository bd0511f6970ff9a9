"""The kind `eml_folder` of channels: .eml files instead of emails, to look at."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

from eed_delivery.config.settings import EmlFolderSettings
from eed_delivery.transports import Transport
from eed_delivery.transports.eml_folder.transport import EmlFolderTransport
from eed_delivery.transports.kind import ChannelKind, Surroundings


def make(settings: EmlFolderSettings, _: Surroundings) -> Callable[[], Transport]:
    """All threads write into one folder."""
    return partial(EmlFolderTransport, settings)


def check(settings: EmlFolderSettings, _: Surroundings) -> Iterator[str]:
    """Writes a file, and removes it, with the directories that were not there before."""
    directory = Path(settings.directory)
    new = [one for one in (directory, *directory.parents) if not one.exists()]
    EmlFolderTransport(settings).probe()
    for one in new:
        with suppress(OSError):  # a worker has begun to write into it
            one.rmdir()
    yield f"files can be written to {settings.directory}. Emails of this channel are not sent"


KIND = ChannelKind(
    name="eml_folder",
    title="Emails as .eml files in a folder, not sent",
    settings=EmlFolderSettings,
    carries="emails",
    make=make,
    check=check,
    longest_send=lambda _: EmlFolderTransport.wire_seconds,
)
