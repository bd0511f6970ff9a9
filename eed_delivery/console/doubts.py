"""The doubts workbench: all emails in doubt, what a relay's log proves of them, and their settlement in one act."""

import io
from typing import Any

from flask import Response, request

from eed_delivery.access.rights import Right
from eed_delivery.console.acting import REASON, FormError, FormField, form_errors
from eed_delivery.console.rendering import Crumb, page, see_other
from eed_delivery.console.routes import PageRoutes
from eed_delivery.errors import NotPossible
from eed_delivery.operations.doubts.workbench import (
    LARGEST_UPLOAD,
    SETTLED_AS,
    USUAL,
    DoubtsPlan,
    DoubtWorkbench,
    LogVerdict,
    SettleDoubtsRequest,
    log_zone,
)
from eed_delivery.operations.refusals import InvalidRequest
from eed_delivery.operators.asking import asker_now
from eed_delivery.operators.problems import HttpProblem, sentence
from eed_delivery.operators.routes import takes_up_to
from eed_delivery.operators.sealing import Seal
from eed_delivery.operators.shell import operations_now

SHOWN = 200
GROUPS_SHOWN = 100
DOUBTS = Crumb("Doubts", "/doubts")
ZONE = FormField(
    "zone", "Time zone of the log", "Where its times name none. For example Europe/Berlin.", value="UTC", length=64
)
LOG_FIELDS = (
    FormField("lines", "Lines of the log", kind="textarea", required=False, length=LARGEST_UPLOAD),
    FormField("log", "Or a file", "Up to 8 MiB. Larger ones go through the command line.", "file", required=False),
    ZONE,
)
WORDS = {
    LogVerdict.ACCEPTED: "accepted by the relay",
    LogVerdict.BOUNCED: "refused or returned",
    LogVerdict.NOT_THERE: "never at the relay",
    LogVerdict.DEFERRED: "at the relay, which still tries",
    LogVerdict.AMBIGUOUS: "ambiguous: decide by hand",
    LogVerdict.NOT_COVERED: "not covered by this log",
}
CALLS = ("GET /api/v1/doubts", "POST /api/v1/doubts/match", "POST /api/v1/doubts/settle")


def add(routes: PageRoutes, seal: Seal) -> None:
    """The routes of this subject."""

    @routes.page("/doubts", Right.VIEW, section="Doubts", command=("doubts list", "doubts match LOG"), call=CALLS)
    def show_all_doubts() -> Response:
        return _all(())

    @routes.page("/doubts/message-ids", Right.VIEW, section="Doubts", command="doubts list --message-ids")
    def list_message_ids() -> Response:
        workbench = operations_now().doubts
        ids = [workbench.message_id(doubt) for group in workbench.view().groups for doubt in group.doubts]
        headers = {"Content-Disposition": 'attachment; filename="message-ids.txt"'}
        return Response("".join(f"{one}\n" for one in ids), 200, headers, mimetype="text/plain")

    @routes.page(
        "/doubts/match", Right.OPERATE, section="Doubts", command="doubts match LOG", call=CALLS[1:], methods=("POST",)
    )
    @takes_up_to(LARGEST_UPLOAD)
    def match_all_doubts() -> Response:
        workbench = operations_now().doubts
        file = request.files.get("log")
        log = file.stream if file else io.BytesIO(request.form.get("lines", "").encode("utf-8", "replace"))
        try:
            found = workbench.match(log, log_zone(request.form.get("zone", "").strip() or "UTC"))
        except NotPossible as error:
            wrong = "zone" if isinstance(error, InvalidRequest) else "lines"
            return _all([FormError(wrong, sentence(str(error)))], 422)
        return _matched(found.plan, seal.sealed(found.plan.packed(), asker_now().subject), found=found)

    @routes.page(
        "/doubts/settle",
        Right.OPERATE,
        section="Doubts",
        command="doubts settle LOG",
        call=CALLS[2:],
        methods=("POST",),
    )
    @takes_up_to(LARGEST_UPLOAD)
    def settle_all_doubts() -> Response:
        return _settle(seal)


def _settle(seal: Seal) -> Response:
    sealed = request.form.get("plan", "")
    packed = seal.opened(sealed, asker_now().subject)
    if packed is None:
        raise HttpProblem(
            422,
            "invalid",
            "What the log has proven is older than a day, or was shown to another person.",
            "Match the log again.",
        )
    plan = DoubtsPlan.unpacked(packed)
    reason = request.form.get("reason", "").strip()
    chosen = tuple(verdict for verdict in SETTLED_AS if request.form.get(verdict.value) == "yes")
    errors = form_errors((REASON,), {"reason": reason})
    if not chosen:
        errors.append(FormError(USUAL[0].value, "Choose what is to be settled."))
    if errors:
        return _matched(plan, sealed, reason, errors)
    done = operations_now().doubts.settle(plan, SettleDoubtsRequest(reason, plan.etag, chosen))
    left = f" {done.left:,} had changed meanwhile, and are left." if done.left else ""
    return see_other(DOUBTS.path, f"{done.sent:,} emails are settled as sent, {done.failed:,} as failed.{left}")


def _all(errors: list[FormError] | tuple[()], status: int = 200) -> Response:
    workbench: DoubtWorkbench = operations_now().doubts
    view = workbench.view()
    given = {"zone": request.form.get("zone", ZONE.value), "lines": ""}
    title = f"{view.count:,} emails in doubt" if view.count else "No email is in doubt"
    listed = [(doubt, workbench.message_id(doubt)) for doubt in view.first(SHOWN)]
    facts: dict[str, Any] = {"fields": LOG_FIELDS, "given": given, "errors": errors}
    facts |= {"listed": listed, "groups": view.groups[:GROUPS_SHOWN]}
    return page("doubts.html", title=title, status=status, view=view, **facts)


def _matched(
    plan: DoubtsPlan, sealed: str, reason: str = "", errors: list[FormError] | tuple[()] = (), found: object = None
) -> Response:
    """`found` is what the log says beside the plan. It is not there when a form comes back."""
    choices = [
        FormField(
            verdict.value,
            f"{plan.counts[verdict]:,} {WORDS[verdict]}, as {state.value}",
            kind="checkbox",
            value="yes" if verdict in USUAL and plan.counts[verdict] else "",
            required=False,
        )
        for verdict, state in SETTLED_AS.items()
    ]
    facts: dict[str, Any] = {
        "fields": choices,
        "reason": REASON,
        "given": {"reason": reason},
        "errors": errors,
        "words": WORDS,
    }
    return page(
        "doubts_matched.html",
        title="What the log proves",
        crumbs=(DOUBTS,),
        status=422 if errors else 200,
        plan=plan,
        sealed=sealed,
        found=found,
        shown=SHOWN,
        **facts,
    )
