"""A list for people, or as JSON for scripts."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from eed_delivery.cli.output import record
from eed_delivery.cli.session import Session

T = TypeVar("T")


def show_list(
    session: Session,
    found: Sequence[T],
    columns: Sequence[str],
    row: Callable[[T], tuple[object, ...]],
    *,
    as_json: bool,
    plain: Callable[[T], object] = record,
    prose: Sequence[str] = (),
    spare: Sequence[str] = (),
) -> None:
    """Show what was found. `plain` is one as JSON, `row` one as cells, `prose` and `spare` as for `Screen.table`."""
    if as_json:
        session.screen.json_array(map(plain, found))
        return
    session.screen.table(columns, map(row, found), prose=prose, spare=spare)
    if not found:
        session.screen.line("there are none")
