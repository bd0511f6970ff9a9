"""Tonight: what runs, what stands still and why, and whether anything needs a person. The page shows the same."""

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.gates import GateAnswer, gate_answer
from eed_delivery.api.holds import HoldAnswer, hold_answer
from eed_delivery.api.jobs import JobAnswer, ScheduledJobAnswer, job_answer, scheduled_job_answer
from eed_delivery.api.masking import shown, shown_or_none
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.standing import StandingKind
from eed_delivery.operations.tonight import RoleView, StandingJob, TonightView
from eed_delivery.operators.shell import operations_now


class StandingJobAnswer(JobAnswer):
    """A job that has not finished, and how it stands."""

    standing: StandingKind
    why: str = Field(description="How it stands, in a sentence.")
    do: str = Field(description="What to do about it. Empty: nothing.")
    needs_somebody: bool = Field(description="It does not go on by itself.")


class RoleAnswer(Told):
    """The processes of one role on all hosts."""

    role: str
    alive: int
    gone: int
    missing: bool = Field(description="It is needed, and no process of it is alive.")
    hosts: list[str]
    sending: int | None = Field(description="Workers that send. Null for other roles.")
    details: list[str] = Field(description="Why others do not send.")
    seen_seconds_ago: float | None = Field(description="Null: none was seen within a day.")


class QueueAnswer(Told):
    """The queue of a channel as SQS counts it, about. `dead` are its dead letters."""

    channel: str
    waiting: int
    in_flight: int
    dead: int | None


class TonightAnswer(Told):
    """Everything of one moment. All callers and the page share it for two seconds."""

    at: Utc
    well: bool = Field(description="No job, role or hold needs somebody.")
    jobs: list[StandingJobAnswer] = Field(description="Jobs that have not finished, 50 at most.")
    more_jobs: bool
    scheduled: list[ScheduledJobAnswer]
    scheduled_problem: str | None
    roles: list[RoleAnswer]
    holds: list[HoldAnswer]
    gates: list[GateAnswer] = Field(description="Channels that send nothing now, because the way out is broken.")
    open_emails: dict[str, int] = Field(description="Emails of these jobs that have not ended, by state.")
    in_doubt: int = Field(description="Emails in doubt of all jobs, within seven days.")
    oldest_queued_seconds: float
    silence_seconds: float = Field(description="Without a sent email, while some wait.")
    differing_hosts: list[str] = Field(description="Hosts with another release or configuration than most.")
    differing_channels: dict[str, list[str]] = Field(
        description="Channels whose workers have different settings, with their hosts."
    )
    queues: list[QueueAnswer] | None = Field(description="Null: no sweeper has counted them within two minutes.")
    queues_age_seconds: float | None = Field(description="Of the oldest count.")
    queues_problem: str | None


def routes() -> ApiRoutes:
    """The routes of this subject."""
    r = ApiRoutes("tonight", "Whether all is well.")

    @r.get("/tonight", Right.VIEW, TonightAnswer, "jobs --unfinished")
    def show_tonight() -> Response:
        """Show what runs, what stands still and why, and whether anything needs a person."""
        queries = operations_now().tonight
        night, queues = queries.look(), queries.queues()
        answer = TonightAnswer(
            **_figures(night),
            jobs=[_job(one) for one in night.jobs],
            scheduled=[scheduled_job_answer(job) for job in night.scheduled],
            scheduled_problem=shown_or_none(night.scheduled_problem),
            roles=[_role(one) for one in night.roles],
            holds=[hold_answer(one) for one in night.holds],
            gates=[gate_answer(one) for one in night.gates],
            queues=None if queues.value is None else [QueueAnswer.model_validate(one) for one in queues.value],
            queues_age_seconds=queues.age,
            queues_problem=queues.problem or None,
        )
        return tagged(as_json(answer))

    return r


def _figures(night: TonightView) -> dict[str, object]:
    return {
        "at": night.at,
        "well": night.is_well,
        "more_jobs": night.more_jobs,
        "open_emails": {state.value: count for state, count in night.open_emails.items()},
        "in_doubt": night.in_doubt,
        "oldest_queued_seconds": round(night.oldest_queued, 1),
        "silence_seconds": round(night.silence, 1),
        "differing_hosts": list(night.differing),
        "differing_channels": {name: list(hosts) for name, hosts in night.differing_channels.items()},
    }


def _job(one: StandingJob) -> StandingJobAnswer:
    stands = one.standing
    return StandingJobAnswer(
        **dict(job_answer(one.job.report, one.job.counted_at)),
        standing=stands.standing,
        why=shown(stands.why),
        do=stands.do,
        needs_somebody=stands.needs_somebody,
    )


def _role(role: RoleView) -> RoleAnswer:
    return RoleAnswer(
        role=role.role,
        alive=role.alive,
        gone=role.gone,
        missing=role.is_missing,
        hosts=list(role.hosts),
        sending=role.sending,
        details=[shown(one) for one in role.details],
        seen_seconds_ago=None if role.seen is None else round(role.seen, 1),
    )
