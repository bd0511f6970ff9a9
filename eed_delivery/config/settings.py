"""The settings: one class a section of the TOML file. docs/configuration.md says what each one is for.

Names that end in `_seconds` hold seconds, `_bytes` bytes, `_chars` characters. Nothing here reads anything.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, PrivateAttr, SecretStr, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import URL

from eed_delivery.config.alert_settings import AlertsSettings
from eed_delivery.config.archive import NO_ARCHIVE, ArchiveOnDemand
from eed_delivery.config.channels import DEFAULT, ChannelName, ChannelSettings
from eed_delivery.config.database_address import DatabaseUrl, UnusableUrl
from eed_delivery.config.database_url import parse_database_url
from eed_delivery.config.deadlines import DeadlinesSettings
from eed_delivery.config.domain_paces import DomainPaceSettings, DomainRule
from eed_delivery.config.formats import (
    Address,
    BaseUrl,
    Endpoint,
    HeloName,
    HostName,
    HttpUrl,
    MailHost,
    QueueUrl,
    Rate,
    Region,
    S3Prefix,
    Seconds,
    SecondsOrNone,
    Unsubscribe,
    host_and_port,
    is_loopback,
    mistake,
)
from eed_delivery.config.metrics import MetricsSettings
from eed_delivery.config.operators import OperatorsSettings
from eed_delivery.config.privacy_settings import PrivacySettings
from eed_delivery.config.references import ChannelSecret, ChannelVariable
from eed_delivery.config.rehearsal import RehearsalSettings
from eed_delivery.config.resolver import ResolverSettings
from eed_delivery.config.section import OnDemand, Section
from eed_delivery.config.send_windows import NO_WINDOWS, SendWindowsSettings, WindowSettings
from eed_delivery.config.shadow import ShadowSettings
from eed_delivery.config.source_mapping import SourceSettings
from eed_delivery.config.threads import Threads
from eed_delivery.config.webhooks import WebhooksSettings

MIB = 1024 * 1024
SHORTEST_WEB_SECRET = 32
"""Characters; a test holds it to `tracking.links.MIN_KEY`."""
UNUSED_IN_URL = "the password in it is ignored, because database.password is set"
Percent = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]
# SQS keeps a message for 14 days at most.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
LEAST_RETENTION_DAYS = 15


class DatabaseSettings(Section):
    """The database that holds the source's tables and our ledger."""

    url: SecretStr  # a secret, because a password may be in it
    password: SecretStr | None = None
    ca_file: Path | None = None
    connect_timeout_seconds: Seconds = 10
    read_timeout_seconds: Seconds = 60

    @field_validator("url")
    @classmethod
    def _usable(cls, url: SecretStr) -> SecretStr:
        try:
            parse_database_url(url.get_secret_value())
        except UnusableUrl as error:
            raise mistake(error.what, error.remedy) from None
        return url

    def parsed_url(self) -> DatabaseUrl:
        """The URL in its parts, with what was translated and what was left out."""
        return parse_database_url(self.url.get_secret_value())

    @property
    def url_notes(self) -> tuple[str, ...]:
        """What became of each option of the URL that is not used as it stands, for people."""
        parsed = self.parsed_url()
        return (*parsed.notes, UNUSED_IN_URL) if self.password and parsed.url.password else parsed.notes

    def sqlalchemy_url(self) -> URL:
        """The URL for `create_engine`, with PyMySQL, utf8mb4, timeouts and TLS. `str()` of it hides the password."""
        parsed = self.parsed_url()
        if self.password is not None:
            parsed = parsed.with_password(self.password.get_secret_value())
        return parsed.for_pymysql(
            ca_file=self.ca_file,
            connect_seconds=self._timeout("connect_timeout_seconds", parsed.connect_timeout_seconds),
            read_seconds=self._timeout("read_timeout_seconds", parsed.read_timeout_seconds),
        )

    def _timeout(self, name: str, in_url: float | None) -> float:
        """A setting that was given wins over the URL's option, and that over the setting's default."""
        given: float = getattr(self, name)
        return given if in_url is None or name in self.model_fields_set else in_url


class AwsSettings(Section):
    """Where and as whom we talk to AWS. The keys are used only with `credentials = "environment"`."""

    region: Region
    credentials: Literal["container", "environment", "instance-role"] = "instance-role"
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None


class QueueSettings(Section):
    """The SQS queue. `endpoint_url` is for development. The limits are those of SQS.

    https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
    """

    url: QueueUrl
    dead_letter_url: QueueUrl | None = None
    endpoint_url: HttpUrl | None = None
    wait_seconds: Annotated[int, Field(ge=0, le=20)] = 20
    visibility_timeout_seconds: Annotated[int, Field(ge=1, le=43_200)] = 120
    max_receive_count: Annotated[int, Field(ge=1, le=1000)] = 10


class PublisherSettings(Section):
    """How ready jobs become messages."""

    poll_seconds: Seconds = 0.25
    chunk: Annotated[int, Field(ge=1, le=10_000)] = 1000
    queue_ahead: Annotated[int, Field(ge=10, le=1_000_000)] = 2000
    connections: Annotated[int, Field(ge=1, le=64)] = 4
    job_lease_seconds: Seconds = 60
    require_rehearsal: bool = False


class WorkerSettings(Section):
    """How emails are sent. Two zeros are computed: `processes` (one a core) and `send_lease_seconds`."""

    processes: Annotated[int, Field(ge=0, le=256)] = 0
    threads: Threads = "auto"
    lease_seconds: Seconds = 60
    send_lease_seconds: SecondsOrNone = 0
    max_attempts: Annotated[int, Field(ge=1, le=100)] = 3
    retry_delay_seconds: Annotated[float, Field(ge=0, le=43_200, allow_inf_nan=False)] = 60
    retry_growth: Annotated[float, Field(ge=1, le=100, allow_inf_nan=False)] = 4.0
    # SQS keeps a message invisible for 12 hours at most
    retry_max_delay_seconds: Annotated[float, Field(ge=0, le=43_200, allow_inf_nan=False)] = 3600
    doubt: Literal["hold", "reconcile", "resend"] = "hold"
    heartbeat_seconds: Seconds = 5
    same_answer_limit: Annotated[int, Field(ge=1)] = 100
    same_answer_window: Annotated[int, Field(ge=1)] = 200
    probe_seconds: Seconds = 10
    coordination: Literal["heartbeats", "ledger"] = "heartbeats"


class SweeperSettings(Section):
    """How lost work is put back, and how often source and ledger are compared. 0 hours means never."""

    interval_seconds: Seconds = 10
    queued_patience_seconds: Seconds = 300
    reconcile_hours: Annotated[float, Field(ge=0, le=8760, allow_inf_nan=False)] = 24


class ServiceSettings(Section):
    """The supervisor. `stop_seconds` must be less than the unit's TimeoutStopSec=90, or systemd kills us first."""

    stop_seconds: Annotated[float, Field(gt=0, lt=90, allow_inf_nan=False)] = 80
    stall_seconds: Seconds = 1800
    render_seconds: Seconds = 30


class TransportSettings(Section):
    """How emails leave, how many a second for all workers of all hosts together, when, and where copies are kept."""

    kind: Literal["smtp", "ses", "eml_folder"] = "smtp"
    rate_per_second: Rate = 0.0
    archive: ArchiveOnDemand = NO_ARCHIVE
    send_windows: OnDemand[WindowSettings] = NO_WINDOWS


class SmtpServer(Section):
    """A mail server, but for the password. The timeouts are for one step each (RFC 5321, section 4.5.3.2)."""

    host: MailHost = "localhost"
    port: Annotated[int, Field(ge=1, le=65_535)] = 25
    tls: Literal["none", "starttls", "implicit"] = "starttls"
    ca_file: Path | None = None
    username: str | None = None
    helo_name: HeloName | None = None
    connect_timeout_seconds: Seconds = 30
    command_timeout_seconds: Seconds = 60
    data_timeout_seconds: Seconds = 600  # 4.5.3.2.6: a shorter one turns slow acceptance into doubt
    max_messages_per_connection: Annotated[int, Field(ge=1)] = 500
    max_idle_seconds: SecondsOrNone = 60

    PASSWORD_IS_GIVEN: ClassVar[str] = "as a reference, like credential:NAME"  # noqa: S105 - says how, and is none

    def mistakes(self, *, has_password: bool) -> Iterator[tuple[tuple[str, ...], str, str]]:
        """Settings of it that do not go together: their names, what is wrong, what would be right."""
        if (self.username is None) != (not has_password):
            remedy = f"Set both (the password {self.PASSWORD_IS_GIVEN}), or neither."
            yield ("username", "password"), "one of them is set, and the other is not", remedy
        if self.tls == "none" and (self.username or has_password) and not is_loopback(self.host):
            what = f"the password would go to {self.host} in clear text"
            yield ("tls", "username", "host"), what, 'Choose tls = "starttls" or "implicit".'
        if self.tls == "none" and self.ca_file:
            remedy = 'Choose tls = "starttls" or "implicit", or remove the CA.'
            yield ("tls", "ca_file"), "a CA is set, but TLS is off", remedy


class SmtpSettings(SmtpServer):
    """The mail server of the channel `default`."""

    PASSWORD_IS_GIVEN = "as the systemd credential smtp_password or EED_SMTP__PASSWORD"  # noqa: S105 - likewise

    password: SecretStr | None = None


class SesSettings(Section):
    """Amazon SES, API version 2."""

    configuration_set: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    endpoint_url: HttpUrl | None = None
    connect_timeout_seconds: Seconds = 5
    read_timeout_seconds: Seconds = 60
    max_idle_seconds: SecondsOrNone = 5


class EmlFolderSettings(Section):
    """The transport that writes .eml files instead of sending."""

    directory: Path = Path("eml_folder")


class AwsLambdaSettings(Section):
    """The function that sends, if there is one. `timeout_seconds` is the function's own timeout.

    `tick_seconds` is how long the function `tick` works each time. It turns `event_source_mapping`, a UUID, off while
    nothing can be sent.

    https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    """

    timeout_seconds: Annotated[int, Field(ge=1, le=900)] | None = None
    channel: ChannelName = DEFAULT
    tick_seconds: Annotated[int, Field(ge=1, le=800)] = 50
    event_source_mapping: Annotated[str, Field(pattern=r"^[0-9a-fA-F-]{36}$")] | None = None
    endpoint_url: HttpUrl | None = None


class RenderingSettings(Section):
    """How an email is made from its template, variables and attachments."""

    message_id_domain: HostName
    envelope_sender: Address | None = None
    attachments_root: Path | None = None
    attachments_s3: tuple[S3Prefix, ...] = ()
    s3_endpoint_url: HttpUrl | None = None
    allow_empty_attachments: bool = False
    max_attachment_bytes: Annotated[int, Field(ge=1)] = 10 * MIB
    max_message_bytes: Annotated[int, Field(ge=1024)] = 25 * MIB
    max_output_chars: Annotated[int, Field(ge=1)] = 1_000_000
    list_unsubscribe: Unsubscribe | None = None
    missing: Literal["empty", "fail"] = "empty"


class TrackingSettings(Section):
    """What becomes of emails after they have left.

    0 days mean no limit (but not in `suppress_within_days`). A threshold of 0 is never reached. 0 processes are one a
    core.
    """

    events_queue_url: QueueUrl | None = None
    processes: Annotated[int, Field(ge=0, le=256)] = 1
    threads: Annotated[int, Field(ge=1, le=64)] = 4
    unmatched_after_seconds: SecondsOrNone = 900
    reconcile_seconds: Seconds = 600
    suppress_hard_bounces: Annotated[int, Field(ge=0, le=1000)] = 1
    suppress_soft_bounces: Annotated[int, Field(ge=0, le=1000)] = 0
    suppress_complaints: Annotated[int, Field(ge=0, le=1000)] = 1
    suppress_within_days: Annotated[int, Field(ge=1, le=3650)] = 90
    suppression_days: Annotated[int, Field(ge=0, le=3650)] = 0
    event_retention_days: Annotated[int, Field(ge=0, le=36_500)] = 0

    @field_validator("event_retention_days")
    @classmethod
    def _longer_than_a_queue_keeps(cls, days: int) -> int:
        """An event that comes again is known by its row, which must outlive the last message about it."""
        if 0 < days < LEAST_RETENTION_DAYS:
            what = "an event may come again for 14 days, and would then count twice"
            raise mistake(what, f"Give {LEAST_RETENTION_DAYS} days or more, or 0 to keep events indefinitely.")
        return days


class WatchSettings(Section):
    """The watch on running jobs, by hard bounces and complaints in percent of what a job has sent.

    0 percent means never.
    """

    interval_seconds: Seconds = 2
    after_sent: Annotated[int, Field(ge=1)] = 1000
    bounces_warn_percent: Percent = 5.0
    bounces_pause_percent: Percent = 10.0
    complaints_warn_percent: Percent = 0.1
    complaints_pause_percent: Percent = 0.3


class BouncesSettings(Section):
    """The address that bounces come back to, and what listens for them. `former_secrets` are separated by spaces.
    `feedback_address` is what is registered with mailbox providers for complaints."""

    address: str = ""
    secret: SecretStr | None = None
    former_secrets: SecretStr | None = None
    listen: Endpoint | None = None
    protocol: Literal["lmtp", "smtp"] = "lmtp"
    feedback_address: Address | None = None

    def place(self) -> tuple[str, int]:
        """Host and port of `listen`, which must be set."""
        return host_and_port(self.listen or "")


class WebSettings(Section):
    """Where the signed links in emails lead, and what answers there. `former_secrets` are separated by spaces."""

    base_url: BaseUrl | None = None
    listen: Endpoint | None = None
    health_listen: Endpoint | None = None
    link_valid_days: Annotated[int, Field(ge=0, le=36_500)] = 0
    secret: SecretStr | None = None
    former_secrets: SecretStr | None = None
    tenant: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{0,64}$")] = ""
    unsubscribe: Literal["off", "category", "every"] = "off"

    @field_validator("secret", "former_secrets")
    @classmethod
    def _not_guessed(cls, given: SecretStr | None) -> SecretStr | None:
        """Every email contains a signature, against which its reader may try words as the secret."""
        words = given.get_secret_value().split() if given is not None else []
        if given is not None and min(map(len, words), default=0) < SHORTEST_WEB_SECRET:
            what = f"a secret has fewer than {SHORTEST_WEB_SECRET} characters"
            raise mistake(what, "Make one with openssl rand -hex 32.")
        return given

    def place(self) -> tuple[str, int]:
        """Host and port of `listen`, which must be set."""
        return host_and_port(self.listen or "")

    def health_place(self) -> tuple[str, int] | None:
        """Host and port of `health_listen`. None if it is not set."""
        return host_and_port(self.health_listen) if self.health_listen is not None else None

    def keys(self) -> list[str]:
        """The secret, then the former ones. Empty if there is none."""
        given = [one.get_secret_value() for one in (self.secret, self.former_secrets) if one is not None]
        return " ".join(given).split() if self.secret is not None else []


class LogSettings(Section):
    """What is logged, as JSON lines on stdout, from this level up."""

    level: Literal["debug", "info", "warning", "error"] = "info"


CLEAR_TEXT = (
    "database.url",
    "smtp.tls",
    "queue.url",
    "queue.dead_letter_url",
    "queue.endpoint_url",
    "tracking.events_queue_url",
    "ses.endpoint_url",
    "rendering.s3_endpoint_url",
    "transport.archive.endpoint_url",
    "alerts.sns_endpoint_url",
    "aws_lambda.endpoint_url",
    "alerts.audience",
    "metrics.cloudwatch_endpoint_url",
)
"""The settings that may send to another host without TLS. Channels have settings of their own for that."""
_OF_A_CHANNEL = re.compile(r"channel\.[a-z][a-z0-9_-]{0,31}\.archive\.endpoint_url")


def _clear_text(name: str) -> str:
    if name in CLEAR_TEXT or _OF_A_CHANNEL.fullmatch(name):
        return name
    names = ", ".join(CLEAR_TEXT)
    raise mistake(
        f"{name!r} is not a setting that can be allowed", f"Possible are {names} and channel.NAME.archive.endpoint_url."
    )


class SecuritySettings(Section):
    """What an operator allows although it is less safe. `clear_text` are the settings that may go out without TLS.

    `channel_variables` are the variables of the environment that channels of the ledger may name as secrets, and
    `channel_secrets` those of AWS Secrets Manager, by name.
    """

    clear_text: tuple[Annotated[str, AfterValidator(_clear_text)], ...] = ()
    channel_variables: tuple[ChannelVariable, ...] = ("CHANNEL_*",)
    channel_secrets: tuple[ChannelSecret, ...] = ("eed-channel/*",)


@dataclass(frozen=True, slots=True)
class OldName:
    """A setting that was given under a name of an earlier release.

    `setting` is the name as it was given. `now` is its present name.
    """

    setting: str
    now: str

    @property
    def what(self) -> str:
        """What is the case, for people."""
        return f"it is an old name of {self.now}, and still works"

    @property
    def remedy(self) -> str:
        """What to do about it."""
        return f"Write {self.now}."


class Settings(BaseSettings):
    """Every setting. Made by `eed_delivery.config.load`. Constructed directly, it takes only what it is given.

    What checks them is built when it is first needed. A process that is handed the settings never needs it, and starts
    in 0.2 s less of CPU.
    """

    model_config = SettingsConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, defer_build=True)

    database: DatabaseSettings
    security: OnDemand[SecuritySettings] = SecuritySettings.left_out()
    aws: AwsSettings
    queue: QueueSettings
    publisher: OnDemand[PublisherSettings] = PublisherSettings.left_out()
    worker: OnDemand[WorkerSettings] = WorkerSettings.left_out()
    sweeper: OnDemand[SweeperSettings] = SweeperSettings.left_out()
    service: OnDemand[ServiceSettings] = ServiceSettings.left_out()
    transport: OnDemand[TransportSettings] = TransportSettings.left_out()
    smtp: OnDemand[SmtpSettings] = SmtpSettings.left_out()
    ses: OnDemand[SesSettings] = SesSettings.left_out()
    eml_folder: OnDemand[EmlFolderSettings] = EmlFolderSettings.left_out()
    channel: OnDemand[dict[ChannelName, ChannelSettings]] = {}
    aws_lambda: OnDemand[AwsLambdaSettings] = AwsLambdaSettings.left_out()
    send_windows: OnDemand[SendWindowsSettings] = SendWindowsSettings.left_out()
    deadlines: OnDemand[DeadlinesSettings] = DeadlinesSettings.left_out()
    domains: OnDemand[dict[DomainRule, DomainPaceSettings]] = {}
    rendering: RenderingSettings
    tracking: OnDemand[TrackingSettings] = TrackingSettings.left_out()
    watch: OnDemand[WatchSettings] = WatchSettings.left_out()
    bounces: OnDemand[BouncesSettings] = BouncesSettings.left_out()
    web: OnDemand[WebSettings] = WebSettings.left_out()
    operators: OnDemand[OperatorsSettings] = OperatorsSettings.left_out()
    webhooks: OnDemand[WebhooksSettings] = WebhooksSettings.left_out()
    alerts: OnDemand[AlertsSettings] = AlertsSettings.left_out()
    metrics: OnDemand[MetricsSettings] = MetricsSettings.left_out()
    privacy: OnDemand[PrivacySettings] = PrivacySettings.left_out()
    logs: OnDemand[LogSettings] = LogSettings.left_out()
    rehearsal: OnDemand[RehearsalSettings] = RehearsalSettings.left_out()
    shadow: OnDemand[ShadowSettings] = ShadowSettings.left_out()
    resolver: OnDemand[ResolverSettings] = ResolverSettings.left_out()
    source: OnDemand[SourceSettings] = SourceSettings.left_out()
    _old_names: tuple[OldName, ...] = PrivateAttr(default=())

    @property
    def old_names(self) -> tuple[OldName, ...]:
        """The settings that were given under old names."""
        return self._old_names

    def note_old_names(self, names: Iterable[OldName]) -> None:
        """Keep what was given under old names, for `load`."""
        self._old_names = tuple(names)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic-settings names these arguments
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing is read without the caller's knowledge. `load` alone decides which environment counts."""
        return (init_settings,)
