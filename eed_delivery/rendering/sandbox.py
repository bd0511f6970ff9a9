"""Jinja2's immutable sandbox, made safe to run with untrusted templates by bounds on what it reads, makes and does.

Jinja's own sandbox keeps a template away from Python's insides. It does not keep one from making a gigabyte of text, so
the parsed template is rewritten here before it is compiled. Loops are counted, and what filters, slices, `~` and list
literals make is charged. What is compared is weighed, and tags that reach for other templates are refused.

The output, all text made on the way, lists, loops, calls, recursion, nesting, numbers, and CPU time between two steps
are bounded. The time of one single step inside the interpreter (comparing two large lists, say) is not. What it
works on is weighed before, which bounds it to a few seconds, and the clock is looked at before the next one.
"""

import re
from collections.abc import Callable, Mapping
from types import BuiltinMethodType
from typing import Any, cast

from jinja2 import StrictUndefined, nodes, pass_context
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import TemplateRuntimeError, TemplateSyntaxError
from jinja2.runtime import Context, LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace, missing
from jinja2.visitor import NodeTransformer
from markupsafe import Markup, escape

from eed_delivery.rendering.budget import Counted, weight
from eed_delivery.rendering.filters import (
    BINARY_OPERATORS,
    BudgetedContext,
    bounded_range,
    check_brace_format,
    concat_filter,
    our_filters,
    our_tests,
)
from eed_delivery.rendering.missing import AN_EXPRESSION, NUMBER_FILTERS, TEXT_FILTERS, name_of

_STR_METHODS = """
    capitalize casefold count endswith find format index isalnum isalpha isascii isdecimal isdigit islower isnumeric
    isspace istitle isupper lower lstrip partition removeprefix removesuffix rfind rindex rpartition rsplit rstrip
    split splitlines startswith strip swapcase title upper
"""
STR_METHODS = frozenset(_STR_METHODS.split())
"""Not here, because they multiply text: center, expandtabs, join, ljust, replace, rjust, translate, zfill,
format_map."""
DICT_METHODS = frozenset({"get", "items", "keys", "values"})
LIST_METHODS = frozenset({"count", "index"})
NUMBER_METHODS = frozenset({"is_integer"})
_LOOP_ATTRIBUTES = "changed cycle depth depth0 first index index0 last length nextitem previtem revindex revindex0"
LOOP_ATTRIBUTES = frozenset(_LOOP_ATTRIBUTES.split())
MACRO_ATTRIBUTES = frozenset({"arguments", "caller", "catch_kwargs", "catch_varargs", "name"})
METHODS: tuple[tuple[type | tuple[type, ...], frozenset[str]], ...] = (
    (str, STR_METHODS),
    (dict, DICT_METHODS),
    ((list, tuple), LIST_METHODS),
    ((int, float), NUMBER_METHODS),
    (LoopContext, LOOP_ATTRIBUTES),
    (Macro, MACRO_ATTRIBUTES),
)
"""What templates may ask of Python's and Jinja's own objects. Of any other (a generator, a dict's view) nothing."""

MAX_NODES = 20_000
"""Of a parsed template: names, tags, texts, operators. Compiling this many takes 2 to 3 s. A usual template has 200."""

REFUSED_TAGS: Mapping[type[nodes.Node], str] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from … import",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.ScopedEvalContextModifier: "autoescape",
}
_MARKS = re.compile("[&<>'\"]")  # what markupsafe.escape changes
_PIECES = "context.pieces"  # as compiled templates call it
_LOOP, _CHARGE, _CONCAT, _TAKE = "counted loop", "charged value", "joined parts", "taken value"
_PRINT, _LOOK = "printed value", "looked-at value"
_HIDDEN = frozenset({_LOOP, _CHARGE, _CONCAT, _TAKE, _PRINT, _LOOK})
"""Filters that only the rewritten template has. The blank keeps them out of a template's reach."""


class MissingVariable(StrictUndefined):
    """A name that the email doesn't have. Any use of it fails the email, with words for a support person."""

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"variable {self._undefined_name!r} is not given for this email"
        kind = "an object" if isinstance(self._undefined_obj, dict) else f"a {type(self._undefined_obj).__name__}"
        return f"{self._undefined_name!r} is not in {kind} of this email's variables"


class _Output(CodeGenerator):
    """How a template puts out. A run of texts and values at a time goes into `context.pieces`, where Jinja yields each.

    After each run it yields, so that the caller can check the result so far. For HTML it is one call of ours for
    Jinja's two, of which `escape` took longer than all else.
    """

    def visit_Output(self, node: nodes.Output, frame: Frame) -> None:  # noqa: N802 - the visitor's name for it
        if frame.buffer is not None:  # in a macro or a set block
            super().visit_Output(node, frame)
            return
        frame.buffer = _PIECES
        super().visit_Output(node, frame)
        frame.buffer = None
        self.writeline("yield")

    def start_write(self, frame: Frame, node: nodes.Node | None = None) -> None:
        """For what a filter block or a call block gives, as if it stood in {{ }}, because Jinja puts out anything
        unchanged.

        In HTML that would be a way in, because striptags takes escapes away, and a call need not be one of a macro.
        """
        self.writeline(f"{frame.buffer or _PIECES}.append(", node)
        self.write("environment.escaped(context, " if frame.eval_ctx.autoescape else "environment.written(context, ")

    def end_write(self, frame: Frame) -> None:
        """The end of what `start_write` began."""
        self.write("))")
        if frame.buffer is None:
            self.writeline("yield")

    def _output_child_pre(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        if frame.eval_ctx.autoescape and not frame.eval_ctx.volatile:
            self.write("(environment.escaped(context, ")  # two brackets: Jinja closes its own two
        else:
            super()._output_child_pre(node, frame, finalize)

    def _output_child_post(self, node: nodes.Expr, frame: Frame, finalize: Any) -> None:
        """With the name of what is printed as a last argument, for the case that it has no value."""
        if not isinstance(node, nodes.MarkSafeIfAutoescape):  # the template's own text
            self.write(f", {name_of(node)!r}")
        super()._output_child_post(node, frame, finalize)


class Sandbox(ImmutableSandboxedEnvironment):
    """The one environment of all templates. `autoescape` decides by template name. Safe to share between threads."""

    code_generator_class = _Output
    intercepted_binops = frozenset(BINARY_OPERATORS)

    def __init__(self, autoescape: Callable[[str | None], bool]) -> None:
        super().__init__(
            autoescape=autoescape,
            undefined=MissingVariable,
            finalize=_written,
            optimized=False,  # folding constants would run filters while compiling, without a budget
            cache_size=0,
        )
        hidden = {_LOOP: _counted, _CHARGE: _charged, _CONCAT: concat_filter, _TAKE: _taken}
        self.filters = {**our_filters(self), **hidden, _PRINT: _printed, _LOOK: _looked_at}
        self.tests = {**our_tests(self)}
        self.globals = {"range": bounded_range, "namespace": self.globals["namespace"]}

    @staticmethod
    def escaped(context: BudgetedContext, value: Any, name: str = AN_EXPRESSION) -> str:
        """What {{ }} writes into HTML. Nearly all values have nothing to escape, and pass unchanged."""
        kind = type(value)
        if kind is str:
            context.budget.charge(len(value))
            return value if _MARKS.search(value) is None else escape(value)
        return escape(_written(context, value, name))

    @staticmethod
    def written(context: BudgetedContext, value: Any) -> str:
        """What a block writes into text."""
        return str(_written(context, value))

    def call_filter(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """A filter that a template names as text, as in map("upper"). There a blank would reach the hidden ones."""
        if name in _HIDDEN:
            raise TemplateRuntimeError(f"No filter named {name!r}.")
        return super().call_filter(name, *args, **kwargs)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """`order.items` is the email's own "items", if it has one, before it is Python's method of that name."""
        if type(obj) is dict and attribute in obj:
            return obj[attribute]
        return super().getattr(obj, attribute)

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Only what is named above, and what a template has put into a namespace."""
        for kind, methods in METHODS:
            if isinstance(obj, kind):
                return attr in methods
        return isinstance(obj, Namespace) and super().is_safe_attribute(obj, attr, value)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """`+ * ** %`, with the budget."""
        budget = cast(BudgetedContext, context).budget
        budget.step()
        return BINARY_OPERATORS[operator](budget, left, right)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """str.format is refused here and given back, measured, by `call`, because only there is the budget known."""
        safe = super().wrap_str_format(value)
        return None if safe is None or value.__name__ != "format" else _BraceFormat(value.__self__, safe)

    def call(__self, __context: Context, __obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: N805 - as Jinja's
        """A call is a step. What goes in and what comes out is weighed."""
        budget = cast(BudgetedContext, __context).budget
        budget.step()
        budget.taken((args, kwargs))
        if isinstance(__obj, BuiltinMethodType):  # [...].count(x), of a list that is as large
            budget.taken(__obj.__self__)
        if isinstance(__obj, _BraceFormat):
            check_brace_format(budget, __obj.text, (args, kwargs))
        return _charged(cast(BudgetedContext, __context), super().call(__context, __obj, *args, **kwargs))


class _BraceFormat:
    """The `format` of one text. `Sandbox.call` measures before it calls."""

    def __init__(self, text: str, safe: Callable[..., str]) -> None:
        self.text = text
        self._safe = safe

    def __call__(self, *args: Any, **kwargs: Any) -> str:
        return self._safe(*args, **kwargs)


def rewrite(environment: Sandbox, template: nodes.Template) -> nodes.Template:
    """The template with its counters in place. Raises TemplateSyntaxError for a tag that we don't have."""
    if sum(1 for _ in template.find_all(nodes.Node)) > MAX_NODES:
        raise TemplateSyntaxError(f"it has more than {MAX_NODES:,} parts. Simplify it", 1)
    for tag in template.find_all(tuple(REFUSED_TAGS)):
        name = REFUSED_TAGS[type(tag)]
        raise TemplateSyntaxError(
            f"the tag {{% {name} %}} cannot be used, because a template cannot include others", tag.lineno
        )
    for loop in template.find_all(nodes.For):
        if loop.recursive:
            raise TemplateSyntaxError("a recursive for loop cannot be used", loop.lineno)
    rewritten = _Rewriter().visit(template)
    return cast(nodes.Template, rewritten.set_environment(environment))


class _Rewriter(NodeTransformer):
    """Puts counters around what loops, makes text, or makes lists."""

    def __init__(self) -> None:
        self._buffers = 0  # how many macros or set blocks we are in: their plain text is kept, not put out

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - the visitor's name for it
        self.generic_visit(node)
        node.iter = _filter(_LOOP, cast(nodes.Expr, node.iter))
        return node

    def visit_Filter(self, node: nodes.Filter) -> nodes.Node:  # noqa: N802
        if node.node is not None:  # a filter block has no value, but text
            if node.name in TEXT_FILTERS:
                node.node = _printing(node.node)
            elif node.name in NUMBER_FILTERS:
                node.node = _named(_LOOK, node.node)
            elif node.name == "join":
                node.node = _printing_each(node.node)
            elif node.name == "format":
                _print_arguments(node)
        return self.generic_visit(node)

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        node.expr = _weighed(node.expr)
        for operand in node.ops:
            operand.expr = _weighed(operand.expr)
        return node

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        if isinstance(node.arg, nodes.Slice):  # a copy
            return _filter(_CHARGE, node)
        node.arg = _weighed(node.arg)  # a tuple's hash goes through all that is in it
        return node

    def visit_Mod(self, node: nodes.Mod) -> nodes.Node:  # noqa: N802
        node.right = _printing_each(node.right)  # "%s" % name; what is no number cannot be divided either way
        return self.generic_visit(node)

    def visit_Call(self, node: nodes.Call) -> nodes.Node:  # noqa: N802
        if isinstance(node.node, nodes.Getattr) and node.node.attr == "format":
            _print_arguments(node)
        return self.generic_visit(node)

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802
        self.generic_visit(node)
        names = nodes.Const(tuple(map(name_of, node.nodes)), lineno=node.lineno)
        return _filter(_CONCAT, nodes.List(node.nodes, lineno=node.lineno), names)

    def _visit_literal(self, node: nodes.Expr) -> nodes.Node:
        self.generic_visit(node)
        if getattr(node, "ctx", "load") != "load" or not any(node.find_all(nodes.Name)):
            return node  # a target of an assignment, or made of constants only
        return _filter(_CHARGE, node)

    visit_List = visit_Tuple = visit_Dict = _visit_literal  # noqa: N815

    def _visit_buffer(self, node: nodes.Node) -> nodes.Node:
        self._buffers += 1
        self.generic_visit(node)
        self._buffers -= 1
        return node

    visit_Macro = visit_FilterBlock = visit_AssignBlock = _visit_buffer  # noqa: N815

    def visit_CallBlock(self, node: nodes.CallBlock) -> nodes.Node:  # noqa: N802
        return self._visit_buffer(node)

    def visit_TemplateData(self, node: nodes.TemplateData) -> nodes.Node:  # noqa: N802
        if not self._buffers:
            return node
        return nodes.MarkSafeIfAutoescape(nodes.Const(node.data, lineno=node.lineno), lineno=node.lineno)


def _filter(name: str, node: nodes.Expr, *arguments: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(node, name, [*arguments], [], None, None, lineno=node.lineno)


def _weighed(node: nodes.Expr) -> nodes.Expr:
    return node if isinstance(node, nodes.Const) else _filter(_TAKE, node)


def _named(name: str, node: nodes.Expr) -> nodes.Filter:
    """A filter of ours that is to know what the template calls the value."""
    return _filter(name, node, nodes.Const(name_of(node), lineno=node.lineno))


def _printing(node: nodes.Expr) -> nodes.Filter:
    return _named(_PRINT, node)


def _printing_each(node: nodes.Expr) -> nodes.Expr:
    """The values that a format, or a join, is given.

    It is a list or object that the template writes out, or one value.
    """
    if isinstance(node, (nodes.Tuple, nodes.List)):
        node.items = list(map(_printing, node.items))
        return node
    if isinstance(node, nodes.Dict):
        for pair in node.items:
            pair.value = _printing(pair.value)
        return node
    return _printing(node)


def _print_arguments(node: nodes.Call | nodes.Filter) -> None:
    node.args = list(map(_printing, node.args))
    for keyword in node.kwargs:
        keyword.value = _printing(keyword.value)


@pass_context
def _written(context: BudgetedContext, value: Any, name: str = AN_EXPRESSION) -> Any:
    """What {{ }} writes. None writes nothing. A list or an object is a mistake that no customer should see."""
    kind = type(value)
    if kind is str or kind is Markup:
        context.budget.charge(len(value))
        return value
    if value is None:
        return context.printed(value, name)
    context.budget.step()
    if isinstance(value, (int, float)):
        context.budget.charge(weight(value, context.budget.chars))
        return value
    if isinstance(value, StrictUndefined):
        return value
    if isinstance(value, str):
        context.budget.charge(len(value))
        return value
    raise TypeError(f"{{{{ }}}} is given a {kind.__name__}. Write out its parts, or join them")


@pass_context
def _printed(context: BudgetedContext, value: Any, name: str) -> Any:
    """What goes into a filter that makes text."""
    return context.printed(value, name)


@pass_context
def _looked_at(context: BudgetedContext, value: Any, name: str) -> Any:
    """What goes into a filter that makes a number. It may be None, and is noted then."""
    context.printed(value, name)
    return value


@pass_context
def _taken(context: BudgetedContext, value: Any) -> Any:
    """What is compared, or looked up by."""
    if type(value) is not str:  # as nearly all
        context.budget.taken(value)
    return value


@pass_context
def _charged(context: BudgetedContext, value: Any) -> Any:
    """The result of a call, a slice, or a list that the template made."""
    context.budget.step()
    context.budget.made(value)
    return value


@pass_context
def _counted(context: BudgetedContext, items: Any) -> Counted:
    return Counted(items, context.budget)
