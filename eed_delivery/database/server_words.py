"""What a database server said, for people."""

from sqlalchemy.exc import DBAPIError

MAX_CHARS = 300


def server_words(error: DBAPIError) -> str:
    """The server's own words in one line, without the number of the error."""
    words = error.orig.args[-1] if error.orig is not None and error.orig.args else error
    return (str(words).splitlines() or [type(error).__name__])[0][:MAX_CHARS]
