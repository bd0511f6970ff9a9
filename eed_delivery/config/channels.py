"""`[channel.NAME]`: named ways out. The kind's own settings stand in the same table, and the kind checks them."""

from typing import Annotated, Any

from pydantic import ConfigDict, Field, StringConstraints

from eed_delivery.config.archive import NO_ARCHIVE, Archive
from eed_delivery.config.formats import QueueUrl, Rate
from eed_delivery.config.section import Section
from eed_delivery.model import DEFAULT_CHANNEL

DEFAULT = DEFAULT_CHANNEL
"""The channel of [transport], [smtp], [ses], [eml_folder] and [queue], and of every job that names none."""

ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class ChannelQueue(Section):
    """The channel's SQS queue, and its dead-letter queue. The limits are those of [queue]."""

    url: QueueUrl
    dead_letter_url: QueueUrl | None = None


class ChannelSettings(Section):
    """What each channel has, whatever its kind. All else in its table belongs to the kind."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    queue: ChannelQueue
    processes: Annotated[int, Field(ge=1, le=256)] = 1
    threads: Annotated[int, Field(ge=1, le=256)] = 16
    rate_per_second: Rate = 0.0
    archive: Archive = NO_ARCHIVE

    @property
    def of_kind(self) -> dict[str, Any]:
        """The kind's own settings, unchecked."""
        return dict(self.model_extra or {})
