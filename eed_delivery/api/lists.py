"""Processes, and the audit."""

from collections.abc import Mapping
from typing import Annotated, Any

from flask import Response
from pydantic import Field

from eed_delivery.access.rights import Right
from eed_delivery.api.cursors import Cursors
from eed_delivery.api.masking import shown, shown_or_none
from eed_delivery.api.routes import ApiRoutes
from eed_delivery.api.schemas import Asked, Cursor, Key, Moment, PageSize, Told, Utc, as_json
from eed_delivery.api.versions import tagged
from eed_delivery.operations.auditing import KINDS, AuditEntry, AuditRequest
from eed_delivery.operators.shell import json_answer, operations_now

Facts = dict[str, str | int | bool | None]


class ProcessAnswer(Told):
    """A process of the service."""

    id: str
    host: str
    role: str
    channel: str
    threads: int
    threads_least: int | None = Field(description="null: the number of threads is fixed.")
    threads_most: int | None
    threads_why: str | None = Field(description="Why the number changed last.")
    threads_changed_at: Utc | None
    alive: bool
    sending: bool
    detail: str | None = Field(description="Why it does not send, if it does not.")
    seen_at: Utc
    age_seconds: float
    version: str | None
    config: str | None = Field(description="A digest of its configuration.")
    differs: list[str] = Field(description="version or config, where it is not that of most living processes.")


class ProcessesAnswer(Told):
    """The processes of all hosts, the latest heartbeat first."""

    items: list[ProcessAnswer]


class AuditQuery(Asked):
    """Which acts. What is named narrows what is named before it."""

    job: Key | None = None
    email: Key | None = None
    person: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    act: Annotated[str, Field(json_schema_extra={"enum": list(KINDS)})] | None = None
    since: Moment | None = None
    until: Moment | None = None
    limit: PageSize = 100
    after: Cursor | None = None


class AuditEntryAnswer(Told):
    """An act. `via` is the surface: cli, api, page, lambda or service."""

    at: Utc
    who: str
    via: str | None
    host: str | None
    act: str
    object: str | None
    key: str | None
    reason: str | None
    count: int | None
    counts: Facts | None
    before: Facts | None
    after: Facts | None
    command: str | None
    operation: str | None


class AuditHeadAnswer(Told):
    """The end of the audit's chain: how many rows it has, and the hash of the last one."""

    sequence: int
    hash: str


class AuditAnswer(Told):
    """A page of acts, the newest first."""

    items: list[AuditEntryAnswer]
    next: str | None
    head: AuditHeadAnswer


def routes(cursors: Cursors) -> ApiRoutes:
    """The routes of these subjects."""
    r = ApiRoutes("service", "Processes, and the audit.")

    @r.get("/processes", Right.VIEW, ProcessesAnswer, "processes")
    def list_processes() -> Response:
        """List the processes of all hosts."""
        items = [
            ProcessAnswer(
                id=one.process.worker_id, host=one.process.host, role=one.process.role, channel=one.process.channel,
                threads=one.process.threads, threads_least=one.process.threads_least,
                threads_most=one.process.threads_most, threads_why=one.process.threads_why,
                threads_changed_at=one.process.threads_changed_at, alive=one.alive, sending=one.sending,
                detail=shown_or_none(one.process.detail), seen_at=one.process.last_seen,
                age_seconds=round(one.process.age, 1), version=one.process.version, config=one.process.config,
                differs=list(one.differs),
            )
            for one in operations_now().processes.all()
        ]  # fmt: skip
        return tagged(as_json(ProcessesAnswer(items=items)))

    @r.get("/audit", Right.AUDIT, AuditAnswer, "audit")
    def list_acts(query: AuditQuery) -> Response:
        """List who did what, from where and why. To look is in the audit, too."""
        wanted = AuditRequest(
            query.job, query.email, query.person, query.act, query.since, query.until, cursors.after(query.after)
        )
        page = operations_now().auditing.page(wanted, query.limit)
        items = [_entry(entry) for entry in page.entries]
        head = AuditHeadAnswer(sequence=page.head.sequence, hash=page.head.hash)
        return json_answer(as_json(AuditAnswer(items=items, next=cursors.next(page.next_after), head=head)))

    return r


def _entry(entry: AuditEntry) -> AuditEntryAnswer:
    return AuditEntryAnswer(
        at=entry.at,
        who=entry.who,
        via=entry.surface,
        host=entry.host,
        act=entry.act,
        object=entry.object,
        key=shown_or_none(entry.key),
        reason=shown_or_none(entry.reason),
        count=entry.count,
        counts=_masked(entry.counts),
        before=_masked(entry.before),
        after=_masked(entry.after),
        command=shown_or_none(entry.command),
        operation=entry.operation,
    )


def _masked(facts: Mapping[str, Any] | None) -> Facts | None:
    """Each text by itself: in JSON, what stands around it would look like a part of an address."""
    if facts is None:
        return None
    return {name: shown(value) if isinstance(value, str) else value for name, value in facts.items()}
