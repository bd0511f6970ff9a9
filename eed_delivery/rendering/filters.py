"""The filters and operators of our templates that could make a gigabyte out of a line, held in bounds.

Everything here takes the rendering's `Budget` from the context and checks *before* it multiplies. Each filter and each
test goes through one gate, `guarded`. What goes in is weighed, and what comes out is charged, by whatever it is called
(`{{ }}`, `map`, `select`, a filter block). So a filter that Jinja gains is bounded too.
"""

import json
import re
import string
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import wraps
from types import GeneratorType
from typing import Any, cast

from jinja2 import pass_context, pass_eval_context
from jinja2.environment import Environment
from jinja2.filters import do_int, do_map, do_round, do_striptags, do_urlencode, make_attrgetter
from jinja2.nodes import EvalContext
from jinja2.runtime import Context
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup, escape

from eed_delivery.rendering.budget import Budget, TemplateLimit, weight
from eed_delivery.rendering.missing import AN_EXPRESSION, Missing

LEFT_OUT = frozenset(
    {
        *("batch", "center", "indent", "pprint", "slice", "wordwrap", "xmlattr"),  # can make far more than they get
        "urlize",  # its patterns take quadratic time on hostile text
        "random",  # the same email must come out the same when it is sent again
        "attr",  # a second way to attributes; one is enough to guard
    }
)
"""Jinja's own filters that our templates don't have."""

MAX_FORMAT_CHARS = 10_000  # a format such as "%.2f" is a few characters
MAX_ROUND_DIGITS = 100
MAX_NUMBER_BITS = 4096  # far beyond any amount of money; Python writes out at most 4,300 digits
MAX_JSON_INDENT = 16
MAX_STRIPTAGS_CHARS = 100_000  # its time grows with the square of the text's length
MAX_RANGE = 10_000

_WIDE_PERCENT = re.compile(r"[-#0 +]*+(?:\d*+\.)?(?:\*|\d{4,})")
_BRACKET = re.compile(r"[()]")
_WIDE_SPEC = re.compile(r"\d{4,}|[{}]")


class BudgetedContext(Context):
    """A template's context, with the budget of this one rendering, what it has put out so far, and what was missing.

    Jinja's own makes sets and dicts for blocks and imports, which our templates don't have, and an `EvalContext` of its
    own. That takes twice the time. Ours can be shared, because there is no autoescape tag to change it.
    """

    def __init__(
        self, eval_ctx: EvalContext, name: str, names: dict[str, Any], budget: Budget, missing: Missing
    ) -> None:
        self.parent = names
        self.vars = {}
        self.environment = eval_ctx.environment
        self.eval_ctx = eval_ctx
        self.exported_vars = set()
        self.name = name
        self.globals_keys = set()
        self.blocks = {}
        self.budget = budget
        self.missing = missing
        self.pieces: list[str] = []

    def printed(self, value: Any, name: str = AN_EXPRESSION) -> Any:
        """`value` as it is printed. "" for None, which is noted as missing."""
        if value is None:
            self.missing.note(name)
            return ""
        return value


def bounded_range(*args: int) -> range:
    """Jinja's range(), of at most MAX_RANGE items."""
    numbers = range(*args)
    if len(numbers) > MAX_RANGE:
        raise TemplateLimit(f"range() of more than {MAX_RANGE:,} numbers")
    return numbers


def plus(budget: Budget, left: Any, right: Any) -> Any:
    """`left + right` of numbers, text or lists."""
    result = left + right
    budget.made(result)
    return result


def times(budget: Budget, left: Any, right: Any) -> Any:
    """`left * right`. Repeated text and lists, and whole numbers, only up to a bound."""
    for many, count in ((left, right), (right, left)):
        if isinstance(many, (str, list, tuple)) and isinstance(count, int):
            budget.room(weight(many, budget.chars) * max(count, 0))
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() + right.bit_length() > MAX_NUMBER_BITS:
        raise TemplateLimit("a number grows too large")
    result = left * right
    budget.made(result)
    return result


def power(_budget: Budget, left: Any, right: Any) -> Any:
    """`left ** right`. Whole numbers only up to a bound."""
    if isinstance(left, int) and isinstance(right, int) and left.bit_length() * max(right, 1) > MAX_NUMBER_BITS:
        raise TemplateLimit("a number grows too large")
    return left**right


def percent(budget: Budget, left: Any, right: Any) -> Any:
    """`left % right`, the remainder or a format ("%.2f" % amount) with widths of at most three digits."""
    if isinstance(left, str):
        check_percent_format(budget, left, right)
    result = left % right
    budget.made(result)
    return result


def minus(budget: Budget, left: Any, right: Any) -> Any:
    """`left - right` of numbers, or what is in one dict's keys and not in another's."""
    if not isinstance(left, (int, float)):
        budget.taken((left, right))
    result = left - right
    budget.made(result)
    return result


BINARY_OPERATORS: dict[str, Callable[[Budget, Any, Any], Any]] = {
    "+": plus,
    "-": minus,
    "*": times,
    "**": power,
    "%": percent,
}


def check_percent_format(budget: Budget, text: str, values: Any) -> None:
    """Refuses a format whose result could be far longer than its parts."""
    if len(text) > MAX_FORMAT_CHARS or _has_wide_field(text):
        raise TemplateLimit("a format is too long or too wide (widths have at most three digits)")
    _charge_fields(budget, text.count("%"), values)


def _has_wide_field(text: str) -> bool:
    """Whether a field of a % format asks for a width or precision of four digits, or takes one from the values."""
    at = text.find("%")
    while at >= 0:
        at = _end_of_key(text, at + 1)
        if _WIDE_PERCENT.match(text, at):
            return True
        at = text.find("%", at + 1 if text.startswith("%", at) else at)
    return False


def _end_of_key(text: str, at: int) -> int:
    """Behind the key in brackets that begins here, if one does. A key may have brackets within it:
    https://github.com/python/cpython/blob/3.11/Objects/unicodeobject.c (unicode_format_arg_parse)"""
    if not text.startswith("(", at):
        return at
    depth = 0
    for bracket in _BRACKET.finditer(text, at):
        depth += 1 if bracket[0] == "(" else -1
        if not depth:
            return bracket.end()
    return len(text)  # Python refuses it


def check_brace_format(budget: Budget, text: str, values: Any) -> None:
    """The same for "{:,.2f}".format(amount)."""
    fields = list(string.Formatter().parse(text)) if len(text) <= MAX_FORMAT_CHARS else None
    if fields is None or any(_WIDE_SPEC.search(spec or "") for _, _, spec, _ in fields):
        raise TemplateLimit("a format is too long or too wide (widths have at most three digits)")
    _charge_fields(budget, len(fields), values)


def _charge_fields(budget: Budget, fields: int, values: Any) -> None:
    """One field may write all of the values, as "%s" does with a dict."""
    budget.room(fields * (weight(values, budget.chars) + 1000))  # 1000: the widest field of three digits


@pass_context
def format_filter(context: BudgetedContext, value: Any, *args: Any, **kwargs: Any) -> str:
    """Jinja's `format`, as in {{ "%.2f"|format(amount) }}."""
    text = value if isinstance(value, str) else str(value)
    check_percent_format(context.budget, text, kwargs or args)
    return text % (kwargs or args)


@pass_context
def replace_filter(context: BudgetedContext, value: Any, old: Any, new: Any, count: int = -1) -> str:
    """Jinja's `replace`, measured before it is done."""
    text = value if isinstance(value, str) else str(value)
    old, new = str(old), new if isinstance(new, str) else str(new)
    context.budget.room(len(text) + text.count(old) * len(new))
    if context.eval_ctx.autoescape and isinstance(new, Markup) and not isinstance(text, Markup):
        text = escape(text)
    return text.replace(old, new, count)


@pass_context
def join_filter(context: BudgetedContext, value: Any, d: Any = "", attribute: str | int | None = None) -> str:
    """Jinja's `join`, measured as the parts come in. None adds nothing, as in {{ }}."""
    items = value if attribute is None else map(make_attrgetter(context.environment, attribute), value)
    return _measured(context, (context.printed(item, "a part of a list") for item in items), d)


def _measured(context: BudgetedContext, items: Iterable[Any], d: Any) -> str:
    between = weight(d, context.budget.chars)
    parts, chars = [], 0
    for item in items:
        context.budget.step()
        chars += weight(item, context.budget.chars) + between
        context.budget.room(chars)
        parts.append(item)
    return _joined(context.eval_ctx, parts, d)


def _joined(eval_ctx: EvalContext, parts: list[Any], d: Any) -> str:
    if not eval_ctx.autoescape or not any(hasattr(part, "__html__") for part in (*parts, d)):
        return str(d).join(map(str, parts))
    return escape(d).join(parts)


@pass_context
def concat_filter(context: BudgetedContext, parts: list[Any], names: tuple[str, ...]) -> str:
    """`a ~ b ~ c` as text, measured as it comes in. None adds nothing, as in {{ }}."""
    if None in parts:
        parts = [context.printed(part, name) for part, name in zip(parts, names, strict=True)]
    text = _measured(context, parts, "")
    context.budget.made(text)
    return text


@pass_context
def map_filter(context: BudgetedContext, value: Any, *args: Any, **kwargs: Any) -> Iterator[Any]:
    """Jinja's `map`. What it yields is charged, because an attribute's default is no filter's result."""
    for item in do_map(context, value, *args, **kwargs):
        context.budget.step()
        context.budget.made(item)
        yield item


@pass_context
def sum_filter(context: BudgetedContext, iterable: Any, attribute: str | int | None = None, start: Any = 0) -> Any:
    """Jinja's `sum`, of numbers only, because adding lists would take quadratic memory."""
    values = iterable if attribute is None else map(make_attrgetter(context.environment, attribute), iterable)
    if not isinstance(start, (int, float)):
        raise TypeError("sum adds numbers only")
    total = start
    for value in values:
        context.budget.step()
        total += value
    return total


def int_filter(value: Any, default: Any = 0, base: int = 10) -> Any:
    """Jinja's `int`, of numbers that fit in MAX_NUMBER_BITS."""
    number = do_int(value, default, base)
    if isinstance(number, int) and number.bit_length() > MAX_NUMBER_BITS:
        raise TemplateLimit("a number grows too large")
    return number


def round_filter(value: Any, precision: int = 0, method: Any = "common") -> float:
    """Jinja's `round`, to at most MAX_ROUND_DIGITS digits either way."""
    if not isinstance(precision, int) or abs(precision) > MAX_ROUND_DIGITS:
        raise TemplateLimit(f"round takes at most {MAX_ROUND_DIGITS} digits")
    return do_round(value, precision, method)


def urlencode_filter(value: Any) -> str:
    """Jinja's `urlencode`, for text, numbers and dicts."""
    if not isinstance(value, (str, int, float, dict)):
        raise TypeError(f"urlencode takes text, numbers or a dict, not {type(value).__name__}")
    return do_urlencode(value if isinstance(value, (str, dict)) else str(value))


def striptags_filter(value: Any) -> str:
    """Jinja's `striptags`, for text up to MAX_STRIPTAGS_CHARS."""
    if len(str(value)) > MAX_STRIPTAGS_CHARS:
        raise TemplateLimit(f"striptags takes at most {MAX_STRIPTAGS_CHARS:,} characters")
    return do_striptags(value)


@pass_context
def tojson_filter(context: BudgetedContext, value: Any, indent: int | None = None) -> Markup:
    """Jinja's `tojson`, indented by at most MAX_JSON_INDENT blanks a level, and charged while it is made."""
    if indent is not None and (not isinstance(indent, int) or not 0 <= indent <= MAX_JSON_INDENT):
        raise TemplateLimit(f"tojson indents by a number from 0 to {MAX_JSON_INDENT}")
    context.budget.room(weight(value, context.budget.chars))
    pieces = []
    for piece in json.JSONEncoder(sort_keys=True, indent=indent).iterencode(value):
        context.budget.tick()
        context.budget.charge(len(piece))
        pieces.append(piece)
    return htmlsafe_json_dumps(None, dumps=lambda _: "".join(pieces))


def guarded(function: Callable[..., Any], *, makes: bool) -> Callable[..., Any]:
    """A filter or test whose arguments are weighed before it runs. Of a filter (`makes`) the result is charged."""
    kind = getattr(function, "jinja_pass_arg", None)

    @pass_context
    @wraps(function, assigned=("__name__", "__doc__"), updated=())
    def run(context: BudgetedContext, *args: Any, **kwargs: Any) -> Any:
        budget = context.budget
        budget.step()
        for value in args:
            if type(value) not in _LIGHT:
                budget.taken(value)
        if kwargs:
            budget.taken(kwargs)
        if kind is None:
            result = function(*args, **kwargs)
        else:
            result = function(context if kind is _CONTEXT else _other(kind, context), *args, **kwargs)
        return _charged(budget, result) if makes else result

    return run


def _charged(budget: Budget, result: Any) -> Any:
    if type(result) is str:  # nearly all
        budget.charge(len(result))
    elif isinstance(result, GeneratorType):
        return _charged_each(budget, result)
    else:
        budget.made(result)
    return result


def _other(kind: Any, context: BudgetedContext) -> EvalContext | Environment:
    """What Jinja hands to such a function before the template's own arguments, if not the context."""
    return context.eval_ctx if kind is _EVAL_CONTEXT else context.environment


def _charged_each(budget: Budget, items: Iterator[Any]) -> Iterator[Any]:
    """What a filter gives one by one, as `select` and `unique` do."""
    for item in items:
        budget.tick()
        yield item


def _kind_of(mark: Callable[[Callable[..., Any]], Callable[..., Any]]) -> Any:
    def function() -> None: ...

    return mark(function).jinja_pass_arg  # type: ignore[attr-defined]


_LIGHT = frozenset({str, int, bool, float, Markup, type(None)})
"""Nothing of these has to be weighed: text was charged when it was made, and a number is bounded."""
_CONTEXT, _EVAL_CONTEXT = _kind_of(pass_context), _kind_of(pass_eval_context)


def our_tests(environment: Environment) -> Mapping[str, Callable[..., Any]]:
    """Jinja's tests, guarded, because `x is upper` makes text of x, and `x is eq(y)` compares all that is in them."""
    free = ("defined", "undefined")  # they look at no value, and are asked most
    tests = cast(dict[str, Callable[..., Any]], environment.tests)
    return {name: test if name in free else guarded(test, makes=False) for name, test in tests.items()}


def our_filters(environment: Environment) -> dict[str, Callable[..., Any]]:
    """The filters of our templates, which are Jinja's, less LEFT_OUT, with the guarded ones in place."""
    kept = {name: function for name, function in environment.filters.items() if name not in LEFT_OUT}
    ours: dict[str, Callable[..., Any]] = {
        "format": format_filter,
        "int": int_filter,
        "join": join_filter,
        "map": map_filter,
        "replace": replace_filter,
        "round": round_filter,
        "striptags": striptags_filter,
        "sum": sum_filter,
        "tojson": tojson_filter,
        "urlencode": urlencode_filter,
    }
    return {name: guarded(function, makes=True) for name, function in (kept | ours).items()}
