"""The command line as it was given, for the audit.

No command takes a secret. One that was typed all the same is masked.
"""

import re
import shlex
from collections.abc import Sequence

from eed_delivery.untrusted import MASK

_NAMES = r"[\w.-]{0,64}(?:password|passwd|secret|token|credential|signature)[\w.-]{0,64}"
_SECRET_OPTION = re.compile(rf"(--?{_NAMES})(=.*)?", re.IGNORECASE | re.DOTALL)
_SECRET_IN_URL = re.compile(rf"(?<=://)[^/\s@]+(?=@)|(?<=[?&])({_NAMES}=)[^&\s]+", re.IGNORECASE)


def command_line(words: Sequence[str]) -> str:
    """The words as they can be typed again, without what would open a door."""
    given: list[str] = []
    behind_secret = False
    for word in words:
        option = _SECRET_OPTION.fullmatch(word)
        if option is not None:
            given.append(f"{option[1]}={MASK}" if option[2] else word)
        else:
            given.append(MASK if behind_secret else _SECRET_IN_URL.sub(lambda found: f"{found[1] or ''}{MASK}", word))
        behind_secret = option is not None and not option[2]
    return shlex.join(["eed-delivery", *given])
