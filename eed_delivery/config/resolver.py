"""The section `[resolver]`: the log of a relay on this host, which settles emails in doubt."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from eed_delivery.config.formats import mistake
from eed_delivery.config.section import Section
from eed_delivery.config.send_windows import ZoneName

JOURNAL = "journal:"
_UNIT = re.compile(r"[A-Za-z0-9:_.@\\*-]{1,255}")


def _log(given: str) -> str:
    if given.startswith(JOURNAL) and _UNIT.fullmatch(given.removeprefix(JOURNAL)):
        return given
    if Path(given).is_absolute():
        return given
    raise mistake(
        f"{given!r} is neither an absolute path nor a unit of the journal",
        "Give a file like /var/log/mail.log, or journal:postfix@-.service.",
    )


class ResolverSettings(Section):
    """`log` is a file, or a unit of the journal. None: there is no resolver. `zone` is of times that name none.
    `sole_relay`: all hosts hand all emails of SMTP channels to the relay of this log."""

    log: Annotated[str, AfterValidator(_log)] | None = None
    zone: ZoneName = "UTC"
    sole_relay: bool = False
    interval_seconds: Annotated[float, Field(ge=0.1, le=30)] = 5.0

    @property
    def unit(self) -> str | None:
        """Of the journal. None for a file."""
        is_unit = self.log is not None and self.log.startswith(JOURNAL)
        return self.log.removeprefix(JOURNAL) if is_unit and self.log else None
