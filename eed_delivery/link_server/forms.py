"""What a POST to an unsubscribe address wants."""

from collections.abc import Mapping
from enum import StrEnum
from urllib.parse import parse_qsl
from wsgiref.types import WSGIEnvironment

from multipart import MultipartError, parse_form_data

MAX_FIELDS = 8
MAX_UNTYPED = 1000
"""Octets of a body without a content type: a wish has some thirty."""


class Wish(StrEnum):
    """Who wants to unsubscribe, the mail program's button (RFC 8058) or the form on our page."""

    ONE_CLICK = "one_click"
    FORM = "form"


def wish_in(environ: WSGIEnvironment) -> Wish | None:
    """The wish a POST's body says. None for any other body, however broken.

    RFC 8058, section 3.2: `List-Unsubscribe=One-Click`, as multipart/form-data or application/x-www-form-urlencoded.
    Some mailbox providers send the latter without a content type.
    """
    try:
        fields = _fields(environ)
    except (MultipartError, LookupError, ValueError):  # LookupError: of a charset that is none of text, such as hex
        return None
    if fields.get("List-Unsubscribe", "").strip() == "One-Click":
        return Wish.ONE_CLICK
    return Wish.FORM if fields.get("unsubscribe") == "yes" else None


def _fields(environ: WSGIEnvironment) -> Mapping[str, str]:
    if environ.get("CONTENT_TYPE", "").strip():
        fields, _ = parse_form_data(environ, part_limit=MAX_FIELDS, ignore_errors=False)
        return dict(fields.items())
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length) if 0 < length <= MAX_UNTYPED else b""
    return dict(parse_qsl(body.decode("ascii").strip(), max_num_fields=MAX_FIELDS))
