"""Paths of files in other people's stores: made by a template, and never outside of the channel's root.

What a path must not hold is data here. A path that breaks a rule fails its email, with the rule's words.
"""

import re
import unicodedata
from collections.abc import Callable

from eed_delivery.errors import RenderError

MAX_PATH_BYTES = 1024
"""S3's limit of a key: https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html"""
MAX_PART_BYTES = 255
"""What the file systems of servers hold (NAME_MAX of Linux)."""
TEMPORARY = ".eed-"
"""How the names of files begin that are not whole yet (`transports.file_stores`)."""

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Marks that turn the direction of text (UAX 9, sections 2.1 to 2.3), so that a name looks like another."""
_HALF = re.compile("[\ud800-\udfff]")

_OF_PATH: tuple[tuple[str, Callable[[str], object]], ...] = (
    ("it holds half a character", _HALF.search),
    ("it is empty", lambda path: not path),
    ("it begins with /, and must be below the channel's root", lambda path: path.startswith("/")),
    ("it holds a backslash", lambda path: "\\" in path),
    ("it holds a control character or a line end", _CONTROL.search),
    ("it holds a character that turns the direction of text", _DIRECTION.search),
    (f"it is longer than {MAX_PATH_BYTES:,} bytes in UTF-8", lambda path: len(path.encode()) > MAX_PATH_BYTES),
)
_OF_PART: tuple[tuple[str, Callable[[str], object]], ...] = (
    ("a part between two / is empty", lambda part: not part),
    ('a part is ".", which names a directory', lambda part: part == "."),
    ('a part is "..", which leaves the directory', lambda part: part == ".."),
    ("a part begins or ends with a blank", lambda part: part != part.strip()),
    (f"a part begins with {TEMPORARY}, which is for temporary names", lambda part: part.startswith(TEMPORARY)),
    (
        f"a part is longer than {MAX_PART_BYTES} bytes in UTF-8",
        lambda part: len(part.encode()) > MAX_PART_BYTES,
    ),
)


def checked_path(text: str) -> str:
    """The path in Unicode's form NFC, so that one name has one spelling. Raises RenderError if it breaks a rule."""
    path = unicodedata.normalize("NFC", text)
    for words, broken in _OF_PATH:
        if broken(path):
            raise _refused(path, words)
    for part in path.split("/"):
        for words, broken in _OF_PART:
            if broken(part):
                raise _refused(path, words)
    return path


def _refused(path: str, words: str) -> RenderError:
    what = f"document {path[:80]!r}: its path cannot be used"
    return RenderError(f"{what}: {words}. Correct the channel's path or the data")
