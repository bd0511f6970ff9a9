"""Lets a job start only if it was rehearsed as it is now, and clean."""

from collections.abc import Callable

import structlog

from eed_delivery.errors import RenderError
from eed_delivery.ledger.publishing.enlisting import LeasedJob
from eed_delivery.ledger.publishing.rehearsed_starts import BEGUN, RehearsedStarts
from eed_delivery.model import Job, JobState

log = structlog.get_logger(__name__)

CLEAN = "clean"


class RehearsalGate:
    """Asked by a publisher for each job that it holds, until the job is bound to its rehearsal."""

    def __init__(
        self, starts: RehearsedStarts, content: Callable[[LeasedJob], Job], template_digest: Callable[[Job], str]
    ) -> None:
        """`content` is a job as it is now, and `template_digest` the digest of what its emails share."""
        self._starts = starts
        self._content = content
        self._template_digest = template_digest

    def lets(self, job: LeasedJob) -> bool:
        """Whether a job may be published. One that may not is paused. Raises `DatabaseGone`."""
        if job.state is not JobState.ACTIVE or job.rehearsal is not None:
            return True
        if self._starts.has_begun(job):
            self._starts.bind(job, BEGUN)
            return True
        try:
            why, rehearsal = self._looked_at(job)
        except RenderError:
            return True  # its row has gone, and the publisher says so
        if not why:
            self._starts.bind(job, rehearsal)
            log.info("job_rehearsed", **job.log_facts(), rehearsal=rehearsal)
            return True
        if self._starts.pause(job, why):
            log.warning("job_not_rehearsed", **job.log_facts(), reason=why, todo="rehearse the job, then resume it")
        return False

    def _looked_at(self, job: LeasedJob) -> tuple[str, str]:
        """Why it may not start, "" if it may, and its newest rehearsal."""
        kept = self._starts.newest(job)
        if kept is None:
            return "all of its emails were never rehearsed", ""
        name = f"its rehearsal {kept.operation}"
        if kept.verdict != CLEAN:
            return f"{name} was not clean ({kept.verdict})", kept.operation
        if self._template_digest(self._content(job)) != kept.template:
            return f"what its emails share (templates, sender, common attachments) has changed since {name}", ""
        emails, round_ = self._starts.now(job)
        if round_ != kept.facts.get("round", 0):
            return f"it was made ready again since {name}", ""
        if emails != kept.emails:
            return f"{name} was of {kept.emails:,} emails, and it has {emails:,} now", ""
        return "", kept.operation
