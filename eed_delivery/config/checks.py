"""Settings that are good each for itself, but not together."""

from collections.abc import Callable, Iterator

from eed_delivery.config.alert_checks import alert_clashes
from eed_delivery.config.clear_text import clear_text_clashes
from eed_delivery.config.formats import is_loopback, region_of_queue
from eed_delivery.config.lambda_checks import lambda_clashes
from eed_delivery.config.problems import Clash
from eed_delivery.config.settings import Settings
from eed_delivery.config.source_checks import source_clashes

# SES takes 40 MB after encoding. https://docs.aws.amazon.com/ses/latest/dg/quotas.html
SES_MESSAGE_BYTES = 40 * 1024 * 1024


def clashes(settings: Settings) -> Iterator[Clash]:
    """Every pair of settings that cannot work together."""
    checks: tuple[Callable[[Settings], Iterator[Clash]], ...] = (_leases, _retries, _stop, _queue, _aws, _rate)
    checks += (_archives, _smtp, _database, _sizes, _reconciling, _bounces, _watch, _web, _webhooks, _privacy)
    checks += (_windows, _kept_too_short, _operators, _sign_on)
    for check in checks:
        yield from check(settings)
    yield from alert_clashes(settings)
    yield from lambda_clashes(settings)
    yield from clear_text_clashes(settings)
    yield from source_clashes(settings.source)


def _less(settings: Settings, small: str, large: str, why: str) -> Iterator[Clash]:
    """`small` must be less than `large`. Both are dotted keys."""
    low, high = _number(settings, small), _number(settings, large)
    if low >= high:
        yield Clash.of((small, large), f"{low:g} is not less than {high:g}", why)


def _number(settings: Settings, dotted: str) -> float:
    section, name = dotted.split(".")
    value: float = getattr(getattr(settings, section), name)
    return value


def _leases(settings: Settings) -> Iterator[Clash]:
    yield from _less(
        settings,
        "worker.lease_seconds",
        "queue.visibility_timeout_seconds",
        "A lease must end before its message shows up again. Lower the lease, or raise the visibility timeout.",
    )
    yield from _less(
        settings,
        "worker.heartbeat_seconds",
        "worker.lease_seconds",
        "A worker must send a heartbeat before its lease ends. Lower the heartbeat.",
    )
    yield from _less(
        settings,
        "publisher.poll_seconds",
        "publisher.job_lease_seconds",
        "A publisher renews its lease when it polls. Raise the lease, or other publishers claim its jobs.",
    )
    send_lease = settings.worker.send_lease_seconds
    longest, keys = _longest_send(settings)
    if 0 < send_lease <= longest:
        yield Clash.of(
            ("worker.send_lease_seconds", *keys),
            f"a send may take {longest:g} seconds, and its lease lasts only {send_lease:g}",
            "Raise the lease above that, or set it to 0 to have it computed.",
        )


def _longest_send(settings: Settings) -> tuple[float, tuple[str, ...]]:
    """How long an email may be on the wire, by the transport's timeouts, in seconds, and which settings say so."""
    match settings.transport.kind:
        case "smtp":
            # DATA, the content, the dot and their answers, each with a timeout of its own: SmtpTransport.wire_seconds
            seconds = 3 * settings.smtp.command_timeout_seconds + 2 * settings.smtp.data_timeout_seconds + 1
            return seconds, ("smtp.command_timeout_seconds", "smtp.data_timeout_seconds")
        case "ses":
            seconds = settings.ses.connect_timeout_seconds + settings.ses.read_timeout_seconds
            return seconds, ("ses.connect_timeout_seconds", "ses.read_timeout_seconds")
        case "eml_folder":
            return 0, ()


def _retries(settings: Settings) -> Iterator[Clash]:
    yield from _less(
        settings,
        "worker.max_attempts",
        "queue.max_receive_count",
        "Attempts must end before the queue moves a message to the dead-letter queue. Lower the attempts, "
        "or raise maxReceiveCount on the queue and here.",
    )
    worker = settings.worker
    if worker.retry_delay_seconds > worker.retry_max_delay_seconds:
        yield Clash.of(
            ("worker.retry_delay_seconds", "worker.retry_max_delay_seconds"),
            "the first delay is longer than the longest",
            "Raise the longest or lower the first.",
        )
    if worker.same_answer_limit > worker.same_answer_window:
        yield Clash.of(
            ("worker.same_answer_limit", "worker.same_answer_window"),
            "the limit can never be reached within the window",
            "Set the limit to at most the window.",
        )


def _stop(settings: Settings) -> Iterator[Clash]:
    stall = settings.service.stall_seconds
    longest, keys = _longest_send(settings)
    if stall <= longest:
        yield Clash.of(
            ("service.stall_seconds", *keys),
            f"a send may take {longest:g} seconds, and a loop counts as stalled after {stall:g}",
            "Raise service.stall_seconds (and WatchdogSec= in the unit) above that.",
        )
    yield from _less(
        settings,
        "service.render_seconds",
        "service.stall_seconds",
        "A stuck render must be seen before its whole worker counts as stalled: lower it.",
    )
    for key in ("publisher.poll_seconds", "sweeper.interval_seconds", "queue.wait_seconds"):
        yield from _less(
            settings, key, "service.stall_seconds", "A loop that only waits must not count as stalled. Lower the wait."
        )


def _queue(settings: Settings) -> Iterator[Clash]:
    queue = settings.queue
    if queue.dead_letter_url == queue.url:
        yield Clash.of(
            ("queue.dead_letter_url", "queue.url"),
            "the dead-letter queue is the queue itself",
            "Give the URL of the queue that its RedrivePolicy names.",
        )
    events = settings.tracking.events_queue_url
    if events is not None and events in (queue.url, queue.dead_letter_url):
        yield Clash.of(
            ("tracking.events_queue_url", "queue.url"),
            "the queue of events is also the queue of emails, or its dead-letter queue",
            "Give the URL of the queue that SES's topic publishes to.",
        )
    queues = {
        "queue.url": queue.url,
        "queue.dead_letter_url": queue.dead_letter_url,
        "tracking.events_queue_url": events,
    }
    for key, url in queues.items():
        region = region_of_queue(url) if url else None
        if region not in (None, settings.aws.region):
            yield Clash.of(
                (key, "aws.region"),
                f"the queue is in {region}, and aws.region is {settings.aws.region}",
                "Set aws.region to the queue's region.",
            )


def _aws(settings: Settings) -> Iterator[Clash]:
    aws = settings.aws
    keys = ("aws.access_key_id", "aws.secret_access_key")
    given = [aws.access_key_id, aws.secret_access_key]
    if aws.credentials == "environment" and not all(given):
        yield Clash.of(
            ("aws.credentials", *keys),
            "the keys must come from the environment, and some are not set",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the systemd credentials aws_access_key_id and "
            'aws_secret_access_key, or choose credentials = "instance-role".',
        )
    if aws.credentials != "environment" and (any(given) or aws.session_token):
        yield Clash.of(
            ("aws.credentials", *keys),
            f"keys are set, although the {aws.credentials.partition('-')[0]}'s role is used",
            'Remove the keys, or choose credentials = "environment".',
        )


def _rate(settings: Settings) -> Iterator[Clash]:
    if settings.transport.rate_per_second == "ses" and settings.transport.kind != "ses":
        yield Clash.of(
            ("transport.rate_per_second", "transport.kind"),
            f'the rate is what SES allows, but the transport is "{settings.transport.kind}"',
            "Give emails per second, or 0 for no limit.",
        )


def _archives(settings: Settings) -> Iterator[Clash]:
    """Each channel's archive. Those that are off must not look as if they were on."""
    places = {"transport.archive": settings.transport.archive}
    places |= {f"channel.{name}.archive": channel.archive for name, channel in settings.channel.items()}
    for key, archive in places.items():
        if (archive.object_lock_mode is None) != (archive.object_lock_days is None):
            yield Clash.of(
                (f"{key}.object_lock_mode", f"{key}.object_lock_days"),
                "one of them is set, and the other is not",
                "Set both, or neither.",
            )
        names = ("object_lock_mode", "object_lock_days", "kms_key", "endpoint_url")
        for name in (name for name in names if getattr(archive, name) is not None and not archive.in_s3):
            yield Clash.of(
                (f"{key}.{name}", f"{key}.url"),
                "that is for an archive in S3, and this is none",
                "Give s3://bucket/prefix, or remove the setting.",
            )


def _reconciling(settings: Settings) -> Iterator[Clash]:
    if settings.worker.doubt == "reconcile" and settings.tracking.events_queue_url is None:
        yield Clash.of(
            ("worker.doubt", "tracking.events_queue_url"),
            "events settle emails in doubt, but no queue of events is set",
            'Give the queue, or choose doubt = "hold".',
        )


def _bounces(settings: Settings) -> Iterator[Clash]:
    bounces = settings.bounces
    if bounces.address and bounces.secret is None:
        yield Clash.of(
            ("bounces.address", "bounces.secret"),
            "the addresses that bounces return to must be signed, and their secret is not set",
            "Make one with openssl rand -hex 32. Give it as the systemd credential bounces_secret or "
            "EED_BOUNCES__SECRET.",
        )
    if bounces.listen is not None and not bounces.address:
        yield Clash.of(
            ("bounces.listen", "bounces.address"),
            "the listener for bounces is on, but the address that they return to is not set",
            "Give the address, or remove bounces.listen.",
        )
    if bounces.feedback_address is not None and not bounces.address:
        yield Clash.of(
            ("bounces.feedback_address", "bounces.address"),
            "a complaint is recognized by its email's signed address, and emails have none",
            "Give bounces.address, or remove bounces.feedback_address.",
        )


def _watch(settings: Settings) -> Iterator[Clash]:
    for what in ("bounces", "complaints"):
        warn, pause = f"watch.{what}_warn_percent", f"watch.{what}_pause_percent"
        if 0 < _number(settings, pause) < _number(settings, warn):
            yield Clash.of(
                (warn, pause),
                f"a job would be paused at {_number(settings, pause):g} %, and the warning comes at "
                f"{_number(settings, warn):g} %",
                "Set the warning to at most the pause. 0 means never.",
            )


def _web(settings: Settings) -> Iterator[Clash]:
    web = settings.web
    if web.base_url is None:
        for key in _wanted_of_links(settings):
            yield Clash.of(
                (key, "web.base_url"),
                "that needs our links in the emails, and their base URL is not set",
                "Set web.base_url, or turn it off.",
            )
    elif web.secret is None:
        yield Clash.of(
            ("web.base_url", "web.secret"),
            "links in emails must be signed, and their secret is not set",
            "Make one with openssl rand -hex 32. Give it as the systemd credential web_secret or EED_WEB__SECRET.",
        )
    if web.unsubscribe == "category" and not (settings.source.job.category or settings.source.job.category_value):
        yield Clash.of(
            ("web.unsubscribe", "source.job.category"),
            "jobs with a category offer to unsubscribe, but no job has one",
            'Name the column in source.job.category, or set source.job.category_value, or choose "every".',
        )
    if web.unsubscribe != "off" and "<https:" in (settings.rendering.list_unsubscribe or ""):
        yield Clash.of(
            ("web.unsubscribe", "rendering.list_unsubscribe"),
            "both give an https address for List-Unsubscribe, and one click needs exactly one (RFC 8058, section 3.1)",
            "Remove the https address from rendering.list_unsubscribe. A mailto address may stay.",
        )


def _windows(settings: Settings) -> Iterator[Clash]:
    if settings.source.job.category or settings.source.job.category_value:
        return
    for name, there in (("send_windows", settings.send_windows.category), ("deadlines", settings.deadlines.category)):
        if there:
            what = name.replace("send_windows", "windows")
            yield Clash.of(
                (f"{name}.category", "source.job.category"),
                f"categories have {what}, but no job has a category",
                "Name the column in source.job.category, or set source.job.category_value.",
            )


def _webhooks(settings: Settings) -> Iterator[Clash]:
    if settings.webhooks.url is not None and settings.webhooks.secret is None:
        yield Clash.of(
            ("webhooks.url", "webhooks.secret"),
            "webhooks must be signed, and their secret is not set",
            'Make one with: echo "whsec_$(openssl rand -base64 32)". Give it as the systemd credential webhooks_secret '
            "or EED_WEBHOOKS__SECRET.",
        )


def _operators(settings: Settings) -> Iterator[Clash]:
    operators = settings.operators
    if operators.listen is None:
        return
    if not is_loopback(operators.place()[0]) and not operators.trusted_proxy:
        yield Clash.of(
            ("operators.listen", "operators.trusted_proxy"),
            "the pages and the API would be open to the network, without TLS and for any host",
            "Listen on this host only, like 127.0.0.1:8027, or name the proxy's network in operators.trusted_proxy.",
        )
    if operators.secret is None:
        yield Clash.of(
            ("operators.listen", "operators.secret"),
            "sessions and cursors must be signed, and their secret is not set",
            "Make one with openssl rand -hex 32. Give it as the systemd credential operators_secret or "
            "EED_OPERATORS__SECRET.",
        )
    if operators.session_idle_seconds > operators.session_max_seconds:
        yield Clash.of(
            ("operators.session_idle_seconds", "operators.session_max_seconds"),
            "a session would end before it can be idle for so long",
            "Lower the first, or raise the second.",
        )


_NEEDED_BY_SIGN_ON = {"off": (), "alb": ("signer", "client", "issuer"), "jwks": ("keys_url", "issuer", "audience")}


def _sign_on(settings: Settings) -> Iterator[Clash]:
    sign_on = settings.operators.sign_on
    for name in _NEEDED_BY_SIGN_ON[sign_on.kind]:
        if getattr(sign_on, name) is None:
            yield Clash.of(
                ("operators.sign_on.kind", f"operators.sign_on.{name}"),
                f'a header of the kind "{sign_on.kind}" is checked against it, and it is not set',
                "Set it. docs/operators.md says where to find it.",
            )
    if sign_on.kind != "off" and not (sign_on.people or sign_on.groups):
        yield Clash.of(
            ("operators.sign_on.kind", "operators.sign_on.people"),
            "no person or group of the identity provider has a role, so none of them may do anything",
            "Give roles in operators.sign_on.people or operators.sign_on.groups.",
        )


def _privacy(settings: Settings) -> Iterator[Clash]:
    privacy = settings.privacy
    if privacy.finished_job_days and privacy.secret is None:
        yield Clash.of(
            ("privacy.finished_job_days", "privacy.secret"),
            "recipients of finished jobs are to be replaced by keyed hashes, and the key is not set",
            "Make one with openssl rand -hex 32. Give it as the systemd credential privacy_secret or "
            "EED_PRIVACY__SECRET.",
        )


def _kept_too_short(settings: Settings) -> Iterator[Clash]:
    """An event counts towards a limit by its address."""
    tracking, days = settings.tracking, settings.privacy.finished_job_days
    limits = (tracking.suppress_hard_bounces, tracking.suppress_soft_bounces, tracking.suppress_complaints)
    if 0 < days < tracking.suppress_within_days and max(limits) > 1:
        yield Clash.of(
            ("privacy.finished_job_days", "tracking.suppress_within_days"),
            f"bounces and complaints are counted over {tracking.suppress_within_days} days, and their addresses would "
            f"be replaced after {days}",
            "Keep recipients at least as long as their bounces count.",
        )


def _wanted_of_links(settings: Settings) -> list[str]:
    """The settings that are of no use without links of ours."""
    web, job = settings.web, settings.source.job
    wanted = {
        "web.listen": web.listen,
        "web.unsubscribe": web.unsubscribe != "off",
        "source.job.track_opens": job.track_opens,
        "source.job.track_opens_value": job.track_opens_value,
        "source.job.track_clicks": job.track_clicks,
        "source.job.track_clicks_value": job.track_clicks_value,
    }
    return [key for key, value in wanted.items() if value]


def _smtp(settings: Settings) -> Iterator[Clash]:
    smtp = settings.smtp
    for names, what, remedy in smtp.mistakes(has_password=smtp.password is not None):
        yield Clash.of(tuple(f"smtp.{name}" for name in names), what, remedy)


def _database(settings: Settings) -> Iterator[Clash]:
    database = settings.database
    url = database.parsed_url()
    if url.tls == "off" and database.ca_file:
        yield Clash.of(
            ("database.url", "database.ca_file"),
            "a CA is set, but the URL turns TLS off",
            "Remove one of them.",
        )
    if url.tls == "verify_ca" and not (database.ca_file or url.ca_file):
        yield Clash.of(
            ("database.url", "database.ca_file"),
            "the URL checks the certificate without its name, and names no CA, so any public certificate is accepted",
            "Give the CA as a PEM file in database.ca_file, or use VERIFY_IDENTITY.",
        )
    if database.ca_file and url.ca_file:
        yield Clash.of(
            ("database.url", "database.ca_file"),
            "both name a CA",
            "Remove ssl_ca from the URL.",
        )
    if database.ca_file and url.weakening:
        yield Clash.of(
            ("database.url", "database.ca_file"),
            f"the URL's {' and '.join(url.weakening)} would turn off the check against the CA",
            "Remove the option from the URL, or remove the CA.",
        )
    if url.is_sqlite and (database.password or database.ca_file):
        yield Clash.of(
            ("database.url", "database.password" if database.password else "database.ca_file"),
            "SQLite has neither passwords nor TLS",
            "Remove it, or set a MySQL URL.",
        )


def _sizes(settings: Settings) -> Iterator[Clash]:
    rendering = settings.rendering
    # base64 makes 4 bytes of 3 and a line end after every 76 (RFC 2045, section 6.8)
    encoded = rendering.max_attachment_bytes * 4 / 3 * 78 / 76
    if encoded > rendering.max_message_bytes:
        yield Clash.of(
            ("rendering.max_attachment_bytes", "rendering.max_message_bytes"),
            f"an attachment of the largest size becomes {encoded:.0f} bytes of message",
            "Raise the message's limit, if the mail server's is as high, or lower the attachment's.",
        )
    if settings.transport.kind == "ses" and rendering.max_message_bytes > SES_MESSAGE_BYTES:
        yield Clash.of(
            ("rendering.max_message_bytes", "transport.kind"),
            f"SES accepts at most {SES_MESSAGE_BYTES} bytes",
            "Lower the limit.",
        )
