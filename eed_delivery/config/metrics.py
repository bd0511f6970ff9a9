"""The section `[metrics]`: what the service measures of itself."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from eed_delivery.config.formats import HttpUrl, mistake
from eed_delivery.config.section import Section


class MetricsSettings(Section):
    """`directory` is where the processes of a host keep their metrics. `cloudwatch` is how figures of the ledger get
    there each minute, from one host: by the log (`log`), by calls of PutMetricData (`api`), or not at all (`off`)."""

    directory: Path | None = None
    cloudwatch: Literal["off", "log", "api"] = "off"
    cloudwatch_namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/#:-]{1,255}$")] = "eed-delivery"
    cloudwatch_endpoint_url: HttpUrl | None = None

    @field_validator("directory")
    @classmethod
    def _absolute(cls, given: Path | None) -> Path | None:
        if given is not None and not given.is_absolute():
            raise mistake(f"{str(given)!r} is not an absolute path", "Give one like /run/eed-delivery/metrics.")
        return given
