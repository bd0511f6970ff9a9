"""What an alert rule looks for in a log line. RE2 matches it in linear time, whatever the pattern and the line.

Python's own `re` tries back and forth, holds the interpreter's lock meanwhile, and knows no time limit. `(a+)+$` and a
long line would stop every thread that sends. RE2 has no way to do that (https://github.com/google/re2/wiki/WhyRE2). It
has neither look-around nor backreferences, and says so when the configuration is read.
"""

from typing import Protocol

MAX_PATTERN_CHARS = 500
_NO_WORD = r"[^\pL\pN_]"


class Pattern(Protocol):
    """What is used of RE2's compiled expressions, which have no types of their own."""

    def search(self, text: bytes) -> object | None: ...


def compile_regex(pattern: str) -> Pattern:
    """The expression, to be searched for anywhere in a line. Raises ValueError with RE2's words."""
    import re2  # 10 ms, and only where there are rules

    options = re2.Options()
    options.log_errors = False  # to stderr, where it would come without a place
    options.never_capture = True  # only whether it matches is asked, and that is the fastest question
    try:
        found: Pattern = re2.compile(pattern, options)
    except re2.error as error:
        said = error.args[0] if error.args else ""
        raise ValueError(said.decode(errors="replace") if isinstance(said, bytes) else str(said)) from None
    return found


def compile_word(word: str) -> Pattern:
    """The word as it stands, in upper or lower case, with no letter, digit or _ at either side of it."""
    import re2

    return compile_regex(f"(?i)(?:^|{_NO_WORD}){re2.escape(word)}(?:$|{_NO_WORD})")
