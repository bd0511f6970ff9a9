"""Settings: one TOML file, systemd's credentials, EED_ variables; every mistake reported at once.

Only this package reads the environment.
"""

from eed_delivery.config.alert_settings import AlertFact, AlertRule, AlertsSettings
from eed_delivery.config.clear_text import Caution, cautions
from eed_delivery.config.environment import Supervision, failpoints_wanted, supervision, without_settings
from eed_delivery.config.formats import normalise_region
from eed_delivery.config.load import load
from eed_delivery.config.settings import (
    AwsSettings,
    BouncesSettings,
    DatabaseSettings,
    LogSettings,
    OutboxSettings,
    PublisherSettings,
    QueueSettings,
    RenderingSettings,
    ServiceSettings,
    SesSettings,
    Settings,
    SmtpSettings,
    SweeperSettings,
    TrackingSettings,
    TransportSettings,
    WatchSettings,
    WebSettings,
    WorkerSettings,
)
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
    "AwsSettings",
    "BouncesSettings",
    "Caution",
    "DatabaseSettings",
    "EmailSource",
    "EmailStatuses",
    "JobSource",
    "JobStatuses",
    "LogSettings",
    "OutboxSettings",
    "PublisherSettings",
    "QueueSettings",
    "RenderingSettings",
    "ServiceSettings",
    "SesSettings",
    "Settings",
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
    "supervision",
    "without_settings",
]
