"""Each column of the ledger by what it says of a person. A test holds it to the schema and to docs/privacy.md."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Erasure(StrEnum):
    """What becomes of a column of personal data when its person is erased."""

    PSEUDONYM = "replaced by a keyed hash"
    REMOVED = "removed"
    MASKED = "addresses in it masked"
    KEPT = "kept: it names nobody by itself"
    KEPT_BY_LAW = "kept: the audit cannot be changed"


@dataclass(frozen=True, slots=True)
class PersonalTable:
    """One table. `found` says how a person's rows are found; "": it has none. `personal` are the columns that tell
    something of a person, each with its erasure, and `other` those that don't."""

    found: str
    personal: Mapping[str, Erasure]
    other: frozenset[str]


def _table(
    found: str = "",
    *,
    pseudonym: str = "",
    removed: str = "",
    masked: str = "",
    kept: str = "",
    kept_by_law: str = "",
    other: str = "",
) -> PersonalTable:
    """A table by the names of its columns."""
    groups = (
        (pseudonym, Erasure.PSEUDONYM),
        (removed, Erasure.REMOVED),
        (masked, Erasure.MASKED),
        (kept, Erasure.KEPT),
        (kept_by_law, Erasure.KEPT_BY_LAW),
    )
    personal = {name: erasure for names, erasure in groups for name in names.split()}
    return PersonalTable(found, personal, frozenset(other.split()))


PERSONAL_DATA: Mapping[str, PersonalTable] = {
    "eed_email": _table(
        "by address",
        pseudonym="address",
        removed="recipient detail",
        kept="email_id source_key job_id state gen attempts wire_at message_id changed_at outcome outcome_at resend_of"
        " redirected despite_list",
        other="token lease_until not_before queued_at",
    ),
    "eed_former_address": _table("by address", pseudonym="address", kept="email_id"),
    "eed_attempt": _table(
        "by email, and by the address that it went to",
        pseudonym="recipient",
        removed="reply",
        kept="attempt_id email_id gen attempt verdict code enhanced message_id ended_at",
        other="counted worker took_ms sha256",
    ),
    "eed_event": _table(
        "by email, and by address where it counts towards suppression",
        pseudonym="address",
        removed="detail",
        kept="event_id email_id gen kind outcome sub_type code enhanced message_id automatic occurred_at received_at",
    ),
    "eed_suppression": _table(
        "by address", pseudonym="address", removed="reason", kept="category source created_at expires_at"
    ),
    "eed_webhook": _table(
        "by email",
        removed="answer",
        kept="webhook_id kind email_id gen event_id facts occurred_at state tried_at status",
        other="nonce job_id waiting_since due_at token tries",
    ),
    "eed_job": _table(
        "by email",
        removed="name",
        masked="reason",
        kept="job_id source_key category state created_at",
        other="revision total not_enlisted enlist_after enlisted_at expires_at token lease_until finished_at watched"
        " watched_from sent_before warned_of_bounces warned_of_complaints rounds found refused regenerated moved"
        " rehearsal"
        " reconciled_at differences resent reconcile_token reconcile_until pseudonymised_at channel held_until archive"
        " held_domains final_counts window_from window_until next_window_from next_window_until send_window"
        " deadline",
    ),
    "eed_refusal": _table("by the email's key", kept="refusal_id job_id job_key source_key reason round refused_at"),
    "eed_domain_hold": _table(
        "by the address's domain, if the reason has the address in it",
        masked="reason",
        kept="domain held_at",
        other="channel times until_at",
    ),
    "eed_audit": _table(
        "by email, and by address where an act names it",
        kept_by_law="act_id job_id email_id act who reason count at sudo_user host surface command object_kind"
        " object_key counts state_before state_after operation",
        other="sequence salt texts_hash previous_hash hash",
    ),
    "eed_audit_head": _table(other="head_id sequence hash"),
    "eed_duty": _table(other="name done_at holder held_until"),
    # Replies in its detail are masked.
    "eed_worker": _table(
        other="worker_id host role threads sending detail started_at heartbeat_at channel mark version config"
        " per_second coordination threads_least threads_most threads_why threads_changed_at"
    ),
    # Replies in its reason are masked.
    "eed_gate": _table(other="channel reason shut_at shut_until pause_seconds trial_token trial_until mapping_off_at"),
    "eed_send_rate": _table(other="channel next_at pause_seconds slowed_at factor"),
    # They name an email by its number. The copy itself is in the archive, which docs/privacy.md says how to search.
    "eed_archive_copy": _table(other="job_id email_id gen sha256 size archived_at"),
    "eed_file": _table(
        "by email",
        removed="path",
        kept="job_id email_id gen number put_at",
        other="channel size sha256 round",
    ),
    # A path's SHA-256, for an hour. It tells a path to those only who guess it whole.
    "eed_taken_path": _table(other="channel digest email_id token former_id taken_at"),
    # Its path is made of the job's key.
    "eed_manifest": _table(
        other="job_id round number channel wanted_at token lease_until not_before tries sha256 path files size put_at"
        " detail unlisted"
    ),
    "eed_channel": _table(other="name settings version made_by made_at changed_by changed_at"),
    "eed_pace": _table(other="channel per_second reason who set_at until_at"),
    "eed_domain_pace": _table(other="domain per_second concurrency reason who set_at until_at"),
    "eed_domain_turn": _table(other="kind name next_at"),
    "eed_domain_slot": _table(other="name token until_at"),
    "eed_domain_backlog": _table(other="job_id name waiting per_second concurrency counted_at"),
    "eed_aws_figure": _table(other="kind channel facts asked_at"),
    "eed_hold": _table(other="hold_id scope subject reason who held_at in_force_at until_at"),
    "eed_window_override": _table(other="override_id scope subject reason who set_at until_at"),
    "eed_webhook_endpoint": _table(other="endpoint_id failures probe_at paused_at reason"),
    # Operators, and no recipients.
    "eed_user": _table(other="name password_hash role rights made_by made_at revoked_at"),
    "eed_job_progress": _table(other="job_id at total done may_leave allowed_seconds kept"),
    "eed_job_forecast": _table(other="job_id at end_at margin_seconds verdict seen looks"),
    "eed_api_token": _table(other="name digest role scopes made_by made_at expires_at used_at revoked_at"),
    "eed_session": _table(other="digest user_name made_at seen_at ends_at"),
    "eed_login_attempt": _table(other="subject failures last_at blocked_until"),
    # Addresses that were named are in `selection` until the act ends, a day at most.
    "eed_operation": _table(
        other="operation_id kind state selection parameters selection_etag tolerance canary reason who host surface"
        " command total done skipped after_key errors result token lease_until tries made_at started_at moved_at"
        " ended_at"
    ),
    # A file of recipients, until its operation ends. docs/privacy.md says so.
    "eed_submitted_part": _table(other="operation_id number content made_at"),
    # Findings name emails by their keys. Recipients are hashes in the parts, which go when the rehearsal ends.
    "eed_rehearsal": _table(
        other="operation_id job_key verdict whole digest template emails looked_at rendered total_bytes facts made_at"
    ),
    "eed_rehearsal_part": _table(other="operation_id number content made_at"),
    "eed_rehearsal_lock": _table(other="job_key operation_id made_at"),
    # Emails by their keys. Descriptions of differences have words of templates alone.
    "eed_shadow": _table(other="operation_id facts made_at"),
    "eed_shadow_job": _table(
        other="operation_id job_key state unsent after_key emails facts seen_at looked_at moved_at over_at ended_at"
    ),
    "eed_shadow_email": _table(other="operation_id job_key email_key verdict differences"),
    "eed_shadow_copy": _table(other="operation_id copy_id match_key path begin_at length message_id minute email_key"),
    "eed_shadow_acceptance": _table(other="name field pattern who reason made_at"),
    # Others' messages. Addresses in the body are masked before it is kept, and a letter goes with its message.
    "eed_dead_letter": _table(
        other="letter_id sqs_id channel receipt receives problem body size sent_at found_at seen_at deleted_at"
    ),
    "eed_approval": _table(
        other="operation_id rule state asked_by asked_subject asked_at until_at decided_by decided_subject decided_at"
        " reason"
    ),
    # An answer to an act names no recipient.
    "eed_idempotency_key": _table(other="digest request operation token lease_until status answer made_at"),
    "eed_alert": _table(other="rule hits window_at times sent_at"),
}
"""By table. Of a job, `name` is removed only where the job is one email."""


def shown_columns(table: str) -> tuple[str, ...]:
    """The columns of a table that a person is given."""
    return tuple(PERSONAL_DATA[table].personal)
