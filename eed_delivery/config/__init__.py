"""Settings from one TOML file, systemd's credentials and EED_ variables. Every mistake is reported at once.

- `settings`          one class a section, and `section` their base
- `source_mapping`    `[source]`, and `source_checks` its checks
- `alert_settings`    `[alerts]`, `alert_checks` its checks and `patterns` its expressions
- `webhooks`          `[webhooks]`
- `privacy_settings`  `[privacy]`
- `operators`         `[operators]`
- `metrics`           `[metrics]`
- `rehearsal`         `[rehearsal]`
- `shadow`            `[shadow]`
- `resolver`          `[resolver]`
- `channels`          `[channel.NAME]`, and `references` where their secrets are
- `file_channels`     what channels that put files have in common
- `archive`           the archive of a channel
- `send_windows`      when emails may leave, and `job_windows` a job's own
- `deadlines`         by when jobs are to have ended
- `domain_paces`      the pace of destination domains
- `checks`            rules that involve several sections, and `clear_text` settings that send without TLS
- `lambda_checks`     whether they suit a function of AWS Lambda
- `threads`           the number of a worker's threads
- `formats`           checks of single values
- `digest`            a digest of all of them, by which hosts that differ are seen
- `load`              reads the file, credentials and variables
- `environment`       variables, systemd's credentials and its supervision
- `renamed`           settings under names of earlier releases
- `tree`              settings as nested tables, before they are checked
- `problems`          pydantic's errors in words for an operator
- `database_url`      the database's URL, `jdbc` the old server's form, `database_address` its parts

Only this package reads the environment.
"""

from eed_delivery.config.alert_settings import AlertFact, AlertRule, AlertsSettings
from eed_delivery.config.clear_text import Caution, cautions
from eed_delivery.config.environment import (
    Supervision,
    failpoints_wanted,
    same_modules,
    share_metrics,
    supervision,
    without_settings,
)
from eed_delivery.config.formats import normalise_region
from eed_delivery.config.load import load
from eed_delivery.config.operators import GrantSettings, IamGrantSettings, OperatorsSettings, SignOnSettings
from eed_delivery.config.privacy_settings import PrivacySettings
from eed_delivery.config.rehearsal import RehearsalSettings
from eed_delivery.config.settings import (
    AwsLambdaSettings,
    AwsSettings,
    BouncesSettings,
    DatabaseSettings,
    EmlFolderSettings,
    LogSettings,
    PublisherSettings,
    QueueSettings,
    RenderingSettings,
    ServiceSettings,
    SesSettings,
    Settings,
    SmtpServer,
    SmtpSettings,
    SweeperSettings,
    TrackingSettings,
    TransportSettings,
    WatchSettings,
    WebSettings,
    WorkerSettings,
)
from eed_delivery.config.shadow import ShadowSettings
from eed_delivery.config.source_mapping import (
    AttachmentSource,
    EmailSource,
    EmailStatuses,
    JobSource,
    JobStatuses,
    SourceSettings,
)
from eed_delivery.config.webhooks import WebhooksSettings

__all__ = [
    "AlertFact",
    "AlertRule",
    "AlertsSettings",
    "AttachmentSource",
    "AwsLambdaSettings",
    "AwsSettings",
    "BouncesSettings",
    "Caution",
    "DatabaseSettings",
    "EmailSource",
    "EmailStatuses",
    "EmlFolderSettings",
    "GrantSettings",
    "IamGrantSettings",
    "JobSource",
    "JobStatuses",
    "LogSettings",
    "OperatorsSettings",
    "PrivacySettings",
    "PublisherSettings",
    "QueueSettings",
    "RehearsalSettings",
    "RenderingSettings",
    "ServiceSettings",
    "SesSettings",
    "Settings",
    "ShadowSettings",
    "SignOnSettings",
    "SmtpServer",
    "SmtpSettings",
    "SourceSettings",
    "Supervision",
    "SweeperSettings",
    "TrackingSettings",
    "TransportSettings",
    "WatchSettings",
    "WebSettings",
    "WebhooksSettings",
    "WorkerSettings",
    "cautions",
    "failpoints_wanted",
    "load",
    "normalise_region",
    "same_modules",
    "share_metrics",
    "supervision",
    "without_settings",
]
