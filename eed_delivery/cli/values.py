"""Kinds of arguments that the rules of `operations` check. What they refuse is a mistake in the command line."""

from collections.abc import Callable

import click

from eed_delivery.operations import values
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.text_files.reading import encoding_name


def _checked(check: Callable[[str], str], value: str) -> str:
    try:
        return check(value)
    except InvalidRequest as error:
        raise click.BadParameter(str(error)) from error


def text(value: str) -> str:
    """A reason in one line."""
    return _checked(values.reason, value)


def address(value: str) -> str:
    """An address that an email can go to."""
    return _checked(values.address, value)


def listed_address(value: str) -> str:
    """An address that can be on the suppression list."""
    return _checked(values.listed_address, value)


def domain(value: str) -> str:
    """A domain, with or without what stands before it."""
    return _checked(values.domain, value)


def category(value: str) -> str:
    """The name of a category."""
    return _checked(values.category, value)


def encoding(value: str) -> str:
    """An encoding of text, by Python's name for it."""
    return _checked(encoding_name, value)
