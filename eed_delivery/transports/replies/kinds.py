"""What two refusals of one kind have in common, without the ids and addresses they name."""

import re
from itertools import islice

from eed_delivery.transports.replies.form import normal_form
from eed_delivery.untrusted import masked_reply

WORDS_COMPARED = 8
_PLAIN_WORDS = re.compile(r"(?<![\w.-])[a-z]{2,20}(?![\w.-]*\w)")


def kind_of(reply: str) -> str:
    """The code, and the first plain words. Ids, numbers, addresses and URLs are none, and those that look like words
    stand behind the message as a rule. A reply that was stored with its addresses masked is of the same kind."""
    masked = masked_reply(reply)
    words = _PLAIN_WORDS.findall(normal_form(masked))
    return f"{masked[:3]} {' '.join(islice(words, WORDS_COMPARED))}"
