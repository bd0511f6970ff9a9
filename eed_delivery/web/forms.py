"""What a POST to an unsubscribe address wants."""

from enum import StrEnum
from wsgiref.types import WSGIEnvironment

from multipart import MultipartError, parse_form_data

MAX_FIELDS = 8


class Wish(StrEnum):
    """Who wants to unsubscribe: the mail program's button (RFC 8058), or the form on our page."""

    ONE_CLICK = "one_click"
    FORM = "form"


def wish_in(environ: WSGIEnvironment) -> Wish | None:
    """The wish a POST's body says; None for any other body, however broken.

    RFC 8058, section 3.2: `List-Unsubscribe=One-Click`, as multipart/form-data or application/x-www-form-urlencoded.
    """
    try:
        fields, _ = parse_form_data(environ, part_limit=MAX_FIELDS, ignore_errors=False)
    except (MultipartError, UnicodeError):
        return None
    if fields.get("List-Unsubscribe", "").strip() == "One-Click":
        return Wish.ONE_CLICK
    return Wish.FORM if fields.get("unsubscribe") == "yes" else None
