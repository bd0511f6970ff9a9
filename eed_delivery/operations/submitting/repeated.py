"""Recipients that a file has more than once. They are reported, and not refused."""

from types import TracebackType

SHOWN = 10
CACHE_KIB = 16_384


class RepeatedRecipients:
    """Remembers every address on disk, in a database that SQLite removes, so that a million take hardly any memory."""

    def __init__(self) -> None:
        import sqlite3  # 1 MB, for the few who look at a file

        self._seen = sqlite3.connect("")
        self._seen.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
        self._seen.execute("CREATE TABLE seen (address TEXT PRIMARY KEY, line INTEGER) WITHOUT ROWID")
        self._count = 0
        self._shown: list[str] = []

    def __enter__(self) -> "RepeatedRecipients":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._seen.close()

    def add(self, address: str, line: int) -> None:
        """`address` is in one form for all its spellings."""
        if self._seen.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (address, line)).rowcount:
            return
        self._count += 1
        if len(self._shown) < SHOWN:
            (first,) = self._seen.execute("SELECT line FROM seen WHERE address = ?", (address,)).fetchone()
            self._shown.append(f"line {line:,} (as line {first:,})")

    def told(self) -> str | None:
        """A sentence for people, without an address. None if each is there once."""
        if not self._count:
            return None
        rows = "1 row has" if self._count == 1 else f"{self._count:,} rows have"
        more = f" and {self._count - len(self._shown):,} more" if self._count > len(self._shown) else ""
        return f"{rows} the recipient of an earlier row, and each gets an email: {', '.join(self._shown)}{more}"
