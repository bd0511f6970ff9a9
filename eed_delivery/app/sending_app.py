"""What an email is sent with, made from the settings. Each part of it is loaded when it is first made.

A function of AWS Lambda needs no more, and starts with that. `App` has all other parts.
"""

import threading
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import TYPE_CHECKING, cast

from eed_delivery import __version__
from eed_delivery.app.channel_surroundings import ChannelSurroundings, FixedRate, SesRate
from eed_delivery.app.database import open_database
from eed_delivery.channels.channel import Channel
from eed_delivery.channels.of_file import channels_of
from eed_delivery.config import Settings
from eed_delivery.config.channels import DEFAULT
from eed_delivery.config.digest import digest_of
from eed_delivery.config.file_channels import FileChannelSettings
from eed_delivery.config.threads import most_threads
from eed_delivery.database.transactions import Database
from eed_delivery.errors import ConfigError, Problem
from eed_delivery.ledger.actor import SERVICE, Actor
from eed_delivery.ledger.operating import OperatingLedger
from eed_delivery.ledger.webhooks.outbox import Outbox
from eed_delivery.ledger.workers import FUNCTIONS, Process
from eed_delivery.pseudonyms import Pseudonyms
from eed_delivery.source import Source
from eed_delivery.transports import Transport
from eed_delivery.untrusted import masked_reply

if TYPE_CHECKING:
    from mypy_boto3_sesv2.client import SESV2Client

    from eed_delivery.app.aws_clients import AwsClients
    from eed_delivery.links.tokens import Links
    from eed_delivery.queue import Queue
    from eed_delivery.rendering.attachments import AttachmentStore
    from eed_delivery.rendering.renderer import MessageMaker, Renderer
    from eed_delivery.tracking.bounces.verp import Verp


LEASE_MARGIN_SECONDS = 30.0
"""How much longer the lease on the wire is than the longest send."""


class SendingApp:
    """Makes parts from settings. Parts that hold connections belong to the process that asked for them."""

    def __init__(self, settings: Settings, stop: threading.Event | None = None) -> None:
        self.settings = settings
        self._stop = stop or threading.Event()
        self.source = Source(settings.source)
        self.outbox = Outbox.of(settings.webhooks)
        self.pseudonyms = Pseudonyms(settings.privacy.keys())

    @cached_property
    def clients(self) -> "AwsClients":
        """Makes clients of AWS's services."""
        from eed_delivery.app.aws_clients import AwsClients

        return AwsClients(self.settings)

    def database(self, connections: int = 2, *, multi_statements: bool = False) -> Database:
        """The database, over a pool of its own."""
        return open_database(
            self.settings.database, self._stop, connections=connections, multi_statements=multi_statements
        )

    @cached_property
    def channels(self) -> Mapping[str, Channel]:
        """The channels of the file, `default` first. Raises `ConfigError`."""
        return channels_of(self.settings)

    def queue(self, connections: int = 10, channel: Channel | None = None) -> "Queue":
        """A channel's queue, over connections of its own. None: the channel `default`."""
        from eed_delivery.queue import Queue

        queue = self.settings.queue if channel is None else channel.queue
        return Queue(self.clients.sqs_calls(connections), queue.url, queue.dead_letter_url)

    def ses_client(self) -> "SESV2Client":
        """boto3's client, for what is asked now and then."""
        return self.clients.ses(self.settings.ses, most_threads(self.settings.worker.threads))

    def message_maker(self, channel: Channel) -> "MessageMaker":
        """What makes the emails or the files of a channel. Raises `ConfigError`."""
        if not channel.carries_files:
            return self.renderer(channel)
        if not isinstance(channel.settings, FileChannelSettings):
            what = f"the settings of the kind {channel.kind and channel.kind.name} do not say what files it puts"
            raise ConfigError([Problem(f"channel.{channel.name}", what, "Correct the package that brings the kind.")])
        from eed_delivery.rendering.files import FileRenderer

        return FileRenderer(channel.settings, self.settings.rendering, self._attachments())

    def _attachments(self) -> "AttachmentStore":
        from eed_delivery.rendering.attachments import AttachmentStore

        rendering = self.settings.rendering
        return AttachmentStore(
            rendering.attachments_root,
            self.clients.attachments() if rendering.attachments_s3 else None,
            rendering.attachments_s3,
            rendering.max_attachment_bytes,
            rendering.allow_empty_attachments,
        )

    def renderer(self, channel: Channel | None = None) -> "Renderer":
        """The renderer of a channel's emails, with its attachment store. None: the channel `default`."""
        from eed_delivery.rendering.renderer import Renderer

        rendering, store = self.settings.rendering, self._attachments()
        verp = self.verp() if self._kind_name(channel) != "ses" else None
        links = self.links()
        links_of = None
        if links is not None:
            from eed_delivery.links import of_job

            links_of = partial(of_job.links_of, links, self.settings.web.unsubscribe)
        return Renderer(
            rendering,
            store,
            sender_of=verp.sender if verp else None,
            links_of=links_of,
            message_id_of=verp.message_id if verp else None,
        )

    def _kind_name(self, channel: Channel | None) -> str:
        return self.settings.transport.kind if channel is None or channel.kind is None else channel.kind.name

    def links(self) -> "Links | None":
        """What makes and reads the signed addresses of emails. None if there are none."""
        web = self.settings.web
        if not (web.base_url and web.keys()):
            return None
        from eed_delivery.links.tokens import Links

        return Links(web.base_url, web.keys(), web.tenant)

    def verp(self) -> "Verp | None":
        """What makes and reads the addresses that bounces come back to. None if they are off. Raises `ConfigError`."""
        if not self.settings.bounces.address:
            return None
        from eed_delivery.tracking.bounces.verp import Verp

        return Verp.configured(self.settings.bounces)

    def transport_factory(self, channel: Channel | None = None) -> Callable[[], Transport]:
        """Makes one transport a thread; the clients behind them are shared. None: of the channel `default`."""
        if channel is not None and channel.kind is not None:
            return cast("Callable[[], Transport]", channel.kind.make(channel.settings, self.surroundings(channel)))
        settings = self.settings
        match settings.transport.kind:
            case "smtp":
                from eed_delivery.transports.smtp.transport import SmtpTransport

                return partial(SmtpTransport, settings.smtp)
            case "ses":
                from eed_delivery.transports.ses.transport import SesTransport

                calls = self.clients.ses_calls(settings.ses, most_threads(settings.worker.threads))
                return partial(SesTransport, calls, settings.ses)
            case "eml_folder":
                from eed_delivery.transports.eml_folder.transport import EmlFolderTransport

                return partial(EmlFolderTransport, settings.eml_folder)

    def surroundings(self, channel: Channel) -> ChannelSurroundings:
        """What a channel's kind makes its transports with."""
        return ChannelSurroundings(self.clients, channel)

    def rate(self, channel: Channel | None = None) -> SesRate | FixedRate:
        """A channel's limit over all hosts in emails a second, as configured or as SES allows."""
        limit = (channel or self.channels[DEFAULT]).rate_per_second
        if limit == "ses":
            return SesRate(self.ses_client())
        return FixedRate(limit or None)

    def stored_reply(self) -> Callable[[str], str]:
        """How the ledger keeps what mail servers say."""
        return masked_reply if self.settings.privacy.store_replies == "masked" else str

    def operating(self, database: Database, who: Actor = SERVICE) -> OperatingLedger:
        """`who` acts, for the audit."""
        return OperatingLedger(database, self.source, outbox=self.outbox, who=who)

    def function_process(
        self, function: str, role: str, channel: str = DEFAULT, coordination: str | None = None
    ) -> Process:
        """What a function says of itself in a role. There is one row for all of its sandboxes."""
        of_all = (__version__, digest_of(self.settings), coordination)
        return Process(f"{FUNCTIONS}:{function}:{role}", FUNCTIONS, role, 0, channel, None, *of_all)
