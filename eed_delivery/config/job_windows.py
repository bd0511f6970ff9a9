"""A job's own windows, as its row in the source has them."""

import json

from pydantic import ValidationError

from eed_delivery.config.problems import mistakes_of
from eed_delivery.config.send_windows import WindowSettings
from eed_delivery.send_windows.rules import SendWindows


def windows_of_job(text: str) -> SendWindows:
    """Windows in JSON: a list of them, or a table with `open` and `excluded`. Raises ValueError in words."""
    try:
        given = json.loads(text)
    except (ValueError, RecursionError):  # thousands of brackets in each other
        raise ValueError("it is not JSON") from None
    table = given if isinstance(given, dict) else {"open": given}
    try:
        found = WindowSettings.model_validate(table)
    except ValidationError as error:
        key, what, remedy = next(mistakes_of(error, WindowSettings))
        raise ValueError(f"{'.'.join(key)}: {what}. {remedy}".removeprefix(": ")) from None
    if not found.open:
        raise ValueError("it has no window")
    return found.made()
