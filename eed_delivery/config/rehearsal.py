"""The section `[rehearsal]`: with whose rights jobs are rehearsed, and what is found in them."""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, SecretStr, field_validator

from eed_delivery.config.database_address import UnusableUrl
from eed_delivery.config.database_url import parse_database_url
from eed_delivery.config.formats import mistake
from eed_delivery.config.section import Section

AcceptedFinding = Literal[
    "placeholder",
    "empty_greeting",
    "empty_value",
    "link",
    "duplicate_recipient",
    "suppressed",
]
MOST_PROCESSES = 64


def _lower(given: Any) -> Any:
    return given.strip().lower() if isinstance(given, str) else given


KnownHost = Annotated[str, BeforeValidator(_lower), Field(pattern=r"^\.?[a-z0-9_-]+(\.[a-z0-9_-]+)*$", max_length=253)]
SampleRecipient = Annotated[
    str, BeforeValidator(_lower), Field(pattern=r"^[^@\s<>\"]*@[a-z0-9-]+(\.[a-z0-9-]+)*$", max_length=254)
]


class RehearsalSettings(Section):
    """`database_url` is a user without write rights on the source. `read_as_service`: the service's own user may read,
    though it can write. `processes` = 0 is one a core. `attachment_seconds` is how long reading one may take.

    `known_hosts` are hosts that links may go to, `.example.com` those below it. None: any host. `common_files` are
    enclosures that different recipients may share, by SHA-256 or by name. `accepted` are kinds of findings that leave
    a job clean. What would fail, or is red, never does. `sample_recipients` are the addresses that samples may be sent
    to, or @example.com for a domain.
    """

    database_url: SecretStr | None = None
    read_as_service: bool = False
    processes: Annotated[int, Field(ge=0, le=MOST_PROCESSES)] = 0
    attachment_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0
    known_hosts: tuple[KnownHost, ...] = ()
    common_files: tuple[Annotated[str, Field(min_length=1, max_length=255)], ...] = ()
    sample_recipients: tuple[SampleRecipient, ...] = ()
    accepted: tuple[AcceptedFinding, ...] = ("suppressed",)

    @field_validator("database_url")
    @classmethod
    def _usable(cls, url: SecretStr | None) -> SecretStr | None:
        if url is None:
            return None
        try:
            parse_database_url(url.get_secret_value())
        except UnusableUrl as error:
            raise mistake(error.what, error.remedy) from None
        return url
