"""A process that renders emails of the old server's jobs and compares them with its copies, at low priority.

It is a program of its own: what it imports has no way to a transport, which an import contract holds.
"""

import eed_delivery.runtime.light_start  # noqa: F401 - before what is heavy

# isort: split
import sys
from collections.abc import Callable
from functools import partial

from eed_delivery.app.child_programs import reading
from eed_delivery.app.database import open_database
from eed_delivery.app.rehearsal_process import renderer_of, serve
from eed_delivery.config import Settings
from eed_delivery.errors import DatabaseGone, DeliveryFailure, RenderError
from eed_delivery.shadow.asked import BothSides, PageToCompare
from eed_delivery.shadow.comparer import Comparer
from eed_delivery.shadow.messages import NoMessage
from eed_delivery.shadow.rules import SamenessRule, SamenessRules
from eed_delivery.source import Source
from eed_delivery.source.following import SourceFollowing


def comparer_of(settings: Settings) -> Comparer:
    """What compares emails, over a connection that cannot write."""
    ours = settings.shadow
    rules = [SamenessRule(one.name, one.field, one.pattern, one.to, one.unquote) for one in ours.rules]
    renderer, _ = renderer_of(settings)
    return Comparer(
        open_database(reading(settings).database, connections=1, read_only=True),
        Source(settings.source),
        SourceFollowing(settings.source),
        renderer,
        SamenessRules(rules, ours.ignored_headers),
        ours.copy_column,
        bool(ours.copies),
    )


def _answers(settings: Settings) -> Callable[[PageToCompare | BothSides], object]:
    return partial(_answer, comparer_of(settings))


def _answer(comparer: Comparer, asked: PageToCompare | BothSides) -> object:
    """What was found, or why not, as an error that can be sent."""
    try:
        return comparer.both(asked) if isinstance(asked, BothSides) else comparer.compare(asked)
    except NoMessage as error:
        return RenderError(f"its copy cannot be read: {error}")
    except (DatabaseGone, DeliveryFailure, OSError) as error:
        return error


if __name__ == "__main__":
    serve(int(sys.argv[1]), "shadow", _answers)
