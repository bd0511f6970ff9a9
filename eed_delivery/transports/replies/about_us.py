"""Refusals of our sender, our server, our account, and of how fast we are, never about the recipient."""

# ruff: noqa: E501 - a phrase stands on one line

from eed_delivery.transports.replies.rule import (
    CISCO,
    EXIM,
    GAP,
    GMAIL,
    MANY,
    MICROSOFT,
    POSTFIX,
    QMAIL,
    SENDMAIL,
    YAHOO,
    Concern,
    Rule,
)

SENDER = Rule(
    "sender",
    Concern.SENDER,
    (
        (r"\bsender:? (?:@:? )?(?:is |was |has been )?(?:rejected|denied|refused|unknown|invalid|not |does not|could not|verif|blocked|domain)", POSTFIX),
        (r"\b(?:domain of sender|sending domain|sender's? domain|envelope sender|envelope from|mail from|return path)\b" + " " + GAP
         + r"(?:not|no|rejected|denied|refused|must|invalid|unresolv\w+|bad\w*)\b", SENDMAIL),
        (r"\b(?:invalid|unknown|bad|unverified|forged|banned|unrout\w+|unresolv\w+|bogus|unacceptable|undeliverable) sender\b|\bpurported responsible\b|\bspoof(?:ed|ing)?\b|\bforger(?:y|ies)\b|\bout(?:going|bound) (?:e-?mails?|mails?)\b", MANY),
        (r"\bsender " + GAP + r"(?:does not exist|blocked|not exist|no (?:a|mx|a/mx)\b|null ?mx|not verified|not authori[sz]ed)", MANY),
        (r"\b(?:after|in reply to|response to|command:?) (?:pipelined )?(?:mail from|ehlo|helo|auth|initial connection|starttls)\b", "Exim, Postfix: an answer before the recipient was named"),
        (r"\bfrom:? (?:\w+ )?domain\b|\bvalid from\b|\bfor your sender\b|\bconfiguration set\b|\bfrom:? (?:header|address) (?:\w+ ){0,3}(?:invalid|missing|not)", "GoDaddy"),
        (r"\binvalid domain \[", "Libero: LIB_420 is about the sender's domain"),
        (r"\bbadmailfrom\b|\bbatv\b|\bbackscatter", QMAIL),
        (r"\b(?:sender|postmaster) verif(?:y|ication) (?:failed|for|callout)|\bverification failed (?:for|while)\b", EXIM + ": verify.c; a recipient's is \"Callout verification failed\""),
        (r"\byour (?:e-?mail )?account (?:is|has been|was) (?:\w+ )?(?:suspended|disabled|blocked|locked)", "hosters"),
        (r"\be-?mail address is not verified", "Amazon SES"),
        (r"\bsender:? (?:@ )?(?:is )?not (?:logged in|owned)|not owned by user", POSTFIX),
        (r"\bsender must (?:contain|have|be an?)\b", SENDMAIL),
        (r"\bsend ?as ?denied|\b(?:permissions?|allowed|authori[sz]ed) to send (?:mail |e-?mail )?(?:as|on behalf|from)\b|\boutbound sender\b", MICROSOFT),
        (r"\b(?:unconfigured|unverified|unregistered) (?:sending |from )?domain|\bverified sender\b", "SparkPost, SendGrid"),
    ),
)  # fmt: skip

RELAY = Rule(
    "relay",
    Concern.SOURCE,
    (
        (r"\brelay(?:ing)? (?:access |operation |mail )?(?:is |was )?(?:denied|not (?:permitted|allowed)|prohibited|rejected|disallowed)", POSTFIX),
        (r"\b(?:unable to|cannot|not (?:allowed|permitted|authori[sz]ed) to|do(?:es)? not|allowed to|refus\w+ to|attempt to) relay", MICROSOFT),
        (r"\brelaying (?:to|for|through|mail)|\brelay(?:ing)? check\b|\bno relay|\b(?:open|insecure) (?:mail )?relay|tenant\w*attribution", MANY),
        (r"\b(?:configured|supposed|here) to relay|\b(?:smtp|outgoing|mail|relay) ?server of your|\byour (?:own )?(?:isp|provider)(?:'s)? (?:\w+ )?(?:smtp|outgoing|mail|relay|server)", SENDMAIL),
        (r"\brcpthosts\b", QMAIL),
        (r"\b(?:unauthori[sz]ed|unauthenticated|third-?party) relay|\brelay(?:ed|ing)? (?:msg|messages?|mail|attempt|traffic) (?:is |was )?(?:rejected|refused|prohibited|denied|not)", MANY),
        (r"\bnot (?:a |an? open )?gateway\b|\blocal users? only\b|\bonly (?:allowed |permitted )?(?:for|to|from) (?:local|authenticated|our)\b|\bnot (?:a )?local (?:host|domain)\b", MANY),
        (r"\buse (?:me|us|this server) (?:[^ .;:]+ ){0,2}as an? (?:open )?relay", "Broadcom (MessageLabs)"),
        (r"\brequires authentication when attempting to send to a non-local", "Merak, IceWarp"),
    ),
    sub_type="policy",
)  # fmt: skip

RATE = Rule(
    "rate",
    Concern.SOURCE,
    (
        (r"\brate[- ]?limit|\bratelimit|\brate exceed|\breceivingrate|\bunusual rate|\bmessage rate|\bsending rate", GMAIL),
        (r"\bat a rate that", GMAIL),
        (r"\btoo (?:many|fast|quickly|frequent\w*)\b|\btoo much (?:(?:e-?)?mail (?:from|to|sent|for|in)|(?:e-?)?mails\b|traffic|volume)", POSTFIX),
        (r"\bthrottl", YAHOO),
        (r"\b(?:daily|hourly|weekly|monthly|sending|connection|submission|frequency|traffic|concurren\w+) (?:\w+ ){0,3}(?:limit|quota|volume)s?\b|\brecipient (?:rate |count )?limits?\b", MICROSOFT),
        (r"\blimit(?:s|ed)? (?:\w+ ){0,3}(?:per|this|each|every) (?:hour|day|minute)|\bper (?:hour|minute|day)\b|\bthis hour\b", "GoDaddy"),
        (r"\b(?:frequency|connections?) (?:is |are )?limited|\bslow(?:ing)? down|\bmail flood|\bflooding", "QQ"),
        (r"\b(?:exceeded|reached) (?:\w+ ){0,4}(?:rate|threshold|limit for|sending limit|daily limit|number of (?:messages|recipients|connections))", MICROSOFT),
        (r"\b(?:messaging|submission|thread|relay) (?:limit|quota)s?\b|\bsubmission ?exceeded|\bsubmissionquota|\bcredits (?:exceeded|exhausted)|\b(?:insufficient|no|not enough|out of) credits?\b", "SendGrid, Exchange, Mimecast, Gmail"),
        (r"\b(?:unusual|unexpected) (?:\w+ )?(?:activity|volume|traffic)", "Zoho, Yahoo"),
        (r"\bmax(?:imum)? (?:number )?of (?:\S+ ){0,3}?(?:messages|recipients|connections|e-?mails|sessions)", "mox, Stalwart"),
        (r"\bzu ?viele (?:verbindungen|nachrichten|mails von)|\btrop de (?:connexions|messages)|\bdemasiad[ao]s (?:conexiones|mensajes)|\btropp[ei] (?:connessioni|messaggi)|\bmuit[ao]s (?:conexoes|mensagens)|\bte veel (?:verbindingen|berichten)|\bzbyt (?:wiele|duzo)|слишком много|过于频繁|過於頻繁", "the same in other languages"),
        (r"频率|頻率|送信(?:数|制限)|送信レート", "QQ, Japanese carriers"),
    ),
    later=True,
)  # fmt: skip

AUTHENTICATION = Rule(
    "authentication",
    Concern.SENDER,
    (
        (r"\b(?:dmarc|spf|dkim|arc|sender id|sender policy framework|domainkeys)\b", "RFC 7208, 6376, 7489"),
        (r"\bauth(?:entication)? (?:failed|failure|required|mechanism|error)|\bauth_error|\bdns says\b|\bhost (?:cannot|could not) be resolved|\bunauthenticated|\bnot authenticated|\bauthentication (?:is |was )?(?:required|needed|check|failed|level|requirements)|\bfailed authentication", GMAIL),
        (r"\breverse (?:dns|hostname|lookup|name)|\brdns\b|\bptr\b|\bfcrdns\b|\bcannot find your (?:reverse )?(?:host|name|domain|ip)|forward-confirmed|\b(?:ip|host) ?name lookup (?:failed|failure)|\bno rdns\b|\bdns check fail|\bdns (?:mx|ptr|a) (?:\S+ ){0,3}record", POSTFIX),
        (r"\b(?:helo|ehlo)\b", "RFC 5321, 4.1.1.1"),
        (r"\bstarttls\b|\btls (?:is |version )?(?:\S+ )?(?:required|needed|mandatory|not)|\b(?:requires?|needs?|without|must support|must use) (?:\w+ )?(?:tls|ssl|encryption|encrypted|high-strength)|\bencryption (?:is )?(?:required|needed)", "RFC 3207; RFC 5248, X.7.10"),
        (r"\bcertificates?\b|\bcertificate-|\bdane\b|\btlsa\b|\btlsa-|\bdnssec\b|\bdnssec-", "RFC 7672; Exchange Online, Mimecast"),
    ),
)  # fmt: skip

BLOCKLIST = Rule(
    "blocklist",
    Concern.SOURCE,
    (
        (r"\b(?:spamhaus|spamcop|sorbs|barracudacentral|barracuda reputation|senderscore|abuseat|uceprotect|mailspike|invaluement|cloudmark"
         r"|spamrl|hostkarma|junkemailfilter|blackholes|surbl|uribl|ivmsip|dnsbls?|rbls?|rhsbl|sbl|xbl|cbl|pbl|ivmsip)\b", "the lists themselves"),
        (r"black ?-?list|block ?-?list|\bdeny ?-?list|\bblack ?hole|\bblacklist\w*|\bblackliste", MANY),
        (r"\b(?:is|are|was|been|found|ip|host|~) (?:\w+ )?listed (?:at|in|on|by)|\blisting in\b|\bdue to listing", "DNS lists, as RFC 5782 has them"),
        (r"\bblocked (?:using|for|due|because|from)\b", POSTFIX),
        (r"\breputation\b", CISCO),
        (r"\byour (?:ip|host|server|network|mail server|mta|system|domain)s? " + GAP
         + r"(?:block\w*|reject\w*|denied|refused|banned|not (?:allowed|permitted|welcome)|listed|suspicious)", MANY),
        (r"\b(?:ip|client host|client|connecting host|host|sending ip|sending mta) (?:@ |~ |\[?~\]? |\d+ )?(?:is |was |has been )?(?:rejected|blocked|banned|denied|refused)", POSTFIX),
        (r"\bbanned (?:sending )?(?:ip|sender|host)|\bips? (?:is |are |was )?(?:banned|blocked)|\bblocked ip\b", MICROSOFT),
        (r"\bconnections? (?:will )?not (?:be )?accepted from|\btraffic not accepted from", YAHOO),
        (r"\bblocked by (?:our|the|my) (?:\w+ ){0,3}list\b|\baccess from (?:this|your) (?:host|ip|server)|\b(?:client|host|ip|~) (?:is |are )?not (?:allowed|permitted|welcome)\b", MANY),
        (r"\bconnection (?:was |is |has been )?(?:rejected|denied|blocked|refused (?:by|due))\b", "Broadcom, and others"),
        (r"\byour access to (?:\w+ ){0,3}(?:this|our) (?:e-?)?mail", CISCO),
        (r"\bip (?:that )?you(?:'re| are) using|~ (?:is |was |has been )?(?:currently |temporarily )?(?:blocked|banned|blacklisted)\b", GMAIL + ", Cox"),
        (r"\bspam abuse|\b(?:spam|abuse) (?:\w+ ){0,2}from (?:your|this|the sending|sending|our) (?:ip|host|server|account)|\bsending account (?:has been|is|was) (?:banned|blocked)", MICROSOFT),
        (r"\boutbound ?spam", MICROSOFT),
        (r"\bspam ?trap|\bspammer", MANY),
        (r"\b(?:over|via|from|through|using) ipv[46]\b", MICROSOFT),
    ),
    sub_type="policy",
)  # fmt: skip

# Who is spoken of: see `rules.SUBJECTS`. A refusal that says "your server" is hardly about the recipient.

ABOUT_SENDER = Rule(
    "of_sender",
    Concern.SENDER,
    ((r"\bsenders?\b|\boriginator\b|\bmail from\b|\breturn[- ]path\b|\bfrom: |\bemetteur\b|\babsender\b|\bremitente\b|\bmittente\b|\bremetente\b|\bafzender\b|\bnadawca\b|отправител|発信者|送信者|发件人|寄件人", MANY),),
)  # fmt: skip

ABOUT_SOURCE = Rule(
    "of_source",
    Concern.SOURCE,
    (
        (r"\b(?:your|sending|client|connecting|source|originating|bad) (?:\w+ )?(?:ips?|hosts?|servers?|mta|relay|isp|network|provider|domain|mail ?server|system)\b", MANY),
        (r"\bip ~|\bips?:? ?=? ?~|\bdynamic (?:ip|address)|\bgeo(?:ip|graphic\w*)\b|\bcountry\b", MANY),
    ),
)  # fmt: skip
