"""Send an email again to its customer, also under another address, as a new email of the same job."""

from collections.abc import Mapping

from flask import Response

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import REASON, VERSION, ActDone, Confirmation, FormField, confirmed
from eed_delivery.console.previewing import email_path
from eed_delivery.console.rendering import Crumb
from eed_delivery.console.routes import PageRoutes
from eed_delivery.model import EmailState
from eed_delivery.operations.deciding import JobChanged
from eed_delivery.operations.resending import ResendRequest
from eed_delivery.operators.shell import caller_now, operations_now

ADDRESS = FormField(
    "address", "Another address", "Leave it empty for the address that the source has now.", "email", required=False
)
DESPITE = FormField(
    "despite", "Send it even if the address is on the suppression list", kind="checkbox", required=False
)


def add(routes: PageRoutes) -> None:
    """The routes of this subject."""

    @routes.page(
        "/emails/<path:key>/resend",
        Right.OPERATE,
        section="Jobs",
        command="resend {key} --reason WHY",
        call="POST /api/v1/emails/{key}/resend",
        methods=("GET", "POST"),
    )
    def resend_email(key: str) -> Response:
        def act(given: Mapping[str, str]) -> ActDone:
            if given[VERSION] != str(len(operations_now().emails.view(key).resends)):
                raise JobChanged("it was sent again meanwhile")
            address = given.get(ADDRESS.name) or None if is_admin else None
            despite = is_admin and given.get(DESPITE.name) == "yes"
            resent = operations_now().resending.resend(ResendRequest(key, given[REASON.name], address, despite))
            return ActDone(f"It is sent again as email {resent.key}.", email_path(resent.key))

        is_admin = caller_now().may(Right.ADMIN)
        return confirmed(lambda: _asking(key, is_admin=is_admin), act)


def _asking(key: str, *, is_admin: bool) -> Confirmation:
    view = operations_now().emails.view(key)
    went = view.report.state == EmailState.SENT
    where = f"It went to {view.report.recipient}." if went else "It was suppressed, and never left."
    return Confirmation(
        title=f"Send email {key} again?",
        what=(
            f"{where} The new email has a key of its own, and the content that the source has when it is sent.",
            f"{'The customer may get it twice. ' if went else ''}The first email stays as it is.",
        ),
        button="Send it again",
        back=Crumb(f"Email {key}", email_path(key)),
        version=str(len(view.resends)),
        acts=view.acts,
        fields=(ADDRESS, DESPITE, REASON) if is_admin else (REASON,),
    )
