"""What checks the signed header of a proxy that logs people in."""

from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError

from eed_delivery.access.signed_headers import SignedHeader
from eed_delivery.access.signing_keys import FETCH_SECONDS, Fetch, JwksKeys, PemKeys
from eed_delivery.config import SignOnSettings

LARGEST_KEYS = 262_144
"""Bytes of a set of keys."""


def signed_header(sign_on: SignOnSettings, fetch: Fetch) -> SignedHeader:
    """The checks of the proxy's header."""
    if sign_on.kind == "jwks":
        return SignedHeader(sign_on, JwksKeys(sign_on.keys_url or "", fetch))
    region = (sign_on.signer or "").split(":")[3]
    base = sign_on.keys_url or f"https://public-keys.auth.elb.{region}.amazonaws.com"
    return SignedHeader(sign_on, PemKeys(base, fetch))


def fetched(url: str) -> bytes:
    """What is at an address. Raises OSError."""
    try:
        answer = _pool().request(
            "GET", url, timeout=Timeout(total=FETCH_SECONDS), retries=False, redirect=False, preload_content=False
        )
        try:
            if answer.status != 200:
                raise OSError(f"{url} answers {answer.status}")
            return answer.read(LARGEST_KEYS)
        finally:
            answer.release_conn()
    except HTTPError as error:
        raise OSError(f"{url} cannot be fetched: {error}") from error


def _pool() -> PoolManager:
    return PoolManager(num_pools=1)
