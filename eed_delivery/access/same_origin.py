"""Whether a request that changes something comes from our own pages, by what the browser says of it.

https://www.w3.org/TR/fetch-metadata/. Browsers send `Sec-Fetch-Site` over https and to this host only. Elsewhere
`Origin` is compared with the configured origin, never with `Host`, which a page can choose (DNS rebinding).
"""

from typing import Protocol

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class GivenHeaders(Protocol):
    """The headers of a request, whose names have no case."""

    def get(self, name: str, /) -> str | None:
        """The value of one. None if it is not there."""
        ...


def is_foreign(method: str, headers: GivenHeaders, origin: str) -> bool:
    """Whether another site's page may have made the request. A client that is no browser sends neither header."""
    if method in SAFE_METHODS:
        return False
    site, given = headers.get("Sec-Fetch-Site"), headers.get("Origin")
    if site is not None:
        return site not in ("same-origin", "none")
    return given is not None and given != origin
