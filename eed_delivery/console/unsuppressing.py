"""Take an address off the suppression list. What its recipient asked for goes with evidence, and maybe two people."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response, request

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import REASON, VERSION, ActDone, Confirmation, FormField, asked, confirmed
from eed_delivery.console.routes import BOTH, PageRoutes
from eed_delivery.console.suppressions import CATEGORY, LIST, SECTION
from eed_delivery.operations.long_acts.requests import LongActKind, LongActRequest, LongActSelection
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operations.suppression.listing import RemoveRequest
from eed_delivery.operations.values import EVIDENCE_LENGTH
from eed_delivery.operators.asking import asker_now
from eed_delivery.operators.problems import HttpProblem
from eed_delivery.operators.sealing import Seal
from eed_delivery.operators.shell import operations_now

ADDRESS = FormField("address", "Address", "Or *@domain", length=320)
EVERY = FormField("every", "All of its entries, of each category", kind="checkbox", required=False)
WHERE = (
    "Where their own wish to get emails is kept, like a ticket, without the address. Complaints and unsubscriptions"
    " need it."
)
EVIDENCE = FormField("evidence", "Evidence", WHERE, required=False, length=EVIDENCE_LENGTH)


@dataclass(frozen=True, slots=True)
class ChosenEntry:
    """An entry of the list that a person has chosen, and its form sealed."""

    address: str
    category: str
    sealed: str


def add(routes: PageRoutes, seal: Seal) -> None:
    """The routes of this subject."""

    @routes.page(
        "/suppressions/remove",
        Right.ADMIN,
        section=SECTION,
        command="suppression remove ADDRESS --reason WHY --evidence WHERE",
        call="POST /api/v1/suppressions/remove",
        methods=BOTH,
    )
    def unsuppress() -> Response:
        """A button of the list brings an `entry`, and this page asks. The form of this page brings it back."""
        chosen = _chosen(seal)
        if "entry" in request.form:
            return asked(_asking(chosen))
        return confirmed(lambda: _asking(chosen), lambda given: _removed(chosen, given))


def _chosen(seal: Seal) -> ChosenEntry | None:
    sealed = request.form.get("entry") or request.form.get(VERSION, "")
    if not sealed:
        return None
    opened = seal.opened(sealed)
    if opened is None:
        raise HttpProblem(422, "invalid", "The list is older than a day.", "Look at it again.")
    address, category = json.loads(opened)
    return ChosenEntry(address, category, sealed)


def _asking(chosen: ChosenEntry | None) -> Confirmation:
    what = (
        "The next job sends to it. Emails that a job has suppressed stay so. Each can be sent again as a new email.",
    )
    if chosen is None:
        fields = (ADDRESS, CATEGORY, EVERY, REASON, EVIDENCE)
        return Confirmation("Take an address off the suppression list", what, "Take it off", LIST, fields)
    scope = f"the category {chosen.category}" if chosen.category else "every email"
    return Confirmation(
        title=f"Take {chosen.address} off the suppression list?",
        what=(f"Its entry for {scope} is removed.", *what),
        button="Take it off",
        back=LIST,
        fields=(REASON, EVIDENCE),
        version=chosen.sealed,
    )


def _removed(chosen: ChosenEntry | None, given: Mapping[str, str]) -> ActDone:
    address = given["address"] if chosen is None else chosen.address
    category: str | None = given.get("category", "") if chosen is None else chosen.category
    if chosen is None and given.get("every") == "yes":
        category = None
    wanted = RemoveRequest((address,), category, given["reason"], given.get("evidence") or None)
    suppression = operations_now().suppression
    if suppression.needs_another(wanted):
        return _asked_for(wanted)
    done = suppression.remove(wanted)
    if done.refusal is not None:
        raise InvalidRequest("there is no such entry of it", which="address")
    left = " It is still on it with other entries." if done.removed[0].left else ""
    return ActDone(f"The address is off the list.{left}", LIST.path)


def _asked_for(wanted: RemoveRequest) -> ActDone:
    acts = operations_now().long_acts
    selection = LongActSelection(addresses=wanted.addresses, category=wanted.category)

    def request_of(etag: str | None) -> LongActRequest:
        why, evidence = wanted.reason or "", wanted.evidence
        return LongActRequest(LongActKind.UNSUPPRESS, selection, why, selection_etag=etag, evidence=evidence)

    act = acts.start(request_of(acts.preview(request_of(None)).etag), asker_now())
    return ActDone("Nothing is done yet. Another person has to approve it.", f"/operations/{act.id}")
