"""The section `[operators]`: the server for people on call and for the API, and who may ask it."""

import re
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, field_validator

from eed_delivery.config.formats import Endpoint, HttpUrl, S3Prefix, host_and_port, is_loopback, mistake
from eed_delivery.config.section import OnDemand, Section

SHORTEST_SECRET = 32
"""Characters. RFC 2104, section 3: a key no shorter than the hash."""

OperatorRoleName = Literal["viewer", "operator", "admin", "auditor"]
ExtraRight = Literal["see_recipients", "see_content"]
RightName = Literal["view", "operate", "admin", "audit", "submit", "nudge", "metrics", "see_recipients", "see_content"]
"""As `access.rights.Right` has them, which a test compares."""
IAM_CALLER = re.compile(r"arn:aws[a-z-]*:iam::[0-9]{12}:(role|user)/[\w+=,.@/-]{1,512}", re.ASCII)
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_identifiers.html"""
WIDEST = {4: 8, 6: 16}
"""Prefix lengths. 10.0.0.0/8 is the widest network that is one's own."""
ALB_HEADER = "X-Amzn-Oidc-Data"


def _network(value: object) -> IPv4Network | IPv6Network:
    try:
        return ip_network(str(value))
    except ValueError:
        raise mistake(f"{value!r} is not an address or a network", "Give one like 10.0.0.0/16.") from None


def _trusted(given: IPv4Network | IPv6Network) -> IPv4Network | IPv6Network:
    if given.prefixlen < WIDEST[given.version]:
        what = f"{given} is as good as every host, and each could invent who asks (X-Forwarded-For)"
        raise mistake(what, "Name the proxies, or their own network.")
    return given


def _origin(text: str) -> str:
    """What a browser sends as Origin (RFC 6454, section 6.1)."""
    parts = urlsplit(text)
    if parts.scheme not in ("https", "http") or not parts.hostname or f"{parts.scheme}://{parts.netloc}" != text:
        raise mistake(f"{text!r} is not an origin", "Give scheme and host only, like https://mail-ops.example.com.")
    if parts.scheme == "http" and not is_loopback(parts.hostname):
        raise mistake(f"people would log in at {text} in clear text", "Give an address that begins with https://.")
    return text


Network = Annotated[IPv4Network | IPv6Network, BeforeValidator(_network), AfterValidator(_trusted)]
Origin = Annotated[str, AfterValidator(_origin)]


class GrantSettings(Section):
    """What a person or a group of the identity provider may do here."""

    role: OperatorRoleName
    rights: tuple[ExtraRight, ...] = ()


class SignOnSettings(Section):
    """The signed header of a proxy that has checked who asks. `people` are by the subject, `groups` by their name."""

    kind: Literal["off", "alb", "jwks"] = "off"
    header: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] = ALB_HEADER
    signer: Annotated[str, Field(pattern=r"^arn:aws[a-z-]*:elasticloadbalancing:[a-z0-9-]+:[0-9]{12}:.+$")] | None = (
        None
    )
    client: str | None = None
    issuer: str | None = None
    audience: str | None = None
    keys_url: HttpUrl | None = None
    groups_claim: str = "groups"
    people: dict[str, GrantSettings] = {}  # noqa: RUF012 - pydantic copies it
    groups: dict[str, GrantSettings] = {}  # noqa: RUF012


class IamGrantSettings(Section):
    """What callers of an IAM role or user may do here. No `scopes`: all rights of the role."""

    role: OperatorRoleName
    scopes: tuple[RightName, ...] = ()


def _iam_callers(given: dict[str, IamGrantSettings]) -> dict[str, IamGrantSettings]:
    for arn in given:
        if not IAM_CALLER.fullmatch(arn):
            remedy = "Give one like arn:aws:iam::123456789012:role/delivery-server."
            raise mistake(f"{arn!r} is no ARN of an IAM role or user", remedy)
    return given


class OperatorsSettings(Section):
    """The server of the role `operators`. `trusted_proxy` are the only hosts but this one that may connect."""

    listen: Endpoint | None = None
    trusted_proxy: tuple[Network, ...] = ()
    public_origin: Origin | None = None
    secret: SecretStr | None = None
    threads: Annotated[int, Field(ge=1, le=64)] = 8
    session_idle_seconds: Annotated[int, Field(ge=60, le=86_400)] = 900
    session_max_seconds: Annotated[int, Field(ge=60, le=86_400)] = 28_800
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 600
    reports_directory: Path | None = None
    reports_max_bytes: Annotated[int, Field(ge=1_000_000)] = 10_000_000_000
    second_person: tuple[Literal["resend_doubts", "cancel", "resume_unwatched", "unsuppress_complaints"], ...] = ()
    cancel_alone_max: Annotated[int, Field(ge=0)] = 1000
    submit_s3: tuple[S3Prefix, ...] = ()
    iam_callers: Annotated[dict[str, IamGrantSettings], AfterValidator(_iam_callers)] = {}  # noqa: RUF012 - pydantic copies it
    sign_on: OnDemand[SignOnSettings] = SignOnSettings.left_out()

    @field_validator("secret")
    @classmethod
    def _not_guessed(cls, given: SecretStr | None) -> SecretStr | None:
        if given is not None and len(given.get_secret_value()) < SHORTEST_SECRET:
            what = f"it has fewer than {SHORTEST_SECRET} characters"
            raise mistake(what, "Make one with openssl rand -hex 32.")
        return given

    def place(self) -> tuple[str, int]:
        """Host and port of `listen`, which must be set."""
        return host_and_port(self.listen or "")

    @property
    def origin(self) -> str:
        """Where browsers reach the pages."""
        return self.public_origin or f"http://{self.listen}"
