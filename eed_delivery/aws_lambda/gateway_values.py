"""Values of an event of API Gateway, each of the type that it should have, and as WSGI takes it."""

import base64
import binascii
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_AS_THEY_ARE = "%/:@!$&'*+(),;=-._~ \"<>[]\\^`{|}?#"
"""ASCII of a path that `quote` leaves."""


class NoRequest(Exception):
    """The event is no request of API Gateway, or one that is malformed. The text says why, and quotes nothing."""


class OtherRoute(NoRequest):
    """The path is not of the route that the gateway let in."""


def mapping(value: Any, what: str) -> Mapping[str, Any]:
    """An object. Raises `NoRequest`."""
    if not isinstance(value, Mapping):
        raise NoRequest(f"{what} is no object")
    return value


def text(value: Any, what: str) -> str:
    """A text. Raises `NoRequest`."""
    if not isinstance(value, str):
        raise NoRequest(f"{what} is no text")
    return value


def texts(value: Any, what: str) -> list[str]:
    """A list of texts, with one at least. Raises `NoRequest`."""
    if not isinstance(value, list) or not value:
        raise NoRequest(f"the values of {what} are no list")
    return [text(one, f"the value of {what}") for one in value]


def optional(value: Any) -> str | None:
    """A text that says something. None for all else, as the gateway writes null for what it does not know."""
    return value if isinstance(value, str) and value else None


def latin(value: str) -> str:
    """As WSGI has it: octets as characters (PEP 3333). A line cannot end within a header. Raises `NoRequest`."""
    if any(letter in value for letter in "\r\n\0"):
        raise NoRequest("a header has the end of a line in it")
    return value.encode("utf-8", "replace").decode("latin-1")


def ascii_only(value: str) -> str:
    """Octets beyond ASCII are escaped, and what is escaped stays."""
    return quote(value.encode("utf-8", "replace"), safe=_AS_THEY_ARE)


def without_halves(value: str) -> str:
    """Text without halves of surrogate pairs, which JSON can have and UTF-8 cannot."""
    return value.encode("utf-8", "replace").decode()


def body(event: Mapping[str, Any]) -> dict[str, Any]:
    """The body in Base64, whatever it came in. Raises `NoRequest`."""
    given, encoded = event.get("body"), event.get("isBase64Encoded", False)
    if not isinstance(encoded, bool):
        raise NoRequest("isBase64Encoded is neither true nor false")
    written = "" if given is None else text(given, "body")
    if not encoded:
        octets = written.encode("utf-8", "replace")
    else:
        try:
            octets = base64.b64decode(written, validate=True)
        except (binascii.Error, ValueError) as error:
            raise NoRequest("its body is no base64") from error
    return {"body": base64.b64encode(octets).decode(), "isBase64Encoded": True}
