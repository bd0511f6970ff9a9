"""The section `[privacy]`: what is kept of persons, and how long."""

from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator

from eed_delivery.config.formats import mistake
from eed_delivery.config.section import Section

SHORTEST_SECRET = 32
"""Characters. RFC 2104, section 3: a key no shorter than the hash."""

StoreReplies = Literal["masked", "verbatim"]


class PrivacySettings(Section):
    """`secret` is the key of the hashes that stand for erased addresses. `former_secrets`: separated by spaces.
    `finished_job_days` 0: recipients of finished jobs are kept indefinitely."""

    secret: SecretStr | None = None
    former_secrets: SecretStr | None = None
    store_replies: StoreReplies = "masked"
    finished_job_days: Annotated[int, Field(ge=0, le=36_500)] = 0

    @field_validator("secret", "former_secrets")
    @classmethod
    def _not_guessed(cls, given: SecretStr | None) -> SecretStr | None:
        """With the key, anybody can try addresses against the hashes."""
        words = given.get_secret_value().split() if given is not None else []
        if given is not None and min(map(len, words), default=0) < SHORTEST_SECRET:
            what = f"a secret has fewer than {SHORTEST_SECRET} characters"
            raise mistake(what, "Make one with openssl rand -hex 32.")
        return given

    def keys(self) -> list[str]:
        """The secret, then the former ones; empty if there is none."""
        given = [one.get_secret_value() for one in (self.secret, self.former_secrets) if one is not None]
        return " ".join(given).split() if self.secret is not None else []
