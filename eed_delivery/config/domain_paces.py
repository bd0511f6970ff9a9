"""`[domains]`: the pace of destination domains."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from eed_delivery.config.formats import mistake
from eed_delivery.config.section import Section
from eed_delivery.destinations import DomainPace, domain_rule

SLOWEST, FASTEST, MOST_AT_ONCE = 0.01, 100_000.0, 10_000


def _rule(text: str) -> str:
    try:
        return domain_rule(text)
    except ValueError as error:
        how = 'Give a domain like "gmail.com", "*.example.com" for all below it, or "*" for each other one.'
        raise mistake(str(error), how) from None


DomainRule = Annotated[str, AfterValidator(_rule)]


class DomainPaceSettings(Section):
    """What may go to a domain, from all hosts and channels together."""

    per_second: Annotated[float, Field(ge=SLOWEST, le=FASTEST, allow_inf_nan=False)] | None = None
    concurrency: Annotated[int, Field(ge=1, le=MOST_AT_ONCE)] | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.per_second is None and self.concurrency is None:
            raise mistake("it has no limit", "Give per_second, concurrency, or both.")
        return self

    def made(self) -> DomainPace:
        """The pace as it counts."""
        return DomainPace(self.per_second, self.concurrency)


def paces_of(domains: Mapping[str, DomainPaceSettings]) -> Mapping[str, DomainPace]:
    """The configured paces, by what they are of."""
    return {name: given.made() for name, given in domains.items()}
