"""`[alerts]`: rules, audiences and receivers. docs/alerts.md explains them together."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from eed_delivery.config.formats import Address, HttpUrl, Seconds, mistake
from eed_delivery.config.patterns import MAX_PATTERN_CHARS, Pattern, compile_regex, compile_word
from eed_delivery.config.section import Section

FactName = Literal[
    "silence_seconds", "oldest_queued_seconds", "oldest_manifest_seconds", "dead_letters", "in_doubt",
    "source_differences", "deadline_margin_seconds", "ses_quota_percent", "gate_shut_seconds",
]  # fmt: skip
"""What can be watched beside the log. A name says what is measured, and in what."""
MARGIN = "deadline_margin_seconds"
"""The one fact that is worse the less it is."""
TOKEN = "{token}"  # noqa: S105 - the place for one


def _one_or_more(value: Any) -> Any:
    """A single name is accepted as a list of one."""
    return (value,) if isinstance(value, str) else value


def _regex(text: str) -> str:
    try:
        compile_regex(text)
    except ValueError as error:
        raise mistake(
            f"it is not a regular expression of RE2: {error}",
            "See https://github.com/google/re2/wiki/Syntax. RE2 has no look-around and no backreference.",
        ) from None
    return text


# A FIFO topic (its name ends in .fifo) would want a group for each message.
# https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
_ARN = r"^arn:aws(-[a-z-]+)?:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_-]{1,256}$"
TopicArn = Annotated[str, Field(pattern=_ARN)]
RuleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
Names = Annotated[tuple[str, ...], BeforeValidator(_one_or_more), Field(min_length=1)]
Text = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN_CHARS)]
Regex = Annotated[str, Field(min_length=1, max_length=MAX_PATTERN_CHARS), AfterValidator(_regex)]


class Audience(Section):
    """An audience, and the receivers by which it is notified."""

    email: tuple[Address, ...] = ()
    sns: tuple[TopicArn, ...] = ()
    webhook: tuple[HttpUrl, ...] = ()

    @property
    def empty(self) -> bool:
        return not (self.email or self.sns or self.webhook)


class AlertRule(Section):
    """A word or a regular expression in the log, from a level up, `count` times within a window."""

    name: RuleName
    word: Text | None = None
    regex: Regex | None = None
    level: Literal["info", "warning", "error"] = "warning"
    audience: Names
    count: Annotated[int, Field(ge=1, le=1_000_000)] = 1
    window_seconds: Seconds = 300
    cooldown_seconds: Annotated[float, Field(ge=1, le=31_536_000)] = 900

    @model_validator(mode="after")
    def _one_of_two(self) -> "AlertRule":
        if (self.word is None) == (self.regex is None):
            raise mistake("it needs a word or a regex, but not both", "Give word or regex.")
        return self

    def pattern(self) -> Pattern:
        """What the rule looks for, compiled."""
        return compile_regex(self.regex) if self.regex is not None else compile_word(self.word or "")


class AlertFact(Section):
    """A number that is measured at intervals, and its limit: the least, or the most, that causes an alert."""

    name: RuleName
    fact: FactName
    at_least: Annotated[float, Field(gt=0, allow_inf_nan=False)] | None = None
    at_most: Annotated[float, Field(allow_inf_nan=False)] | None = None
    audience: Names
    cooldown_seconds: Annotated[float, Field(ge=1, le=31_536_000)] = 3600

    @model_validator(mode="after")
    def _one_limit(self) -> "AlertFact":
        wanted, other = ("at_most", "at_least") if self.fact == MARGIN else ("at_least", "at_most")
        if getattr(self, wanted) is None or getattr(self, other) is not None:
            raise mistake(f"{self.fact} needs {wanted}, and no {other}", f"Give {wanted}.")
        return self

    def is_beyond(self, value: float) -> bool:
        """Whether this number causes an alert."""
        return value >= self.at_least if self.at_least is not None else value <= (self.at_most or 0.0)


class AlertsSettings(Section):
    """Which log lines and facts cause alerts. Without rules and facts, alerts are off."""

    service: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[\x20-\x7e]+$")] = "eed-delivery"
    sender: Address | None = None
    audience: dict[str, Audience] = Field(default={})
    rule: tuple[AlertRule, ...] = ()
    fact: tuple[AlertFact, ...] = ()
    most_per_hour: Annotated[int, Field(ge=1, le=10_000)] = 60
    check_seconds: Annotated[float, Field(ge=1, le=3600)] = 60
    webhook_token: SecretStr | None = None
    sns_endpoint_url: HttpUrl | None = None

    @property
    def all_rules(self) -> "tuple[AlertRule | AlertFact, ...]":
        """Those of both kinds."""
        return (*self.rule, *self.fact)
