"""One channel: its name, its kind, the kind's settings, and what is its own."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from eed_delivery.channels.queue_urls import QueueUrls
from eed_delivery.config.archive import NO_ARCHIVE, ArchiveSettings
from eed_delivery.config.channels import DEFAULT
from eed_delivery.config.formats import Rate
from eed_delivery.config.section import Section
from eed_delivery.config.send_windows import NO_WINDOWS, WindowSettings
from eed_delivery.transports.kind import ChannelKind

Origin = Literal["file", "ledger"]


@dataclass(frozen=True, slots=True)
class Channel:
    """A named way out.

    - `kind`: None for `default`, which the sections of the file describe.
    - `settings`: of the class `kind.settings`.
    - `threads`, `processes`: of its workers on each host.
    - `rate_per_second`: for all workers of all hosts together. 0: no limit.
    - `origin`: the configuration file, where it is only read, or the ledger.
    - `archive`: where copies of its emails are kept.
    - `send_windows`: when emails may leave by it.
    - `version`: how often the ledger's channel was changed. 0 for those of the file.
    """

    name: str
    kind: ChannelKind | None
    settings: Section
    queue: QueueUrls
    processes: int
    threads: int | Literal["auto"]
    rate_per_second: Rate
    origin: Origin = "file"
    version: int = 0
    archive: ArchiveSettings = NO_ARCHIVE
    send_windows: WindowSettings = NO_WINDOWS

    @property
    def mark(self) -> str:
        """Another one on each host that has the channel with other settings. Secrets, and how many workers a host has,
        make none."""
        archive = self.archive.url
        own = self.settings.model_dump(mode="json")
        facts = [self.kind and self.kind.name, own, asdict(self.queue), self.rate_per_second, archive]
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()
        return f"{self.origin} {self.version} {digest[:16]}"

    @property
    def is_default(self) -> bool:
        """Whether it is the channel of jobs that name none."""
        return self.name == DEFAULT

    @property
    def carries_files(self) -> bool:
        """Whether files are put here, and no emails are sent."""
        return self.kind is not None and self.kind.carries == "files"
