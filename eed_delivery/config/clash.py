"""What a check across settings finds."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Clash:
    """Settings that don't go together: their keys, what is wrong with the set of them, what would be right."""

    keys: tuple[tuple[str, ...], ...]
    what: str
    remedy: str

    @classmethod
    def of(cls, dotted: tuple[str, ...], what: str, remedy: str) -> "Clash":
        """A clash between settings named like `worker.threads`."""
        return cls(tuple(tuple(key.split(".")) for key in dotted), what, remedy)
