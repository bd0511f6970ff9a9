"""What a page's address asks for. An unknown parameter is refused, because a mistyped filter would find everything."""

from collections.abc import Collection, Mapping
from datetime import date, datetime, time
from urllib.parse import quote, urlencode

from flask import request

from eed_delivery.operators.problems import HttpProblem


def asked_for(known: Collection[str]) -> dict[str, str]:
    """The parameters, "" where one is missing. Raises `HttpProblem` for others."""
    refuse_others(known)
    return {name: request.args.get(name, "").strip() for name in known}


def refuse_others(known: Collection[str]) -> None:
    """Raises `HttpProblem` where the address has other parameters."""
    others = [name for name in request.args if name not in known]
    if others:
        errors = [{"pointer": f"/{name}", "detail": f"There is no such parameter: {name}"} for name in others]
        raise HttpProblem(422, "invalid", "The address of this page does not fit.", errors=errors)


def unusable(name: str, detail: str) -> HttpProblem:
    """The error about a parameter that is missing or has no meaning."""
    errors = [{"pointer": f"/{name}", "detail": detail}]
    return HttpProblem(422, "invalid", "The address of this page does not fit.", errors=errors)


def day(text: str) -> datetime | None:
    """The beginning of a day in UTC. None for "". Raises ValueError."""
    return datetime.combine(date.fromisoformat(text), time()) if text else None


def address_of(path: str, given: Mapping[str, str | None]) -> str:
    """A page's address with those parameters that are given."""
    query = urlencode({name: value for name, value in given.items() if value})
    return f"{path}?{query}" if query else path


def address_now() -> str:
    """The address that is asked for, with its parameters. A form that acts on what they name goes to it."""
    query = urlencode(list(request.args.items(multi=True)))
    path = quote(request.path)
    return f"{path}?{query}" if query else path
