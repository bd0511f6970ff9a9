"""The Message-IDs of emails, for people who look for them."""

import re
from typing import TYPE_CHECKING

from eed_delivery.config import Settings
from eed_delivery.config.channels import DEFAULT
from eed_delivery.tracking.bounces.verp import Verp

if TYPE_CHECKING:
    from eed_delivery.ledger.doubts import Doubt


class MessageIds:
    """Makes and reads them, without angle brackets. Bounces may have been turned on or off since an email was sent, so
    it may have had either of two."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._verp = Verp.configured(settings.bounces)
        self.domain = settings.rendering.message_id_domain
        domain = re.escape(self.domain)
        self._ours = re.compile(
            rf"<?(\d{{1,19}})\.(\d{{1,10}})@(?:[a-z2-7]{{16}}\.)?{domain}>?", re.ASCII | re.IGNORECASE
        )

    def both(self, email_id: int, gen: int, channel: str = DEFAULT) -> tuple[str, ...]:
        """Those that an email of a channel may have had, the likeliest first."""
        plain = f"{email_id}.{gen}@{self.domain}"
        if self._verp is None:
            return (plain,)
        proven = self._verp.message_id(email_id, gen, self.domain).strip("<>")
        return (plain, proven) if self._is_ses(channel) else (proven, plain)

    def likeliest(self, email_id: int, gen: int, channel: str) -> str:
        """The one that an email of a channel has."""
        return self.both(email_id, gen, channel)[0]

    def of_doubt(self, doubt: "Doubt") -> tuple[str, ...]:
        """Those that an email in doubt may have had."""
        return self.both(doubt.email_id, doubt.gen, doubt.channel)

    def read(self, text: str) -> tuple[int, int] | None:
        """The id and the generation of the email that it names. None if it is none of ours."""
        found = self._ours.fullmatch(text.strip())
        return (int(found[1]), int(found[2])) if found else None

    def _is_ses(self, channel: str) -> bool:
        """Emails by SES have the plain form. Channels of the ledger are not looked up."""
        if channel == DEFAULT:
            return self._settings.transport.kind == "ses"
        given = self._settings.channel.get(channel)
        return given is not None and given.kind == "ses"
