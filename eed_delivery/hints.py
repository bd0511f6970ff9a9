"""Commands to type next, as a log line gives them, with the source's keys quoted as a shell needs it."""

import shlex


def key_words(key: str) -> tuple[str, ...]:
    """A key as the words of a command. One that begins with "-" is no option."""
    return ("--", key) if key.startswith("-") else (key,)


def hint(*words: str, key: str) -> str:
    """`eed-delivery` with these words, and a key behind them."""
    return shlex.join(["eed-delivery", *words, *key_words(key)])
