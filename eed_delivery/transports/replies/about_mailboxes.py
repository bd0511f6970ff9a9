"""Refusals of a recipient who exists, but is full, switched off for now, or blocking us."""

# ruff: noqa: E501 - a phrase stands on one line

from eed_delivery.transports.replies.rule import EXIM, GMAIL, MANY, MICROSOFT, Concern, Rule

FULL = Rule(
    "full",
    Concern.MAILBOX,
    (
        (r"(?:mail)?box (?:[^ .;:]+ ){0,4}?(?:is |has been )?(?:almost |currently )?(?:over)?full\b|\b(?:full|overfull) mail ?box|\binbox (?:is )?full", MANY),
        (r"\b(?:over|exceed\w*|out of|beyond|above|insufficient|low on) (?:[^ .;:]+ ){0,5}?(?:quota|storage|disk|space|mailbox size|allocation)", GMAIL),
        (r"\b(?:quota|storage|mailbox size limit|mailbox limit|disk|mailbox size|space) (?:[^ .;:]+ ){0,5}?(?:exceed\w*|exeed\w*|full|reached|over|exhausted|violation)", EXIM),
        (r"\btoo much mail data|\bover ?quota|\bquota ?exceed|\bmailbox_?full|mailbox_full|\bexceed\w* allowed message count|\boverquota", MANY),
        (r"\bnot (?:\w+ )?enough (?:\w+ ){0,2}(?:space|storage|room|disk)|\bspace (?:is )?not enough|\bfolder is full|\bdisk full|\bdoes not have enough|\breached (?:\w+ ){0,4}quota|\bexceeded (?:its|their|his|the) (?:\w+ ){0,2}limit", MANY),
        (r"\b(?:mailbox|recipient|user|account) (?:\w+ ){0,3}(?:exceeded|exceeds) (?:\w+ ){0,3}(?:limit|size)", MICROSOFT),
        (r"\b(?:postfach|mailbox|speicher\w*|quota|kontingent) (?:[^ .;:]+ ){0,5}?(?:voll|(?:u|ue)berschritten|erschopft|(?:u|ue)berfullt|(?:u|ue)berfuellt)", "German"),
        (r"\b(?:boite|quota|espace|bal) (?:[^ .;:]+ ){0,6}?(?:pleine?|depass\w+|insuffisant\w*|satur\w+)\b", "French"),
        (r"\b(?:buzon|cuota|cuenta|espacio|almacenamiento|casilla) (?:[^ .;:]+ ){0,6}?(?:llen[oa]|exced\w+|superad\w+|insuficiente|agotad\w+|sobrepas\w+)", "Spanish"),
        (r"\b(?:casella|quota|spazio|mailbox) (?:[^ .;:]+ ){0,6}?(?:pien[ao]|superat\w+|esaurit\w+|insufficiente|ecced\w+)", "Italian"),
        (r"\b(?:caixa|quota|cota|espaco|limite) (?:[^ .;:]+ ){0,6}?(?:chei[ao]|exced\w+|lotad\w+|insuficiente|esgotad\w+|ultrapass\w+)", "Portuguese"),
        (r"\b(?:postvak|postbus|mailbox|quota|schijfruimte|opslagruimte) (?:[^ .;:]+ ){0,5}?(?:vol|overschreden|onvoldoende|overvol)\b", "Dutch"),
        (r"\b(?:skrzynka|limit|miejsc\w+|quota|pojemnosc) (?:[^ .;:]+ ){0,5}?(?:pelna|przepelnion\w+|przekroczon\w+)|\bbrak miejsca|przepelniona skrzynka", "Polish"),
        (r"\b(?:posta kutusu|kota|kotasi|alan|disk) (?:[^ .;:]+ ){0,5}?(?:dolu|asil\w+|yetersiz|doldu)", "Turkish"),
        (r"(?:ящик|квот\pL*|мест[ао]|хранилищ\pL*)[^.]*(?:переполнен|превышен|недостаточно|заполнен|полон)|(?:переполнен|превышен|недостаточно)[^.]*(?:ящик|квот|мест)", "Russian"),
        (r"(?:メールボックス|容量|受信箱|ディスク|受信トレイ)[^。]*(?:いっぱい|一杯|満杯|超過|超え|不足|オーバー)", "Japanese"),
        (r"(?:邮箱|郵箱|信箱|空间|空間|配额|配額|容量)[^。]*(?:已满|已滿|满了|不足|超出|超过|超過|用完)", "Chinese"),
    ),
    later=True,
)  # fmt: skip

CLOSED_GROUP = Rule(
    "closed",  # the recipient takes mail of some senders only, and it reads as if we had to log in
    Concern.MAILBOX,
    (
        (r"\bresolver rst (?:\w*auth\w*|\w*restrict\w*)|\bsendernotauthenticated|\brestrictedtorecipients|\bnotauthorized\b", MICROSOFT),
        (r"\bnot authenticated (?:by|for|when sending to) (?:the |this |a )?(?:organi[sz]ation|group|mailbox|public folder|recipient|distribution)|\bnot in (?:the )?allowed-?senders|\bdelivery (?:is )?not (?:authori[sz]ed|allowed|permitted)", MICROSOFT),
        (r"\bnot (?:authori[sz]ed|permitted|allowed) to (?:send|write|post|deliver|mail) (?:(?:e-?mails?|messages?|mail) )?to (?:this|the|that|these|@)\b", MICROSOFT),
    ),
    sub_type="policy",
)  # fmt: skip

CLOSED = Rule(
    "closed",  # the recipient, or who manages the mailbox, takes no mail from us
    Concern.MAILBOX,
    (
        (r"\b(?:recipient|addressee) (?:@ )?(?:is |was )?(?:not (?:allowed|permitted)|denied|refused|blocked)\b", MANY),
        (r"\b(?:recipient|user|mailbox owner|addressee) (?:preferences|rules|policy settings)|\bblocked - user\b|\b(?:rejected|refused|blocked|denied|discarded) by (?:the |this |a |its )?(?:recipients?|addressee|users?|mailbox)\b", "Facebook, Exchange Online, QQ, Mimecast"),
        (r"\b(?:recipient|user|addressee|mailbox|account|address|@) (?:is )?(?:only |does not )(?:accepts?|accepting|receives?) (?:\w+ )?(?:mails?|e-?mails?|messages?|internal)|\brefus\w+ to (?:accept|receive)|\bonly accept\w* (?:mail|messages|e-?mail)|\bdoes not accept (?:e-?mails?|mail|messages) (?:from|over|via)", "various"),
        (r"\b(?:recipient|receiver|addressee|user) (?:has )?(?:denied|refused|rejected|blocked) (?:your|the|this)\b|\brecipient address rejected: blocked ?\.?$|\b(?:rejection|rejected|refused|denied|blocked) (?:on|of|for|by) (?:the |this )?(?:target|destination|receiver)", "Daum, Rambler, GoDaddy"),
        (r"\bmembers?[- ]only\b|\bnon-?members?\b|\bclosed (?:mailing )?list|\bnot (?:a )?(?:member|subscribed)|\brecipient (?:address )?(?:is )?suppressed|\bsuppression list|\bbanned recipient", "mailing lists, SparkPost"),
    ),
    sub_type="policy",
)  # fmt: skip

TOO_MANY_KEPT = Rule(
    "full",  # before what is said of us: these many messages are the recipient's own
    Concern.MAILBOX,
    ((r"\btoo many (?:e-?mails|messages|mails) (?:on|in|stored)\b|\bzu ?viele (?:mails|nachrichten) auf", "WEB.DE, and others"),),
    later=True,
)  # fmt: skip

GREYLISTING = Rule(
    "greylisting",
    Concern.MAILBOX,
    ((r"\bgr[ae]y-?list", "postgrey"),),
    later=True,
    sub_type="rate",
)  # fmt: skip

TEMPORARY = Rule(
    "temporary",
    Concern.MAILBOX,
    (
        (r"\btemporar(?:y|i?ly)\b|\btransient\b", MANY),
        (r"\b(?:try|retry|come back|send|resend)(?: \w+){0,3} later\b|\blater (?:try|retry)", "RFC 5321, 4.2.5"),
        (r"\b(?:disabled|suspended|unavailable|locked|inactive)[,.;]? (?:please )?try again\b", "qmail and its children"),
        (r"\bvor(?:u|ue)bergehend|\bsp(?:a|ae)ter (?:erneut|noch einmal|nochmal|wieder)", "German"),
        (r"\btemporaire\w*|\bplus tard|\bulterieurement", "French"),
        (r"\btemporal(?:mente)?\b|\bmas tarde\b", "Spanish"),
        (r"\btemporane[aoi]\w*|\bpiu tardi", "Italian"),
        (r"\btemporari[ao]\w*|\bmais tarde", "Portuguese"),
        (r"\btijdelijk\w*|\blater (?:opnieuw|nog)", "Dutch"),
        (r"\btymczasow\w+|\bchwilow\w+|\bpozniej\b", "Polish"),
        (r"\bgecici\w*|\bdaha sonra", "Turkish"),
        (r"временн|позже|позднее", "Russian"),
        (r"一時的|後ほど|後で|しばらく", "Japanese"),
        (r"暂时|暫時|稍后|稍後", "Chinese"),
    ),
    later=True,
)  # fmt: skip

# Who is spoken of: see `rules.SUBJECTS`.
ABOUT_RECIPIENT = Rule(
    "of_recipient",
    Concern.MAILBOX,
    ((r"\bmail ?box\b|\binbox\b|\busers?\b|\breceivers?\b|\baddressees?\b|\brecipients? (?:[b-z]\w*|a[a-ce-z]\w*)\b|\brecipients?(?:[:.,;)]|$)|\b(?:target|destination) address\b", MANY),),
)  # fmt: skip
