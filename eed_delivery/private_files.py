"""Files with customers' data, made new, for their owner alone, and never through a link that is there already."""

import os
from pathlib import Path
from typing import BinaryIO

OWNER_ALONE = 0o600
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def create_private(path: Path) -> BinaryIO:
    """A new file to write to, whatever the umask. Raises FileExistsError where there is anything at `path`, a link that
    leads nowhere included, and otherwise what the system raises."""
    return os.fdopen(os.open(path, _NEW, OWNER_ALONE), "wb")
