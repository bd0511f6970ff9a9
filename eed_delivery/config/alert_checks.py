"""Checks of `[alerts]` together with the other sections."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

from eed_delivery.config.alert_settings import TOKEN, AlertsSettings
from eed_delivery.config.problems import Clash

if TYPE_CHECKING:
    from eed_delivery.config.settings import Settings


def alert_clashes(settings: "Settings") -> Iterator[Clash]:
    """Every rule that could not send an alert, or never be true."""
    alerts = settings.alerts
    yield from _names(alerts)
    yield from _audiences(alerts)
    yield from _ways(alerts, settings.aws.region)
    yield from _facts(settings)


def _names(alerts: AlertsSettings) -> Iterator[Clash]:
    counted = Counter(one.name for one in alerts.all_rules)
    for name, count in counted.items():
        if count > 1:
            what = f"{count} rules are called {name}, and would share one cool-down"
            yield Clash.of(("alerts.rule", "alerts.fact"), what, "Give each a name of its own.")


def _audiences(alerts: AlertsSettings) -> Iterator[Clash]:
    for one in alerts.all_rules:
        for name in one.audience:
            if name not in alerts.audience:
                known = ", ".join(sorted(alerts.audience)) or "none yet"
                what = f"{one.name} is for the audience {name}, which does not exist"
                yield Clash.of(("alerts.rule", "alerts.fact", "alerts.audience"), what, f"Audiences: {known}.")
    for name, audience in alerts.audience.items():
        if audience.empty:
            what = f"no receiver is set in the audience {name}"
            yield Clash.of(("alerts.audience",), what, "Give it email, sns or webhook.")


def _ways(alerts: AlertsSettings, region: str) -> Iterator[Clash]:
    audiences = list(alerts.audience.values())
    if any(audience.email for audience in audiences) and alerts.sender is None:
        what = "alerts go by email, but their sender's address is not set"
        yield Clash.of(("alerts.sender", "alerts.audience"), what, "Give one that your mail server lets you send from.")
    for arn in [arn for audience in audiences for arn in audience.sns]:
        if arn.split(":")[3] != region:
            what = f"the topic is in {arn.split(':')[3]}, and aws.region is {region}"
            yield Clash.of(("alerts.audience", "aws.region"), what, "Choose a topic in aws.region.")
    if alerts.webhook_token is None and any(TOKEN in url for audience in audiences for url in audience.webhook):
        what = f"a webhook's address has a placeholder for the {TOKEN}, and there is none"
        remedy = "Give it as the systemd credential alerts_webhook_token or EED_ALERTS__WEBHOOK_TOKEN."
        yield Clash.of(("alerts.audience", "alerts.webhook_token"), what, remedy)


def _facts(settings: "Settings") -> Iterator[Clash]:
    watched = {one.fact for one in settings.alerts.fact}
    if "dead_letters" in watched and settings.queue.dead_letter_url is None:
        what = "the rule counts dead letters, but queue.dead_letter_url is not set"
        yield Clash.of(("alerts.fact", "queue.dead_letter_url"), what, "Give the dead-letter queue's URL.")
    if "ses_quota_percent" in watched and settings.transport.kind != "ses":
        what = f'the rule watches SES\'s quota, but the transport is "{settings.transport.kind}"'
        yield Clash.of(("alerts.fact", "transport.kind"), what, "Remove the fact.")
