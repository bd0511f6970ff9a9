"""Messages in dead-letter queues that name no email of ours."""

from typing import Annotated

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.cursors import Cursors
from eed_delivery.api.keyed import once
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Cursor, PageSize, Reason, Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.dead_letters import StoredLetter
from eed_delivery.operators.shell import operations_now


class LetterPath(Asked):
    """The letter in a path."""

    letter: Annotated[int, Field(ge=1, le=2**63 - 1)]


class LettersQuery(Asked):
    """Which letters, the newest first."""

    limit: PageSize = 100
    after: Cursor | None = None


class LetterAnswer(Told):
    """A message as the sweeper saw it last. `body` is its beginning, with addresses masked."""

    letter: int
    channel: str
    sqs_id: str
    problem: str
    body: str
    size: int = Field(description="Of the whole body, in characters.")
    receives: int
    sent_at: Utc | None
    found_at: Utc
    seen_at: Utc


class LettersAnswer(Told):
    """A page of letters."""

    items: list[LetterAnswer]
    next: str | None


class DeleteLetterBody(Asked):
    """Why a letter is deleted."""

    reason: Reason


class DeletedLetterAnswer(Told):
    """The letter is deleted in the sweeper's next round."""

    letter: int


def routes(cursors: Cursors) -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("dead letters", "Messages in dead-letter queues that name no email of ours.")

    @r.get("/dead-letters", Right.VIEW, LettersAnswer, "dead-letters list")
    def list_dead_letters(query: LettersQuery) -> Response:
        """List foreign dead letters, the newest first. The sweeper looks at each once an hour."""
        after = cursors.after(query.after)
        page = operations_now().dead_letters.page(query.limit, None if after is None else int(after))
        following = cursors.next(None if page.next_before is None else str(page.next_before))
        return tagged(as_json(LettersAnswer(items=[_letter(one) for one in page.letters], next=following)))

    @r.get("/dead-letters/<letter>", Right.VIEW, LetterAnswer, "dead-letters show {letter}")
    def show_dead_letter(path: LetterPath) -> Response:
        """Show a foreign dead letter."""
        return tagged(as_json(_letter(operations_now().dead_letters.view(path.letter))))

    @r.post(
        "/dead-letters/<letter>/delete",
        Right.ADMIN,
        DeletedLetterAnswer,
        "dead-letters delete {letter} --reason WHY",
    )
    def delete_dead_letter(path: LetterPath, body: DeleteLetterBody) -> Response:
        """Delete a foreign dead letter for good."""
        letters = operations_now().dead_letters
        return once(
            lambda: letters.delete(path.letter, body.reason),
            lambda: as_json(DeletedLetterAnswer(letter=path.letter)),
        )

    return r


def _letter(one: StoredLetter) -> LetterAnswer:
    return LetterAnswer(
        letter=one.letter_id,
        channel=one.channel,
        sqs_id=one.sqs_id,
        problem=one.problem,
        body=one.body,
        size=one.size,
        receives=one.receives,
        sent_at=one.sent_at,
        found_at=one.found_at,
        seen_at=one.seen_at,
    )
