"""Trouble of the recipient's system, or on the way to it, and words that say little."""

# ruff: noqa: E501 - a phrase stands on one line

from eed_delivery.transports.replies.rule import CISCO, GAP, MANY, MICROSOFT, POSTFIX, SENDMAIL, Concern, Rule

TRY_AGAIN = Rule(
    "network",
    Concern.DOMAIN,
    (
        (r"host not found,? (?:please )?try again", POSTFIX + ": EX_TEMPFAIL of its resolver, smtp_addr.c"),
        (r"\bdns soft error|\bserv ?fail|\btemporary (?:dns|lookup|name|resolution)", CISCO),
        (r"\btoo many (?:results|matches|open files|processes)\b", "Domino, directories"),
        (r"\bname (?:server|service) " + GAP + r"(?:timed? ?out|timeout|try again)", SENDMAIL),
    ),
    later=True,
)  # fmt: skip

TROUBLE = Rule(
    "system",
    Concern.DOMAIN,
    (
        (r"\b(?:internal|system|protocol|server|software|processing|program|configuration|config|database|disk|queue|file|i/o|local|ldap|directory|resource|mailer|lookup|scanner|backend|upstream|gateway|transport|network|socket|timeout) (?:\w+ )?(?:error|failure|fault|problem)s?\b", "RFC 5321, 4.2.2: 451"),
        (r"\b(?:misconfigured|incorrectly configured|not configured correctly|improperly configured|out of memory|(?:cannot|can't|unable to|could not|failed to) (?:fork|allocate|write|open|create|access|process|store|save|spool|queue))\b", MANY),
        (r"\b(?:error|exception|failure) (?:while |in |during |when )(?:\w+ )?(?:processing|writing|reading|delivering|storing|handling|lookup)", MANY),
        (r"\bmaintenance\b|\bout of (?:service|order)\b|\bmx record points to local|\bshutting down\b|\bdue to (?:an |a )?(?:internal|technical|system)\b|\btechnical (?:problem|difficult\w+|error|reasons)", MANY),
    ),
    later=True,
)  # fmt: skip

POLICY = Rule(
    "policy",
    Concern.SENDER,
    (
        (r"\bpolic(?:y|ies)\b|\bblock|\b(?:access|delivery|permission|mail|message|connection) denied|\bprohibited|\bnot (?:authori[sz]ed|permitted|allowed|accepted)\b|\bfilter|\bnot accept (?:delivery of )?(?:this|your) (?:message|e-?mail|mail)", MANY),
        (r"\brestrict", MICROSOFT),
    ),
)  # fmt: skip

EXPIRED = Rule("expired", Concern.DOMAIN, ((r"\b(?:delivery (?:time )?|message |queue time )?expired|\btoo long in queue|\bretry timeout|\bretry time not reached|\bmessage too old", SENDMAIL),), later=True)  # fmt: skip
LOOP = Rule("loop", Concern.DOMAIN, ((r"\bmail (?:for \S+ )?loops? (?:back|detected)|\btoo many hops|\brouting loop|\bhop count", SENDMAIL),), later=True)  # fmt: skip
NETWORK = Rule(
    "network",
    Concern.DOMAIN,
    ((r"\btimed? ?out|\btimeout|\bconnection (?:refused|reset|dropped|lost|closed|failed)|\b(?:host|network|domain|server) (?:is )?(?:unreachable|not reachable)|\bno route to host|\btry again\b|\bcould not connect|\bunable to connect|\bnot responding", POSTFIX),),
    later=True,
)  # fmt: skip
