"""An email's variables, from what the source's column held to what its templates may see."""

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from operator import methodcaller
from typing import Any, NoReturn
from uuid import UUID

from eed_delivery.column_values import NoText, Written, template_value
from eed_delivery.errors import RenderError
from eed_delivery.model import OUR_PREFIX, Email

MAX_DEPTH = 50
_is_ours = methodcaller("startswith", OUR_PREFIX)
_TAKEN = "templates take text, numbers, true/false, lists and objects"


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is not a JSON number")


_DECODER = json.JSONDecoder(parse_float=Written, parse_constant=_no_number)  # `json.loads` would make one an email


def variables_of(email: Email) -> dict[str, Any]:
    """What the templates of `email` see, by name.

    The email's variables, and over them the source's mapped columns (`column_values` says what each becomes). Ours
    begin with `eed_`. `email_id`, `job_id` and `recipient_name` are there too, unless the email has its own of that
    name. Values are None, bool, int, float, str, list and dict.
    Raises RenderError, naming the variable, for anything else, and for one of the email's that begins with `eed_`.
    """
    names = _parsed(email.variables)
    for column, value in email.columns.items():
        names[column] = _of_column(value, column)
    for name in filter(_is_ours, names):
        words = f"names that begin with {OUR_PREFIX} are the service's own. Give it another name"
        raise RenderError(f"variable {name!r}: {words}")
    offer(names, "email_id", email.email_id if email.resend_of is None else email.resend_of)
    offer(names, "job_id", email.job_id)
    offer(names, "recipient_name", email.recipient_name)
    return names


def offer(names: dict[str, Any], name: str, value: Any) -> None:
    """Add a value of ours under our prefix, and by its short name where the email has none of its own."""
    names[OUR_PREFIX + name] = value
    if names.get(name) is None:
        names[name] = value


def ours_first(names: Mapping[str, Any]) -> dict[str, Any]:
    """The same names for a template of the operator's own, where the short names of ours mean ours."""
    ours = {name.removeprefix(OUR_PREFIX): value for name, value in names.items() if name.startswith(OUR_PREFIX)}
    return {**names, **ours}


def _of_column(value: Any, name: str) -> Any:
    try:
        return _plain(template_value(value), name, 0)
    except NoText as error:
        raise RenderError(f"variable {name!r} is {error}; {_TAKEN}") from error


def _parsed(variables: Any) -> dict[str, Any]:
    if variables is None or (isinstance(variables, (str, bytes)) and not variables.strip()):
        return {}
    if isinstance(variables, Mapping):
        return {_key(name, "variables"): _plain(value, str(name), 0) for name, value in variables.items()}
    if not isinstance(variables, (str, bytes, bytearray)):
        raise _no_object(variables)
    try:
        decoded = _decoded(variables)
    except (ValueError, RecursionError) as error:
        raise RenderError(f"the variables of this email are not JSON: {_where(error)}") from error
    if not isinstance(decoded, dict):
        raise _no_object(decoded)
    return decoded


def _decoded(variables: str | bytes | bytearray) -> Any:
    if isinstance(variables, str) and not variables.startswith("\ufeff"):
        return _DECODER.decode(variables)
    return json.loads(variables, parse_float=Written, parse_constant=_no_number)


def _where(error: BaseException) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"{error.msg} (line {error.lineno}, column {error.colno})"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start} is not {error.encoding}"
    return "nested too deeply" if isinstance(error, RecursionError) else str(error)[:100]


def _no_object(value: Any) -> RenderError:
    kinds = {list: "a list", str: "a text", bool: "true or false", int: "a number", float: "a number"}
    kind = "null" if value is None else kinds.get(type(value), f"a {type(value).__name__}")
    return RenderError(f'the variables of this email are {kind}, not an object like {{"name": "value"}}')


def _key(key: Any, where: str) -> str:
    if not isinstance(key, str):
        raise RenderError(f"the {where} have a name that is not text, but {type(key).__name__}")
    return key


def _plain(value: Any, name: str, depth: int) -> Any:
    """`value` as a template may have it."""
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (Decimal, UUID, datetime, date, time)):
        return template_value(value)
    if depth >= MAX_DEPTH:
        raise RenderError(f"variable {name!r} is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, Mapping):
        return {_key(key, f"parts of {name!r}"): _plain(part, name, depth + 1) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part, name, depth + 1) for part in value]
    kind = "binary data" if isinstance(value, (bytes, bytearray, memoryview)) else type(value).__name__
    raise RenderError(f"variable {name!r} is {kind}; {_TAKEN}")
