"""What emails need on their way, which is the transport, attachments, and the addresses that answers come back to."""

import os
from collections.abc import Iterator
from contextlib import closing

from eed_delivery.checks.findings import Finding
from eed_delivery.operations.checking.parts import CheckedParts


def bounces(parts: CheckedParts) -> Iterator[Finding]:
    """Bounces by mail, and whether each email has a sender of its own."""
    where, mail = "bounces.address", parts.settings.bounces
    if parts.verp() is None:
        yield Finding("ok", where, "it is not set: bounces by mail are not tracked")
    elif parts.settings.transport.kind == "ses":
        yield Finding("ok", where, "it is for emails sent by SMTP, and SES reports bounces by events")
    else:
        way = f"listened for at {mail.listen}" if mail.listen else "received only by eed-delivery bounce"
        yield Finding("ok", where, f"each email has a sender of its own at {mail.address}, and bounces are {way}")


def web(parts: CheckedParts) -> Iterator[Finding]:
    """Links in emails, where they lead, and who answers them."""
    where, links = "web.base_url", parts.settings.web
    if links.base_url is None:
        yield Finding("ok", where, "it is not set: emails have no tracked links and no link to unsubscribe")
    else:
        way = (
            f"answered at {links.listen}" if links.listen else "answered by another host, because web.listen is not set"
        )
        yield Finding("ok", where, f"links in emails lead to {links.base_url}, and are {way}")


def transport(parts: CheckedParts) -> Iterator[Finding]:
    """Whether the transport works. Nothing is sent."""
    settings = parts.settings
    where = f"transport {settings.transport.kind}"
    with closing(parts.transport_factory()()) as way_out:
        way_out.probe()
    yield Finding("ok", where, "the transport works, and nothing was sent")
    if settings.transport.kind == "eml_folder":
        what = f"emails are not sent, but written to {settings.eml_folder.directory}"
        yield Finding(
            "warning", where, what, 'This is a rehearsal. To send emails, set transport.kind to "smtp" or "ses".'
        )
    if settings.transport.kind == "ses":
        from eed_delivery.transports.ses.transport import account  # with botocore

        quota = account(parts.ses_client())
        left = "no limit" if quota.max_24_hour_send < 0 else f"{quota.max_24_hour_send - quota.sent_last_24_hours:,.0f}"
        yield Finding(
            "ok", where, f"SES allows {quota.max_send_rate:g} a second, and in these 24 hours it still allows {left}"
        )


def archives(parts: CheckedParts) -> Iterator[Finding]:
    """The archive of each channel that has one, and the spool on this host. Nothing is stored."""
    for channel, archive in parts.archives.of.items():
        where = f"archive of the channel {channel}"
        spool = parts.archives.spool(channel)
        try:
            waiting = spool.used_bytes
        except OSError as error:
            remedy = "Check archive.spool, and that the service's user may write there."
            yield Finding("error", where, f"the spool {spool.directory} cannot be used: {error.strerror}", remedy)
            continue
        with closing(parts.archives.store(channel)()) as store:
            store.probe()
        yield Finding("ok", where, f"{archive.url} answers, and {waiting:,} bytes wait in {spool.directory}")


def attachments(parts: CheckedParts) -> Iterator[Finding]:
    """The directory of attachments, which this host's disk has."""
    where = "rendering.attachments_root"
    root = parts.settings.rendering.attachments_root
    if root is None:
        yield Finding("ok", where, "it is not set: emails can have no attachments from this host's disk")
    elif not root.is_dir():
        yield Finding("error", where, f"{root} is not a directory", "Correct the path, or mount it.")
    elif not os.access(root, os.R_OK | os.X_OK):
        yield Finding("error", where, f"{root} cannot be read by this user", "Give the service's user the right.")
    else:
        yield Finding("ok", where, f"{root} can be read")
