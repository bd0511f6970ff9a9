"""The table of all pages. Each is looked at in all colours and widths, by keyboard, and without a script.

A new page gets one line here. Where it needs something to show, that is in `night`.
"""

from dataclasses import dataclass

from tests.browser.night import EMPTY, HOSTILE, HUGE, PAUSED, RUNS


@dataclass(frozen=True)
class ConsolePage:
    """A page as an admin who may see recipients opens it. `empty`: it is there in an installation without any job, too.
    `status` is what it is answered with."""

    name: str
    path: str
    empty: bool = False
    status: int = 200


PAGES = (
    ConsolePage("login", "/login", empty=True),
    ConsolePage("tonight", "/", empty=True),
    ConsolePage("jobs", "/jobs", empty=True),
    ConsolePage("jobs filtered wrongly", "/jobs?since=yesterday", empty=True, status=422),
    ConsolePage("register a job", "/submit", empty=True),
    ConsolePage("jobs that are not complete", "/submissions", empty=True),
    ConsolePage("job", f"/jobs/{RUNS}"),
    ConsolePage("hostile job", f"/jobs/{HOSTILE}"),
    ConsolePage("huge job", f"/jobs/{HUGE}"),
    ConsolePage("failures", f"/jobs/{RUNS}/failures"),
    ConsolePage("job without emails", f"/jobs/{EMPTY}"),
    ConsolePage("failures of a job without emails", f"/jobs/{EMPTY}/failures"),
    ConsolePage("emails of a job without emails", f"/jobs/{EMPTY}/emails"),
    ConsolePage("emails of a hostile job", f"/jobs/{HOSTILE}/emails"),
    ConsolePage("doubts", f"/jobs/{RUNS}/doubts"),
    ConsolePage("domains", f"/jobs/{RUNS}/domains"),
    ConsolePage("history", f"/jobs/{HOSTILE}/history"),
    ConsolePage("rehearse", f"/jobs/{RUNS}/rehearse"),
    ConsolePage("pause", f"/jobs/{RUNS}/pause"),
    ConsolePage("resume", f"/jobs/{HOSTILE}/resume"),
    ConsolePage("cancel", f"/jobs/{PAUSED}/cancel"),
    ConsolePage("email", f"/emails/{1000 * RUNS}"),
    ConsolePage("hostile email", f"/emails/{1000 * HOSTILE}"),
    ConsolePage("channels", "/channels", empty=True),
    ConsolePage("channel", "/channels/letters"),
    ConsolePage("hostile channel", "/channels/hostile"),
    ConsolePage("kinds of channels", "/channel-kinds", empty=True),
    ConsolePage("new channel", "/channel-kinds/sftp/create", empty=True),
    ConsolePage("change a channel", "/channels/letters/edit"),
    ConsolePage("hold a channel", "/channels/letters/hold"),
    ConsolePage("remove a channel", "/channels/letters/remove"),
    ConsolePage("suppressions", "/suppressions", empty=True),
    ConsolePage("suppress", "/suppressions/add", empty=True),
    ConsolePage("import addresses", "/suppressions/import", empty=True),
    ConsolePage("take off the list", "/suppressions/remove", empty=True),
    ConsolePage("settings", "/settings", empty=True),
    ConsolePage("set the pace", "/settings/pace", empty=True),
    ConsolePage("override send windows", "/windows/override", empty=True),
    ConsolePage("stop sending", "/holds/add", empty=True),
    ConsolePage("hold", "/holds/7"),
    ConsolePage("open a gate", "/gates/letters/open"),
    ConsolePage("add a user", "/settings/users/add", empty=True),
    ConsolePage("add a token", "/settings/tokens/add", empty=True),
    ConsolePage("processes", "/processes", empty=True),
    ConsolePage("dead letters", "/dead-letters", empty=True),
    ConsolePage("dead letter", "/dead-letters/7"),
    ConsolePage("delete a dead letter", "/dead-letters/7/delete"),
    ConsolePage("audit", "/audit", empty=True),
    ConsolePage("operations", "/operations", empty=True),
    ConsolePage("shadow mode", "/shadows", empty=True),
    ConsolePage("follow an old server", "/shadows/start", empty=True),
    ConsolePage("accept a difference", "/shadow-acceptances/accept", empty=True),
    ConsolePage("requeue", f"/operations/requeue?job={RUNS}"),
    ConsolePage("write a report", f"/operations/report?job={RUNS}"),
    ConsolePage("search", "/search", empty=True),
    ConsolePage("doubts", "/doubts", empty=True),
    ConsolePage("send again", "/emails/42000/resend"),
    ConsolePage("preview", "/emails/42000/preview"),
    ConsolePage("no such page", "/nowhere", empty=True, status=404),
)
