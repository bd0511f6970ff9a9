"""The section `[metrics]`: what the service measures of itself."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from eed_delivery.config.formats import mistake
from eed_delivery.config.section import Section


class MetricsSettings(Section):
    """`directory` is where the processes of a host keep their metrics. `emf` has one host log figures for CloudWatch
    each minute, in `emf_namespace`."""

    directory: Path | None = None
    emf: bool = False
    emf_namespace: Annotated[str, Field(pattern=r"^[A-Za-z0-9._/#:-]{1,255}$")] = "eed-delivery"

    @field_validator("directory")
    @classmethod
    def _absolute(cls, given: Path | None) -> Path | None:
        if given is not None and not given.is_absolute():
            raise mistake(f"{str(given)!r} is not an absolute path", "Give one like /run/eed-delivery/metrics.")
        return given
