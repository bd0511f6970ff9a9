"""Refusals of one email, for what is in it or for its size."""

# ruff: noqa: E501 - a phrase stands on one line

from eed_delivery.transports.replies.rule import GMAIL, MANY, POSTFIX, Concern, Rule

CONTENT = Rule(
    "content",
    Concern.CONTENT,
    (
        (r"\bcontent (?:rejected|denied|policy|filter\w*|restrict\w+|not)", MANY),
        (r"\bvirus|\bmalware|\bphish|\bworm\b|\btrojan|\binfected|\bsecurity (?:issue|threat|policy|policies|risk)|\bsuspicious|\bsuspect (?:content|message|e-?mail)", MANY),
        (r"\battachments? (?:\w+ ){0,2}(?:type|name|blocked|rejected|not|is|are|contain\w*|violat\w*|extension)|\b(?:blocked|prohibited|forbidden|dangerous|illegal|banned|restricted|executable|unsafe|disallowed|bad) (?:file ?|file-?)?(?:attachments?|extension|type)\b|\bexecutable", GMAIL),
        (r"\b(?:url|link|body|header|subject|message content|mail content|content of) (?:\w+ ){0,3}(?:blocked|rejected|denied|prohibited|forbidden|contains|invalid|not allowed)", MANY),
        (r"\burls? (?:\w+ ){0,2}in (?:your|the|this)\b", "AOL"),
        (r"ウイルス|ウィルス|病毒|вирус", "Japanese, Chinese, Russian"),
    ),
)  # fmt: skip

SPAM = Rule(
    "spam",
    Concern.CONTENT,
    (
        (r"\b(?:as|is|be|was|probable|probably|possible|likely|suspected|classified|considered|detected|contains?|containing|looks like|sending|sends|sent|to) (?:\w+ ){0,2}spam", MANY),
        (r"\bspam(?:my)? (?:detected|found|content|message|score|rejected|refused|blocked|filter|policy|or|url|not|e-?mail|mail|pattern|level)|\b(?:rejected|refused|blocked|reject|no|stop|discarded) ?-? ?spam", MANY),
        (r"\bjunk ?-?mail|\bunsolicited|\bbulk (?:e-?)?mail|\buce\b|^(?:[245][0-9. #-]+)?spam\b", MANY),
        (r"\bmessage (?:\w+ ){0,4}(?:scored|classified|considered|identified as|detected as|looks like)", "Proofpoint"),
        (r"спам|垃圾邮件|垃圾郵件|垃圾信|迷惑メール|スパム", "mail.ru, QQ, Japanese carriers"),
    ),
    sub_type="policy",
)  # fmt: skip

ANY_SPAM = Rule("spam", Concern.CONTENT, ((r"spam", MANY),), sub_type="policy")  # fmt: skip
TOO_LARGE = Rule(
    "too_large",
    Concern.CONTENT,
    (
        (r"\b(?:message|mail|e-?mail|size|file) (?:[^ .;:]+ ){0,5}?(?:too (?:large|big|long)|exceeds?)", POSTFIX),
        (r"\bmessage size|\bmaximum (?:message |mail )?size|\bsize limit", "RFC 1870"),
        (r"\btoo large|\btoo big|zu gro(?:ss|b)|trop volumineux|demasiado grande|troppo grande|слишком большо", MANY),
    ),
)  # fmt: skip
