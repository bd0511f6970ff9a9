"""An act from a page: a confirmation page that asks, the operation, and the page to look at then.

Nothing here needs a script. What a person typed is kept when something is missing, or when another person has changed
the same thing meanwhile.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from flask import Response, request

from eed_delivery.console.asking import address_now
from eed_delivery.console.rendering import Crumb, page, see_other
from eed_delivery.operations.deciding import JobChanged
from eed_delivery.operations.jobs import ActReport
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operators.problems import sentence

REASON_LENGTH = 400
VERSION = "version"
"""The hidden field with what the person has seen."""


@dataclass(frozen=True, slots=True)
class FormField:
    """A field of a form. `kind` is an input's type, `textarea`, `checkbox` or `select` with `choices` (value, text).
    `must_be` is what has to be typed to show that it is meant."""

    name: str
    label: str
    hint: str = ""
    kind: str = "text"
    value: str = ""
    required: bool = True
    length: int = 400
    choices: Sequence[tuple[str, str]] = ()
    must_be: str = ""
    autocomplete: str = "off"


@dataclass(frozen=True, slots=True)
class FormError:
    """What is wrong. `field` is the name of its field, "" if it is about the whole."""

    field: str
    what: str


REASON = FormField("reason", "Reason", "It is kept in the audit, and shown to everybody.", length=REASON_LENGTH)


@dataclass(frozen=True, slots=True)
class Confirmation:
    """The page that asks. `title` says the act and its number: "Cancel job 42, with 1,192 unsent emails?"

    `what` are sentences about what will happen, `warning` is what cannot be undone. `version` is what the person sees
    here, and `acts` are the last ones on the same thing. `back` is the page to look at if nothing is done."""

    title: str
    what: Sequence[str]
    button: str
    back: Crumb
    fields: Sequence[FormField] = (REASON,)
    warning: str = ""
    version: str = ""
    acts: Sequence[ActReport] = ()
    crumbs: Sequence[Crumb] = ()


@dataclass(frozen=True, slots=True)
class ActDone:
    """What was done, in a sentence, and the page that shows it."""

    message: str
    path: str


def confirmed(ask: Callable[[], Confirmation], act: Callable[[Mapping[str, str]], ActDone]) -> Response:
    """A GET asks, a POST acts. `ask` looks at the present state. `act` gets the fields by their names, and the version
    that was seen as `version`. Each may raise what operations raise.

    A `JobChanged` of the act asks anew, with the state as it is now, and says that it has changed (412)."""
    if request.method != "POST":
        return asked(ask())
    given = {name: value.strip() for name, value in request.form.items()}
    asking = ask()
    errors = form_errors(asking.fields, given)
    if errors:
        return asked(asking, given, errors, 422)
    try:
        done = act({VERSION: "", **given})
    except JobChanged:
        what = "It has changed since you looked at it, and nothing was done. This is how it stands now."
        return asked(ask(), given, [FormError("", what)], 412)
    except InvalidRequest as error:
        name = error.which if error.which in {field.name for field in asking.fields} else ""
        return asked(asking, given, [FormError(name, sentence(error.what))], 422)
    return see_other(done.path, done.message)


def asked(
    asking: Confirmation, given: Mapping[str, str] | None = None, errors: Sequence[FormError] = (), status: int = 200
) -> Response:
    """The page that asks."""
    return page(
        "confirm.html",
        title=asking.title,
        crumbs=(*asking.crumbs, asking.back),
        status=status,
        asking=asking,
        action=address_now(),
        given=given or {field.name: field.value for field in asking.fields},
        errors=errors,
    )


def form_errors(fields: Sequence[FormField], given: Mapping[str, str]) -> list[FormError]:
    """What is missing or too long, field by field."""
    return [FormError(field.name, what) for field in fields if (what := _wrong(field, given.get(field.name, "")))]


def _wrong(field: FormField, value: str) -> str:
    if value and field.choices and value not in [choice for choice, _ in field.choices]:
        return f"{field.label}: choose one of the list."
    if field.must_be and value != field.must_be:
        return f"Type {field.must_be} to confirm."
    if field.required and not value:
        return f"Enter: {field.label.lower()}."
    if len(value) > field.length:
        return f"{field.label}: at most {field.length} characters. These are {len(value)}."
    return ""
