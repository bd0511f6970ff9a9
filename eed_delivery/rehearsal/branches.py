"""The branches of a job's templates. An email took a branch if it has the words that only this branch has."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from jinja2 import Environment, nodes
from jinja2.exceptions import TemplateError

from eed_delivery.model import Job

LEAST_CHARS = 6
"""Fewer letters could be anything."""
MOST_BRANCHES = 60
_PARSER = Environment(autoescape=True)


@dataclass(frozen=True, slots=True)
class Branch:
    """One branch, as people find it: template and line. `marker` is the longest of its own words."""

    name: str
    marker: str


@dataclass(frozen=True, slots=True)
class TemplateWords:
    """What templates say by themselves: their branches, and all their words."""

    branches: tuple[Branch, ...]
    literals: str


def words_of(job: Job) -> TemplateWords:
    """Those of a job's templates. Of a template that does not compile there are none."""
    branches: list[Branch] = []
    literals: list[str] = []
    for name, source in (("subject", job.subject), ("html", job.html_template), ("text", job.text_template)):
        try:
            tree = _PARSER.parse(source or "")
        except (TemplateError, RecursionError, MemoryError):
            continue
        literals += [data.data for data in tree.find_all(nodes.TemplateData)]
        branches += _branches(name, tree)
    return TemplateWords(tuple(branches[:MOST_BRANCHES]), "\n".join(literals))


def taken(branches: Sequence[Branch], subject: str, html: str | None, text: str | None) -> int:
    """A bit for each branch whose words are there."""
    bits = 0
    for place, branch in enumerate(branches):
        if branch.marker in (html or "") or branch.marker in (text or "") or branch.marker in subject:
            bits |= 1 << place
    return bits


def _branches(name: str, tree: nodes.Template) -> Iterator[Branch]:
    for condition in tree.find_all(nodes.If):
        for body, word in ((condition.body, "if"), (condition.else_, "else")):
            if marker := _marker(body):
                yield Branch(f"{name} template line {body[0].lineno} ({word})", marker)


def _marker(body: Sequence[nodes.Node]) -> str:
    """The longest words of a branch that are printed as they stand."""
    found: list[str] = []
    for node in body:
        if isinstance(node, nodes.Output):
            found += [child.data.strip() for child in node.nodes if isinstance(child, nodes.TemplateData)]
    return max((words for words in found if len(words) >= LEAST_CHARS), key=len, default="")
