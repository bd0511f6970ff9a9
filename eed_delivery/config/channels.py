"""`[channel.NAME]`: named ways out. The kind's own settings stand in the same table, and the kind checks them."""

from typing import Annotated, Any, Self

from pydantic import ConfigDict, Field, StringConstraints, model_validator

from eed_delivery.config.archive import NO_ARCHIVE, Archive
from eed_delivery.config.formats import QueueUrl, Rate, mistake
from eed_delivery.config.section import Section
from eed_delivery.config.send_windows import NO_WINDOWS, WindowSettings
from eed_delivery.config.threads import Threads
from eed_delivery.model import DEFAULT_CHANNEL

DEFAULT = DEFAULT_CHANNEL
"""The channel of [transport], [smtp], [ses], [eml_folder] and [queue], and of every job that names none."""

ChannelName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]{0,31}$")]


class ChannelQueue(Section):
    """The channel's SQS queue, and its dead-letter queue. The limits are those of [queue].

    `url` names it, or the service makes it (`create`) and names it after the queue of [queue] and the channel.
    """

    url: QueueUrl | None = None
    dead_letter_url: QueueUrl | None = None
    create: bool = False

    @model_validator(mode="after")
    def _is_named_or_made(self) -> Self:
        if self.create and (self.url or self.dead_letter_url):
            raise mistake(
                "create is set, and so is a URL", "Remove the URLs and the service makes the queues, or remove create."
            )
        if not self.create and self.url is None:
            raise mistake("it names no queue", "Set url, or create = true and the service makes the queue.")
        return self


class ChannelSettings(Section):
    """What each channel has, whatever its kind. All else in its table belongs to the kind."""

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,31}$")]
    queue: ChannelQueue
    processes: Annotated[int, Field(ge=1, le=256)] = 1
    threads: Threads = "auto"
    rate_per_second: Rate = 0.0
    archive: Archive = NO_ARCHIVE
    send_windows: WindowSettings = NO_WINDOWS

    @property
    def of_kind(self) -> dict[str, Any]:
        """The kind's own settings, unchecked."""
        return dict(self.model_extra or {})
