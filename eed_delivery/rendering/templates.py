"""Templates, compiled once for a job, run once for each email, with errors that name the template and the line."""

import re
from dataclasses import dataclass
from typing import Any

from jinja2 import Template as JinjaTemplate
from jinja2.exceptions import TemplateError, TemplateSyntaxError
from jinja2.nodes import EvalContext

from eed_delivery.errors import RenderError
from eed_delivery.rendering.budget import Budget, TemplateLimit
from eed_delivery.rendering.filters import BudgetedContext
from eed_delivery.rendering.missing import Missing
from eed_delivery.rendering.sandbox import Sandbox, rewrite

SUBJECT, HTML, TEXT, LIST_UNSUBSCRIBE = "subject template", "html template", "text template", "list_unsubscribe"

PIECES_AT_ONCE = 100
HIDDEN = "***"
_QUOTED = re.compile(r"""(?<!\\)'(?>(?:[^'\\]|\\.)*)'|(?<!\\)"(?>(?:[^"\\]|\\.)*)"|\d{4,}""")
"""What an error quotes as Python's repr does, and long numbers, which it does not quote."""

_TOLD_ERRORS = (TemplateError, ArithmeticError, TypeError)
"""Errors whose own words are passed on. The others' may quote a customer's data, which the log must not hold."""


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template. Safe to use from many threads."""

    name: str
    source: str
    max_chars: int
    compiled: JinjaTemplate
    eval_ctx: EvalContext

    def render(self, variables: dict[str, Any], missing: Missing | None = None) -> str:
        """The text for one email.

        Raises RenderError with the template's name and line. `missing` learns what has no value.
        """
        names = {**self.compiled.globals, **variables}
        context = BudgetedContext(self.eval_ctx, self.name, names, Budget(self.max_chars), missing or Missing())
        try:
            return self._collect(context)
        except Exception as error:  # it is the template's: whatever Python raises of it, no other try will help
            line = _line_of(error, self.compiled)
            raise RenderError(f"{self.name}, line {line}: {_words(error, self.source)}") from error

    def _collect(self, context: BudgetedContext) -> str:
        """The pieces are counted by the hundred. That bounds memory as well as counting each. A piece is a constant of
        the template, which takes none, or a value, which the budget has charged."""
        pieces = context.pieces
        chars = counted = 0
        for _ in self.compiled.root_render_func(context):
            if len(pieces) - counted >= PIECES_AT_ONCE:
                chars = self._counted(chars, pieces[counted:])
                counted = len(pieces)
        self._counted(chars, pieces[counted:])
        return "".join(pieces)

    def _counted(self, chars: int, pieces: list[str]) -> int:
        chars += sum(map(len, pieces))
        if chars > self.max_chars:
            raise TemplateLimit(f"the result is longer than {self.max_chars:,} characters")
        return chars


class Templates:
    """Compiles templates. HTML is autoescaped. Subject, text and header are not."""

    def __init__(self, max_output_chars: int) -> None:
        self._max_chars = max_output_chars
        self._sandbox = Sandbox(autoescape=lambda name: name == HTML)

    def compile(self, name: str, source: str) -> Template:
        """A template ready to run. Raises RenderError with name and line when it is not one."""
        if len(source) > self._max_chars:
            raise RenderError(f"{name}: it is longer than {self._max_chars:,} characters (rendering.max_output_chars)")
        try:
            tree = rewrite(self._sandbox, self._sandbox.parse(source, name, name))
            code = self._sandbox.compile(tree, name, name)
            compiled = JinjaTemplate.from_code(self._sandbox, code, self._sandbox.globals)
        except TemplateSyntaxError as error:
            raise RenderError(f"{name}, line {error.lineno}: {error.message}") from error
        except Exception as error:  # MemoryError is what Python's parser says of brackets nested too deeply
            raise RenderError(f"{name}: it cannot be compiled ({type(error).__name__}). Simplify it") from error
        return Template(name, source, self._max_chars, compiled, EvalContext(self._sandbox, name))


def _of_template(words: str, source: str) -> str:
    """An error's words with what it quotes, such as the key of a list, only where the template itself says it.

    `{{ balances[name] }}` would else show the customer's name.
    """
    return _QUOTED.sub(lambda found: found[0] if found[0].strip("'\"") in source else HIDDEN, words)


def _line_of(error: BaseException, compiled: JinjaTemplate) -> int:
    """The template's line where the error came up, from the innermost of its frames in the traceback."""
    line = 1
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == compiled.filename:
            line = compiled.get_corresponding_lineno(trace.tb_lineno)
        trace = trace.tb_next
    return line


def _words(error: BaseException, source: str) -> str:
    if isinstance(error, RecursionError):
        return "it calls itself, or nests values, too deeply"
    if isinstance(error, MemoryError):
        return "it needs more memory than there is; simplify the template"
    if isinstance(error, TemplateLimit):
        return str(error)
    if isinstance(error, _TOLD_ERRORS):
        return " ".join(_of_template(str(error), source).split())[:300] or type(error).__name__
    return f"a value does not fit its use ({type(error).__name__})"
