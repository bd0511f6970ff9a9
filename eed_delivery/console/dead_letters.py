"""Messages in dead-letter queues that name no email of ours."""

from collections.abc import Mapping

from flask import Response, request

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import ActDone, Confirmation, confirmed
from eed_delivery.console.rendering import Crumb, page
from eed_delivery.console.routes import BOTH, PageRoutes
from eed_delivery.operators.shell import operations_now

SECTION = "Tonight"
ROWS = 50
LIST = Crumb("Dead letters", "/dead-letters")


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page(
        "/dead-letters", Right.VIEW, section=SECTION, command="dead-letters list", call="GET /api/v1/dead-letters"
    )
    def dead_letters() -> Response:
        after = request.args.get("after", "")
        found = operations_now().dead_letters.page(ROWS, int(after) if after.isdecimal() else None)
        following = "" if found.next_before is None else f"/dead-letters?after={found.next_before}"
        return page("dead_letters.html", title="Dead letters", letters=found.letters, following=following)

    @routes.page(
        "/dead-letters/<int:letter>",
        Right.VIEW,
        section=SECTION,
        command="dead-letters show {letter}",
        call="GET /api/v1/dead-letters/{letter}",
    )
    def dead_letter(letter: int) -> Response:
        found = operations_now().dead_letters.view(letter)
        return page("dead_letter.html", title=f"Dead letter {letter}", crumbs=(LIST,), letter=found)

    @routes.page(
        "/dead-letters/<int:letter>/delete",
        Right.ADMIN,
        section=SECTION,
        command="dead-letters delete {letter} --reason WHY",
        call="POST /api/v1/dead-letters/{letter}/delete",
        methods=BOTH,
    )
    def delete_dead_letter(letter: int) -> Response:
        letters = operations_now().dead_letters

        def ask() -> Confirmation:
            found = letters.view(letter)
            what = [f"It is in the dead-letter queue of channel {found.channel}: {found.problem}."]
            what.append("The sweeper deletes it in its next round.")
            back = Crumb(f"Dead letter {letter}", f"/dead-letters/{letter}")
            return Confirmation(
                f"Delete dead letter {letter}?", what, "Delete it", back, warning="It cannot be brought back."
            )

        def act(given: Mapping[str, str]) -> ActDone:
            letters.delete(letter, given["reason"])
            return ActDone(f"Dead letter {letter} is deleted in the sweeper's next round.", LIST.path)

        return confirmed(ask, act)
