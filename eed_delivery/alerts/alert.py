"""One alert as data, as text and as JSON. It holds what the log line held, and no recipient's address."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eed_delivery.untrusted import without_markup

MAX_VALUE_CHARS = 2000
"""Of one value: a traceback's beginning and end say what it is; the log has the whole of it."""
MAX_SUBJECT_CHARS = 100  # SNS takes no more: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert. `line` is the log line that was one too many, or the fact. `times` is how often the rule was met since
    its last alert, and `last` that the hour's share is used up. `lost` is how many before it could not be handed over.
    """

    alert_id: str
    service: str
    host: str
    rule: str
    level: str
    event: str
    at: str
    line: Mapping[str, Any] = field(default_factory=dict)
    times: int = 1
    last: bool = False
    lost: int = 0
    unread: int = 0
    test: bool = False

    def subject(self) -> str:
        """One line of printable ASCII, as SNS wants it."""
        test = "TEST, " if self.test else ""
        text = f"[{self.service}] {test}{self.level}: {self.event} ({self.rule})"
        return "".join(c if " " <= c <= "~" else "?" for c in text)[:MAX_SUBJECT_CHARS]

    def text(self) -> str:
        """The whole alert for people."""
        facts = [f"{name}: {_shown(value)}" for name, value in self.line.items()]
        return "\n".join([*self._head(), "", *facts]) + "\n"

    def _head(self) -> list[str]:
        head = [f"{self.level}: {self.event}", f"rule {self.rule} of {self.service} on {self.host}, {self.at}"]
        if self.test:
            head.append("This is a test. Nothing has happened.")
        if self.times > 1:
            head.append(f"{self.times} times since the last alert of this rule")
        if self.last:
            head.append("This was the last alert of this hour (alerts.most_per_hour). The others are only in the log.")
        if self.lost:
            head.append(
                f"{self.lost} alerts before this one could not be delivered by this receiver. They are in the log."
            )
        if self.unread:
            head.append(f"{self.unread} log lines of this process came too fast to be checked.")
        return head

    def as_json(self) -> bytes:
        """For programs. `text` is what chat programs show (Slack, Mattermost and others)."""
        said = {
            "id": self.alert_id,
            "service": self.service,
            "host": self.host,
            "rule": self.rule,
            "level": self.level,
            "event": self.event,
            "at": self.at,
            "times": self.times,
            "last_of_this_hour": self.last,
            "not_handed_over_before": self.lost,
            "lines_not_looked_at": self.unread,
            "test": self.test,
            "line": {name: _kept(value) for name, value in self.line.items()},
            "text": without_markup(self.text()),
        }
        return json.dumps(said, ensure_ascii=False, default=str).encode("utf-8", "replace")


def _kept(value: Any) -> Any:
    """A plain value unchanged, and a long or nested one as text."""
    return value if value is None or isinstance(value, bool | int | float) else _shown(value)


def _shown(value: Any) -> str:
    return _short(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str))


def _short(text: str) -> str:
    half = MAX_VALUE_CHARS // 2
    return text if len(text) <= MAX_VALUE_CHARS else f"{text[:half]}\n…\n{text[-half:]}"
