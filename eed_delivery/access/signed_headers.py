"""The signed header of a proxy that has logged a person in. It counts only with all of its checks.

AWS's load balancer: https://docs.aws.amazon.com/elasticloadbalancing/latest/application/listener-authenticate-users.html.
Its token has no `aud`. Anybody can have a load balancer sign a token, so the signer must be ours.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import jwt
from jwt.exceptions import PyJWTError
from jwt.types import Options

from eed_delivery.access.rights import GrantedRights, granted
from eed_delivery.access.signed_persons import LONGEST_NAME, NotSigned, SignedPerson
from eed_delivery.access.signing_keys import NoKey
from eed_delivery.config import GrantSettings, SignOnSettings

LONGEST_TOKEN = 16_384
LEEWAY_SECONDS = 30
LONGEST_SUBJECT = 255
"""Approvals keep the whole of it. Two people whose subjects were cut to the same would be one."""
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ANY_ALGORITHM = ("ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "EdDSA")
"""Asymmetric ones only: a published key must never be taken for a shared secret."""
READABLE = ("email", "preferred_username", "name")


class SigningKeys(Protocol):
    """Where keys come from."""

    def key(self, kid: str) -> Any:
        """The public key of an id. Raises `NoKey`."""
        ...


class SignedHeader:
    """Checks one proxy's header."""

    def __init__(self, settings: SignOnSettings, keys: SigningKeys) -> None:
        self.name = settings.header
        self._settings = settings
        self._keys = keys
        read: Mapping[str, Callable[[str], Mapping[str, Any]]] = {"alb": self._of_alb, "jwks": self._of_jwks}
        self._read = read[settings.kind]

    def person(self, token: str) -> SignedPerson:
        """Who the token says. `granted` is None for a person without a role here. Raises `NotSigned`."""
        if len(token) > LONGEST_TOKEN:
            raise NotSigned("the token is too long")
        try:
            claims = self._read(token)
        except (PyJWTError, TypeError, ValueError) as error:  # TypeError: its alg is of another kind of key
            raise NotSigned(str(error)) from error
        except NoKey as error:
            raise NotSigned("the key that it names cannot be had") from error
        subject = claims["sub"]
        readable = next((text for name in READABLE if isinstance(text := claims.get(name), str) and text), subject)
        return SignedPerson(subject, readable[:LONGEST_NAME], self._granted(subject, claims))

    def _of_alb(self, token: str) -> Mapping[str, Any]:
        """The checks come before the key's address is made: a `kid` is text of the sender."""
        header = jwt.get_unverified_header(token)
        settings = self._settings
        wanted = {"alg": "ES256", "signer": settings.signer, "client": settings.client, "iss": settings.issuer}
        for name, value in wanted.items():
            if header.get(name) != value:
                raise NotSigned(f"its {name} is another one")
        kid = header.get("kid")
        if not isinstance(kid, str) or not UUID.fullmatch(kid):
            raise NotSigned("its kid is no UUID")
        key = self._keys.key(kid)
        required: Options = {"require": ["exp", "iss", "sub"], "verify_aud": False}
        return self._decoded(token, key, ("ES256",), required, issuer=settings.issuer)

    def _of_jwks(self, token: str) -> Mapping[str, Any]:
        header = jwt.get_unverified_header(token)
        kid = header.get("kid")
        if not isinstance(kid, str):
            raise NotSigned("it names no key")
        settings = self._settings
        required: Options = {"require": ["exp", "iss", "aud", "sub"]}
        named = {"issuer": settings.issuer, "audience": settings.audience}
        return self._decoded(token, self._keys.key(kid), ANY_ALGORITHM, required, **named)

    def _decoded(
        self, token: str, key: Any, algorithms: tuple[str, ...], options: Options, **named: Any
    ) -> Mapping[str, Any]:
        claims: Mapping[str, Any] = jwt.decode(
            token, key, algorithms=list(algorithms), options=options, leeway=LEEWAY_SECONDS, **named
        )
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise NotSigned("its sub is no text")
        if len(claims["sub"]) > LONGEST_SUBJECT:
            raise NotSigned(f"its sub is longer than {LONGEST_SUBJECT} characters")
        return claims

    def _granted(self, subject: str, claims: Mapping[str, Any]) -> GrantedRights | None:
        """By the subject, else by the first group of the configuration that the person is in."""
        found: GrantSettings | None = self._settings.people.get(subject)
        given = claims.get(self._settings.groups_claim)
        groups = {given} if isinstance(given, str) else set(map(str, given)) if isinstance(given, list) else set()
        if found is None:
            found = next((grant for name, grant in self._settings.groups.items() if name in groups), None)
        return None if found is None else granted(found.role, found.rights)
