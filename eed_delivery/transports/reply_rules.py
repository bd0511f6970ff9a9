"""Whom a refusal concerns, by its words: the one table for answers at sending and for bounces.

A code alone does not say it. `550 5.1.1` is also what a server says to a sender whom it has blocked, and `550 5.7.1` is
also said of a mailbox that is not there. So the words are looked at, in the order of `RULES`: what speaks against us, or
for a mailbox that is only not to be had now, comes before what speaks of a dead address. A good address that is
suppressed is lost; a dead one that is not, bounces once more.

Patterns are RE2's (https://github.com/google/re2/wiki/Syntax): whatever a stranger writes, they take linear time. They are
matched against the text's normal form, see `normal_form`.
"""

# ruff: noqa: E501 - a phrase stands on one line

import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import Protocol

MAX_CHARS = 8000
"""Characters of a text that are looked at."""


class Concern(StrEnum):
    """Whom a refusal is about."""

    ADDRESS = "address"  # nobody is there: mailing it again is pointless
    MAILBOX = "mailbox"  # this recipient, who is there: full, switched off for now, receives too much
    CONTENT = "content"  # this email
    SENDER = "sender"  # our sender address or its domain: every email of the job
    SOURCE = "source"  # our server, IP address or account: everybody's emails
    DOMAIN = "domain"  # the recipient's system, or the way to it


@dataclass(frozen=True, slots=True)
class Rule:
    """A kind of refusal. `later`: it may pass. `sure`: False where a code that speaks of policy gainsays it.

    `phrases`: patterns, each with whose words they are. `sub_type`: what a bounce's event calls it, if not by `name`.
    """

    name: str
    concern: Concern
    phrases: tuple[tuple[str, str], ...]
    later: bool = False
    sure: bool = True
    sub_type: str = ""


# At most so many words between the two halves of a phrase, within one sentence.
_GAP = r"(?:[^ .;:]+ ){0,6}?"
_WHO = (
    r"(?:users?|recipients?|rcpt|mailbox(?:es)?|mail box|inbox|accounts?|address(?:es)?|addressees?"
    r"|e-?mail (?:address|account|id)|alias|username|user ?id|person|customer|subscriber)"
)
# The same without "account", which may be the one that we log in with; with an address beside it, it is not.
_WHOM = r"(?:users?|recipients?|rcpt|mailbox(?:es)?|mail box|inbox|address(?:es)?|alias|customer|subscriber|account @)"
_WHOSE = r"(?:local |virtual |destination |final |delivery |envelope |e-?mail |smtp |domino |target |valid |such )*"
_NOT_THERE = (
    r"(?:unknown|unrecogni[sz]ed|invalid|undeliverable|unrout(?:e)?able|non-?existent|missing"
    r"|(?:could |can|was |were |is |are |has |has been )?not (?:be |been )?(?:found|located|exist|known|registered|recogni[sz]ed|valid|present|local)"
    r"|do(?:es|s)? ?n(?:o|')?t exists?|no longer exists?|did not exist|not exists?)"
)
_GONE = (
    r"(?:disabled|de-?activated|suspended|closed|terminated|inactive|discontinued|deleted|removed|cancell?ed|locked|frozen"
    r"|archived|retired|not active|not activated|no longer (?:active|in use|valid|available|accept\w*|on server|works?|exists?))"
)

_DE_WHO = r"(?:benutzer|empf(?:a|ae)nger|postfach|mailbox|adresse|konto|teilnehmer|e-?mail-?adresse)\w*"
_FR_WHO = r"(?:utilisateur|destinataire|bo[i]te(?: aux lettres)?|adresse|compte|usager|abonne)s?"
_ES_WHO = r"(?:usuario|destinatario|buzon|cuenta|direccion|casilla)s?"
_IT_WHO = r"(?:utente|destinatario|casella|account|indirizzo|mailbox)"
_PT_WHO = r"(?:usuario|utilizador|destinatario|caixa(?: postal| de correio)?|conta|endereco)s?"
_NL_WHO = r"(?:gebruiker|ontvanger|postvak|postbus|mailbox|adres|e-?mailadres|account|geadresseerde)"
_PL_WHO = r"(?:uzytkownik\w*|odbiorc\w+|skrzynk\w+|kont[oa]|adresat\w*|adres\w*)"
_TR_WHO = r"(?:kullanici\w*|alici\w*|posta kutusu\w*|hesa[pb]\w*|adres\w*)"
_RU_WHO = r"(?:пользовател|получател|адресат|ящик|адрес|учетн\pL* запис|абонент)\pL*"
_JA_WHO = r"(?:ユーザ|利用者|宛先|あて先|受信者|アドレス|メールボックス|アカウント)"
_ZH_WHO = r"(?:用户|用戶|使用者|收件人|收信人|邮箱|郵箱|信箱|帐号|账号|帳號|帐户|账户|帳戶|地址)"

_POSTFIX, _EXIM, _SENDMAIL, _QMAIL = "Postfix", "Exim", "Sendmail", "qmail and its children"
_GMAIL, _MS, _YAHOO, _CISCO = "Gmail", "Exchange and Outlook.com", "Yahoo and AOL", "Cisco (IronPort)"
_MANY = "many servers"

RULES: tuple[Rule, ...] = (
    # ---- What is about us, or about now. These come first.
    Rule(
        "sender",
        Concern.SENDER,
        (
            (r"\bsender:? (?:@:? )?(?:is |was |has been )?(?:rejected|denied|refused|unknown|invalid|not |does not|could not|verif|blocked|domain)", _POSTFIX),
            (r"\b(?:domain of sender|sending domain|sender's? domain|envelope sender|envelope from|mail from|return path)\b" + " " + _GAP
             + r"(?:not|no|rejected|denied|refused|must|invalid|unresolv\w+|bad\w*)\b", _SENDMAIL),
            (r"\b(?:invalid|unknown|bad|unverified|forged|banned) sender\b", _MANY),
            (r"\bsender " + _GAP + r"(?:does not exist|blocked|not exist|no (?:a|mx|a/mx)\b|null ?mx|not verified|not authori[sz]ed)", _MANY),
            (r"\b(?:after|in reply to|response to|command:?) (?:pipelined )?(?:mail from|ehlo|helo|auth|initial connection|starttls)\b", "Exim, Postfix: an answer before the recipient was named"),
            (r"\bfrom:? (?:\w+ )?domain\b|\bvalid from\b|\bfrom:? (?:header|address) (?:\w+ ){0,3}(?:invalid|missing|not)", "GoDaddy"),
            (r"\bbadmailfrom\b|\bbatv\b|\bbackscatter", _QMAIL),
            (r"\bsender verif(?:y|ication) (?:failed|for)|verification failed for", _EXIM + ": verify.c; a recipient's is \"Callout verification failed\""),
            (r"\byour (?:e-?mail )?account (?:is|has been|was) (?:\w+ )?(?:suspended|disabled|blocked|locked)", "hosters"),
            (r"\be-?mail address is not verified", "Amazon SES"),
            (r"\bsender:? (?:@ )?(?:is )?not (?:logged in|owned)|not owned by user", _POSTFIX),
            (r"\bsender must (?:contain|have|be an?)\b", _SENDMAIL),
            (r"\bsend ?as ?denied|\b(?:permissions?|allowed|authori[sz]ed) to send (?:mail |e-?mail )?(?:as|on behalf|from)\b|\boutbound sender\b", _MS),
            (r"\b(?:unconfigured|unverified|unregistered) (?:sending |from )?domain|\bverified sender\b", "SparkPost, SendGrid"),
        ),
    ),
    Rule(
        "relay",
        Concern.SOURCE,
        (
            (r"\brelay(?:ing)? (?:access |operation |mail )?(?:is |was )?(?:denied|not (?:permitted|allowed)|prohibited|rejected|disallowed)", _POSTFIX),
            (r"\b(?:unable to|cannot|not (?:allowed|permitted|authori[sz]ed) to|do(?:es)? not|allowed to|refus\w+ to|attempt to) relay", _MS),
            (r"\brelaying (?:to|for|through|mail)|\bno relay|\bopen relay|tenantattribution", _MANY),
            (r"\brcpthosts\b", _QMAIL),
            (r"\buse (?:me|us|this server) (?:[^ .;:]+ ){0,2}as an? (?:open )?relay", "Broadcom (MessageLabs)"),
            (r"\brequires authentication when attempting to send to a non-local", "Merak, IceWarp"),
        ),
        sub_type="policy",
    ),
    Rule(
        "network",
        Concern.DOMAIN,
        (
            (r"host not found,? (?:please )?try again", _POSTFIX + ": EX_TEMPFAIL of its resolver, smtp_addr.c"),
            (r"\bdns soft error|\bserv ?fail|\btemporary (?:dns|lookup|name|resolution)", _CISCO),
            (r"\bname (?:server|service) " + _GAP + r"(?:timed? ?out|timeout|try again)", _SENDMAIL),
        ),
        later=True,
    ),
    Rule(
        "rate",
        Concern.SOURCE,
        (
            (r"\brate[- ]?limit|\bratelimit|\brate exceed|\breceivingrate|\bunusual rate|\bmessage rate|\bsending rate", _GMAIL),
            (r"\bat a rate that", _GMAIL),
            (r"\btoo (?:many|much|fast|quickly|frequent\w*)\b", _POSTFIX),
            (r"\bthrottl", _YAHOO),
            (r"\b(?:daily|hourly|weekly|monthly|sending|connection|submission|frequency|traffic|concurren\w+) (?:\w+ ){0,3}(?:limit|quota|volume)s?\b|\brecipient (?:rate |count )?limits?\b", _MS),
            (r"\blimit(?:s|ed)? (?:\w+ ){0,3}(?:per|this|each|every) (?:hour|day|minute)|\bper (?:hour|minute|day)\b|\bthis hour\b", "GoDaddy"),
            (r"\b(?:frequency|connections?) (?:is |are )?limited|\bslow(?:ing)? down|\bmail flood|\bflooding", "QQ"),
            (r"\b(?:exceeded|reached) (?:\w+ ){0,4}(?:rate|threshold|limit for|sending limit|daily limit|number of (?:messages|recipients|connections))", _MS),
            (r"\b(?:messaging|submission|thread|relay) (?:limit|quota)s?\b|\bsubmissionquota|\bcredits (?:exceeded|exhausted)|\b(?:insufficient|no|not enough|out of) credits?\b", "SendGrid, Exchange, Mimecast, Gmail"),
            (r"\b(?:unusual|unexpected) (?:\w+ )?(?:activity|volume|traffic)", "Zoho, Yahoo"),
            (r"频率|頻率|送信(?:数|制限)|送信レート", "QQ, Japanese carriers"),
        ),
        later=True,
    ),
    Rule(
        "authentication",
        Concern.SENDER,
        (
            (r"\b(?:dmarc|spf|dkim|arc|sender id|sender policy framework|domainkeys)\b", "RFC 7208, 6376, 7489"),
            (r"\bunauthenticated|\bnot authenticated|\bauthentication (?:is |was )?(?:required|needed|check|failed|level|requirements)|\bfailed authentication", _GMAIL),
            (r"\breverse (?:dns|hostname|lookup|name)|\brdns\b|\bptr\b|\bfcrdns\b|\bcannot find your (?:reverse )?(?:host|name|domain|ip)|forward-confirmed", _POSTFIX),
            (r"\b(?:helo|ehlo)\b", "RFC 5321, 4.1.1.1"),
            (r"\bmust issue a starttls|\btls (?:is )?required|\bencryption (?:is )?(?:required|needed)", "RFC 3207; RFC 5248, X.7.10"),
        ),
    ),
    Rule(
        "blocklist",
        Concern.SOURCE,
        (
            (r"\b(?:spamhaus|spamcop|sorbs|barracudacentral|barracuda reputation|senderscore|abuseat|uceprotect|mailspike|invaluement|cloudmark"
             r"|spamrl|hostkarma|junkemailfilter|blackholes|surbl|uribl|ivmsip|dnsbl|rbls?|sbl|xbl|cbl|pbl)\b", "the lists themselves"),
            (r"black ?-?list|block ?-?list|\bdeny ?-?list|\bblack ?hole|\bblacklist\w*|\bblackliste", _MANY),
            (r"\b(?:is|are|was|been|found|ip|host|~) (?:\w+ )?listed (?:at|in|on|by)|\blisting in\b|\bdue to listing", "DNS lists, as RFC 5782 has them"),
            (r"\bblocked (?:using|for|due|because|from)\b", _POSTFIX),
            (r"\breputation\b", _CISCO),
            (r"\byour (?:ip|host|server|network|mail server|mta|system|domain)s? " + _GAP
             + r"(?:block\w*|reject\w*|denied|refused|banned|not (?:allowed|permitted|welcome)|listed|suspicious)", _MANY),
            (r"\b(?:ip|client host|client|connecting host|host|sending ip|sending mta) (?:@ |~ |\[?~\]? |\d+ )?(?:is |was |has been )?(?:rejected|blocked|banned|denied|refused)", _POSTFIX),
            (r"\bbanned (?:sending )?(?:ip|sender|host)|\bips? (?:is |are |was )?(?:banned|blocked)|\bblocked ip\b", _MS),
            (r"\bconnections? (?:will )?not (?:be )?accepted from|\btraffic not accepted from", _YAHOO),
            (r"\bblocked by (?:our|the|my) (?:\w+ ){0,3}list\b|\baccess from (?:this|your) (?:host|ip|server)|\b(?:client|host|ip|~) (?:is |are )?not (?:allowed|permitted|welcome)\b", _MANY),
            (r"\bconnection (?:was |is |has been )?(?:rejected|denied|blocked|refused (?:by|due))\b", "Broadcom, and others"),
            (r"\byour access to (?:\w+ ){0,3}(?:this|our) (?:e-?)?mail", _CISCO),
            (r"\bip (?:that )?you(?:'re| are) using|~ (?:is |was |has been )?(?:currently |temporarily )?(?:blocked|banned|blacklisted)\b", _GMAIL + ", Cox"),
            (r"\bspam abuse|\b(?:spam|abuse) (?:\w+ ){0,2}from (?:your|this|the sending|sending|our) (?:ip|host|server|account)|\bsending account (?:has been|is|was) (?:banned|blocked)", _MS),
            (r"\bspam ?trap|\bspammer", _MANY),
        ),
        sub_type="policy",
    ),
    Rule(
        "content",
        Concern.CONTENT,
        (
            (r"\bcontent (?:rejected|denied|policy|filter\w*|restrict\w+|not)", _MANY),
            (r"\bvirus|\bmalware|\bphish|\bworm\b|\btrojan|\binfected|\bsecurity (?:issue|threat|policy|policies|risk)|\bsuspicious", _MANY),
            (r"\battachments? (?:\w+ ){0,2}(?:type|name|blocked|rejected|not|is|are|contain\w*|violat\w*|extension)|\b(?:blocked|prohibited|forbidden|dangerous|illegal|banned|restricted|executable|unsafe|disallowed|bad) (?:file ?|file-?)?(?:attachments?|extension|type)\b|\bexecutable", _GMAIL),
            (r"\b(?:url|link|body|header|subject|message content|mail content|content of) (?:\w+ ){0,3}(?:blocked|rejected|denied|prohibited|forbidden|contains|invalid|not allowed)", _MANY),
            (r"ウイルス|ウィルス|病毒|вирус", "Japanese, Chinese, Russian"),
        ),
    ),
    Rule(
        "spam",
        Concern.CONTENT,
        (
            (r"\b(?:as|is|be|was|probable|probably|possible|likely|suspected|classified|considered|detected|contains?|containing|looks like|sending|sends|sent|to) (?:\w+ ){0,2}spam", _MANY),
            (r"\bspam(?:my)? (?:detected|found|content|message|score|rejected|refused|blocked|filter|policy|or|url|not|e-?mail|mail|pattern|level)|\b(?:rejected|refused|blocked|reject|no|stop|discarded) ?-? ?spam", _MANY),
            (r"\bjunk ?-?mail|\bunsolicited|\bbulk (?:e-?)?mail|\buce\b|^(?:[245][0-9. #-]+)?spam\b", _MANY),
            (r"\bmessage (?:\w+ ){0,4}(?:scored|classified|considered|identified as|detected as|looks like)", "Proofpoint"),
            (r"спам|垃圾邮件|垃圾郵件|垃圾信|迷惑メール|スパム", "mail.ru, QQ, Japanese carriers"),
        ),
        sub_type="policy",
    ),
    Rule(
        "full",
        Concern.MAILBOX,
        (
            (r"(?:mail)?box (?:[^ .;:]+ ){0,4}?(?:is |has been )?(?:almost |currently )?(?:over)?full\b|\b(?:full|overfull) mail ?box|\binbox (?:is )?full", _MANY),
            (r"\b(?:over|exceed\w*|out of|beyond|above|insufficient|low on) (?:[^ .;:]+ ){0,5}?(?:quota|storage|disk|space|mailbox size|allocation)", _GMAIL),
            (r"\b(?:quota|storage|mailbox size limit|mailbox limit|disk|mailbox size|space) (?:[^ .;:]+ ){0,5}?(?:exceed\w*|exeed\w*|full|reached|over|exhausted|violation)", _EXIM),
            (r"\bover ?quota|\bquota ?exceed|\bmailbox_?full|\boverquota", _MANY),
            (r"\bnot (?:\w+ )?enough (?:\w+ ){0,2}(?:space|storage|room|disk)|\bspace (?:is )?not enough|\bfolder is full|\bdisk full|\bdoes not have enough|\breached (?:\w+ ){0,4}quota|\bexceeded (?:its|their|his|the) (?:\w+ ){0,2}limit", _MANY),
            (r"\b(?:mailbox|recipient|user|account) (?:\w+ ){0,3}(?:exceeded|exceeds) (?:\w+ ){0,3}(?:limit|size)", _MS),
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
    ),
    Rule(
        "greylisting",
        Concern.MAILBOX,
        ((r"\bgr[ae]y-?list", "postgrey"),),
        later=True,
        sub_type="rate",
    ),
    Rule(
        "temporary",
        Concern.MAILBOX,
        (
            (r"\btemporar(?:y|i?ly)\b|\btransient\b", _MANY),
            (r"\b(?:try|retry|come back|send|resend)(?: \w+){0,3} later\b|\blater (?:try|retry)", "RFC 5321, 4.2.5"),
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
    ),
    Rule(
        "too_large",
        Concern.CONTENT,
        (
            (r"\b(?:message|mail|e-?mail|size|file) (?:[^ .;:]+ ){0,5}?(?:too (?:large|big|long)|exceeds?)", _POSTFIX),
            (r"\bmessage size|\bmaximum (?:message |mail )?size|\bsize limit", "RFC 1870"),
            (r"\btoo large|\btoo big|zu gro(?:ss|b)|trop volumineux|demasiado grande|troppo grande|слишком большо", _MANY),
        ),
    ),
    # ---- What is about an address that nobody is at.
    Rule(
        "no_domain",
        Concern.ADDRESS,
        (
            (r"\b(?:host|domain|host ?name|domain ?name|server)s?(?: name)?(?: ~| @)? (?:is |was |were |could |can|has )?(?:not (?:be |been )?(?:found|exist|known|resolved?|valid)|unknown|invalid|does not exist|does not resolve)", _SENDMAIL),
            (r"\b(?:unknown|no such|invalid|bad|illegal|non-?existent|unroute?able) (?:mail |host/|destination |e-?mail |recipient )?(?:domain|host)\b", _EXIM),
            (r"\bnx ?domain|\bdns hard error|\bname or service not known|\bno such (?:domain|host)", _CISCO),
            (r"\bnull ?mx\b|\b(?:mx|mx or srv) record indicated no (?:smtp|mail) service", "RFC 7505; Exim"),
            (r"\bno (?:valid )?(?:mx|mail exchangers?|mx records?|mx hosts?|a/mx|mail servers?)(?: records?)? (?:could be |was |were |are )?(?:found|exists?|for|available|defined)", "Yahoo, OpenSMTPD"),
            (r"\ball relevant mx records point to non-?existent hosts", _EXIM),
            (r"\bcould not find (?:any host|a mail exchanger)", _QMAIL),
            (r"\bdoes not accept (?:any )?(?:e-?)?mails?(?:$|[^a-z ]| ?\()|\baccepts no (?:e-?)?mail", "RFC 7504, RFC 7505"),
            (r"\bdomain (?:~ )?(?:is )?(?:no longer|not) (?:hosted|served|in use|valid|registered)|\bno domain found", "hosters"),
            (r"\b(?:recipient|destination) domain (?:~ )?(?:must exist|not found|unknown|does not exist)", "hosters"),
            (r"\bdomain mentioned in e-?mail address is unknown", _QMAIL),
            (r"\b(?:host|domain) look ?-?up (?:failed|failure|did not complete): (?:host|domain)", "DragonFly"),
            (r"\bdomain\w* (?:[^ .;:]+ ){0,4}?(?:existiert nicht|nicht gefunden|unbekannt)|\bunbekannte (?:domain|domane|domaene)", "German"),
            (r"\bdomaine (?:[^ .;:]+ ){0,4}?(?:inconnu|introuvable|n'existe pas|inexistant)", "French"),
            (r"\bdominio (?:[^ .;:]+ ){0,4}?(?:no existe|desconocid|no encontrado|inesistente|non esiste|non trovato|sconosciut|nao existe|desconhecid|nao encontrado|inexistente)", "Spanish, Italian, Portuguese"),
            (r"\bdomein (?:[^ .;:]+ ){0,4}?(?:bestaat niet|onbekend|niet gevonden)|\bdomena (?:[^ .;:]+ ){0,4}?(?:nie istnieje|nieznana)", "Dutch, Polish"),
            (r"домен\pL*[^.]*(?:не найден|не существует|неизвест)|ドメイン[^。]*(?:存在しま?せ?ん?|見つかりません|不明)|(?:域名|网域|網域)[^。]*(?:不存在|无效|找不到|無效)", "Russian, Japanese, Chinese"),
        ),
    ),
    Rule(
        "disabled",
        Concern.ADDRESS,
        (
            (r"\b" + _WHOM + r" (?:[^ .;:]+ ){0,5}?(?:is |are |has been |have been |been |was |were |currently )+(?:\w+ )?" + _GONE, _YAHOO),
            (r"\b" + _WHOM + r"(?: @)?:? (?:disabled|de-?activated|suspended|closed|terminated|inactive|discontinued|expired)", _MANY),
            (r"\b(?:disabled|inactive|de-?activated|suspended|closed|terminated|archived|expired|invalid/inactive) (?:user|mailbox|recipient|e-?mail)", _MANY),
            (r"\bno longer (?:active|in use|employed|with (?:us|the|this|our)\b|at (?:the|this|our)\b|on server|works? (?:here|at)|a valid|valid|accepts? (?:e-?)?mail|exists?)", "Apple, companies"),
            (r"\brecipient address rejected: (?:[^ .;:]+ ){0,4}?(?:disabled|inactive|suspended|closed|terminated|deactivated)", _POSTFIX),
            (r"\bhas left (?:the|this|our|us)\b", "companies"),
            (r"\b(?:recipient|user) (?:account )?is blocked|\bdisableduser|\brecipient suspend", "La Poste"),
            (_DE_WHO + r" (?:[^ .;:]+ ){0,5}?(?:deaktiviert|gesperrt|geloscht|geloescht|geschlossen|stillgelegt)", "German"),
            (_FR_WHO + r" (?:[^ .;:]+ ){0,6}?(?:desactivee?|fermee?|supprimee?|bloquee?|archivee?|suspendue?|resiliee?|n'est plus)\b", "French"),
            (_ES_WHO + r" (?:[^ .;:]+ ){0,6}?(?:desactivad|deshabilitad|inhabilitad|cerrad|expirad|eliminad|suspendid|dad[oa] de baja|cancelad)", "Spanish"),
            (_IT_WHO + r" (?:[^ .;:]+ ){0,6}?(?:disabilitat|disattivat|chius[ao]|sospes[ao]|cancellat|bloccat)", "Italian"),
            (_PT_WHO + r" (?:[^ .;:]+ ){0,6}?(?:desativad|desactivad|encerrad|cancelad|suspens[ao]|bloquead|inativ)", "Portuguese"),
            (_NL_WHO + r" (?:[^ .;:]+ ){0,5}?(?:opgeheven|gesloten|uitgeschakeld|geblokkeerd|niet (?:meer )?(?:actief|in gebruik))", "Dutch"),
            (_PL_WHO + r" (?:[^ .;:]+ ){0,5}?(?:zablokowan|nieaktywn|usuniet|zawieszon|wylaczon)", "Polish"),
            (_TR_WHO + r" (?:[^ .;:]+ ){0,5}?(?:devre disi|kapatil|kapali|askiya|pasif|silin)", "Turkish"),
            (_RU_WHO + r"[^.]*(?:отключен|заблокирован|удален|закрыт|деактивирован)", "Russian"),
            (_JA_WHO + r"[^。]*(?:停止|無効化|削除|解約)", "Japanese"),
            (_ZH_WHO + r"[^。]*(?:停用|禁用|注销|註銷|关闭|關閉|冻结|凍結|封禁)", "Chinese"),
        ),
    ),
    Rule(
        "no_mailbox",
        Concern.ADDRESS,
        (
            (r"\b" + _WHO + r"(?: name| id)?:? " + r"(?:[^ .;:]+ ){0,5}?" + _NOT_THERE, _POSTFIX),
            (r"@ (?:is |was |does |has |did )?(?:user |recipient |mailbox |address )?" + _NOT_THERE, _SENDMAIL),
            (r"\b(?:unknown|no such|non-?existent|non-?existing|undeliverable|unroute?able|unrouteable|wrong|no valid|bad destination|bad recipient|bad mailbox)[ -]" + _WHOSE + _WHO, _EXIM),
            (r"\b(?:invalid|bad|inexistent)[ -]" + _WHOSE + r"(?:users?|recipients?|mailbox(?:es)?|account|address(?:es)?|e-?mail address|rcpt|mailbox path)", _MANY),
            (r"\b(?:not|is not|not in|no) (?:a |an |our |one of our )?(?:valid |known |local |active |existing |registered )*(?:gateway )?(?:mailbox|user|recipient|address|account|customer|subscriber|e-?mail address)s?\b", "Comcast and others"),
            (r"\bno (?:mail ?box|mail box|user|account|recipient|one|person|inbox)s? (?:here |found|by that|by this|with that|at this|for this|available|on this|called|named|of that)", _QMAIL),
            (r"\bdo(?:es)? not have an? (?:[^ .;:]+ ){0,4}account|\bno account\b", _YAHOO),
            (r"\bdo(?:es|s) ?n(?:o|')?t exist|\bdoesnt exist|\bdoes not exists?\b", _MANY),
            (r"\brecipient ?not ?found|\bresolver\.adr\.(?:recipnotfound|recipient|exrecipnotfound)|\bresolver adr\b", _MS),
            (r"\b(?:not|is not) (?:listed|present|found) in (?:the )?(?:domino|public|directory|our|local|user|recipient|address)", "Domino"),
            (r"\bbad ?rcpt ?to\b|\bbadrecipientto\b|\b(?:not in my )?valid ?rcpt ?to\b|\b(?:sorry, )?your envelope recipient", _QMAIL),
            (r"\brecipient address rejected: (?:undeliverable|unknown|invalid|user ?unknown|address unknown|no such|not found|bad)", _POSTFIX),
            (r"\binvalid final delivery userid|\buser ?unknown\b|\bunknown ?user\b|\bnosuchuser\b|\bno such (?:id|mail ?drop|person)|\bunknown (?:local part|local-part|username)", _MANY),
            (r"\bunroute?able address|\bdestination addresses were unknown|\bcannot be resolved to a (?:mailbox|user)", _EXIM),
            (r"\bcannot accept user|\bnot handle mail for (?:that|this) user|\bnot a deliverable address|\bcannot deliver mail for|\bnot have a final (?:e-?mail )?delivery point|\buser missing home directory|\bnot e-?mail addresses|\bdelivery to (?:this|that) user is not possible", "various"),
            (r"\bmay have been (?:moved|removed|deleted|misspelled|mistyped)|\bhas (?:moved|left)(?: with)? no (?:forwarding )?address", _MS),
            (_DE_WHO + r" (?:[^ .;:]+ ){0,6}?(?:unbekannt|nicht gefunden|existiert nicht|existiert leider nicht|nicht vorhanden|nicht bekannt|ung(?:u|ue)ltig|gibt es nicht|nicht existent)", "German"),
            (r"\b(?:unbekannter?|ung(?:u|ue)ltiger?|nicht existierende[rs]?|falscher?|kein(?:e)? (?:solche[rs]? )?|kein solcher )[ ]?" + _DE_WHO, "German"),
            (_FR_WHO + r" (?:[^ .;:]+ ){0,6}?(?:inconnue?|introuvable|n'existe (?:pas|plus)|n'existent pas|inexistante?|invalide|non valide|pas (?:ete )?trouvee?|n'a pas ete trouvee?)", "French"),
            (r"\baucun (?:utilisateur|compte|destinataire)", "French"),
            (_ES_WHO + r" (?:[^ .;:]+ ){0,6}?(?:desconocid|no existe|inexistente|invalid|no (?:es )?valid|no (?:se )?(?:ha |ha sido |fue |pudo ser |pudo )?enc[ou]e?ntr)", "Spanish"),
            (r"\bno existe (?:\w+ ){0,2}" + r"(?:usuario|persona|cuenta|buzon|direccion)|\b(?:usuario|destinatario) desconocido", "Spanish"),
            (_IT_WHO + r" (?:[^ .;:]+ ){0,6}?(?:sconosciut|inesistente|non esiste|non (?:e stat[oa] )?trovat|non valid|non e valid)|\bnessun utente", "Italian"),
            (_PT_WHO + r" (?:[^ .;:]+ ){0,6}?(?:desconhecid|nao existe|inexistente|nao (?:foi )?(?:encontrad|localizad)|invalid|nao e valid)", "Portuguese"),
            (_NL_WHO + r" (?:[^ .;:]+ ){0,5}?(?:onbekend|bestaat niet|niet gevonden|ongeldig|niet bekend|bestaat niet meer)|\bonbekende (?:gebruiker|ontvanger)", "Dutch"),
            (_PL_WHO + r" (?:[^ .;:]+ ){0,5}?(?:nieznan|nie istnieje|nie (?:zostal[ao]? )?znalezion|nieprawidlow|niepoprawn)|\bnieznan[ya] (?:uzytkownik|odbiorca|adresat)|\bnie ma takie(?:go|j)|\bbrak (?:takiego |takiej )?(?:uzytkownika|skrzynki|konta|odbiorcy)", "Polish"),
            (_TR_WHO + r" (?:[^ .;:]+ ){0,5}?(?:bilinmiyor|bulunamadi|bulunmuyor|bulunmamaktadir|bulunmadi|yok|gecersiz|mevcut degil|tanimli degil|gecerli degil)|\b(?:bilinmeyen|gecersiz) (?:kullanici|alici|adres)|\bboyle bir (?:kullanici|adres|hesap|alici)", "Turkish"),
            (_RU_WHO + r"[^.]*(?:не найден|не существует|неизвест|недействител|не обнаружен|отсутствует|не зарегистрирован)|неизвестный (?:пользователь|получатель|адрес)|нет такого (?:пользователя|адреса|ящика|получателя)|(?:такого|такой) (?:пользователя|адреса|ящика|ящик|адрес|пользователь)[^.]*(?:нет|не существует)|несуществующ", "Russian"),
            (_JA_WHO + r"[^。]*(?:存在しません|存在しない|存在しな|見つかりません|見つかりませんでした|見つからない|見当たりません|不明|無効|ありません|登録されていません|いません|おりません)|宛先不明|あて先不明|リストにありません|該当する(?:ユーザ|アドレス)", "Japanese"),
            (_ZH_WHO + r"[^。]*(?:不存在|不明|无效|無效|未找到|找不到|没有找到|未知|不正确|不正確)|(?:找不到|查无|查無|无此|無此|没有此|没有该|沒有此)(?:此人|该|這個|这个)?" + _ZH_WHO + r"?(?:$|[^满])|查无此人|查無此人", "Chinese"),
            (r"\b(?:okand|ukendt|ukjent) (?:anvandare|mottagare|bruger|modtager|bruker|mottaker)|\b(?:uzivatel|schranka|adresat|adresa|prijemce) (?:[^ .;:]+ ){0,4}?(?:neexistuje|nenalezen)|\b(?:neznamy uzivatel|ismeretlen (?:felhasznalo|cimzett)|nem letezik|tuntematon vastaanottaja|utilizator necunoscut)|αγνωστος|존재하지 않|찾을 수 없", "others"),
        ),
    ),
    Rule("spam", Concern.CONTENT, ((r"spam", _MANY),), sub_type="policy"),
    Rule(
        "disabled",  # 525 5.7.13 Account disabled (RFC 5248): ours, by which we log in
        Concern.ADDRESS,
        (
            (r"\baccounts? (?:[^ .;:]+ ){0,5}?(?:is |are |has been |have been |been |was |were |currently )+(?:\w+ )?" + _GONE, _YAHOO),
            (r"\baccounts?:? (?:disabled|de-?activated|suspended|closed|terminated|inactive|discontinued|expired)", _MANY),
            (r"\b(?:disabled|inactive|de-?activated|suspended|closed|terminated|archived|expired) accounts?\b", _MANY),
        ),
        sure=False,
    ),
    Rule(
        "no_mailbox",
        Concern.ADDRESS,
        (
            (r"\bmail ?box (?:[^ .;:]+ ){0,5}?(?:unavailable|unavaiable|not available|is not available)", "RFC 5321, 4.2.2: the text of 550"),
            (r"\brecipient address rejected: access denied", "Exchange Online: directory-based edge blocking"),
            (r"(?:^|[^a-z]|recipient |5\.1\.0 |e-?mail )address rejected ?(?:\.|;|\(|$)", _CISCO),
            (r"\baccount unavailable|\baddress no longer|\brecipient (?:is )?not (?:ok|accepted|local)\b|\bthe following recipients? (?:was|were) undeliverable|\bdestination server rejected recipients", "various"),
            (r"\bcheck (?:if|that|whether) (?:the )?(?:e-?mail )?address is (?:correct|valid)|\bthe e-?mail address was (?:misspelled|not entered correctly|entered incorrectly)", "InterScan, Exchange"),
        ),
        sure=False,
    ),
    # ---- What says little. Only where nothing above fits.
    Rule(
        "policy",
        Concern.SENDER,
        (
            (r"\bpolic(?:y|ies)\b|\bblock|\b(?:access|delivery|permission|mail|message|connection) denied|\bprohibited|\bnot (?:authori[sz]ed|permitted|allowed|accepted)\b|\bfilter", _MANY),
            (r"\b(?:recipient|user) (?:preferences|rules)|\brefus\w+ to (?:accept|receive)|\bonly accept\w* (?:mail|messages)|\bsendernotauthenticated|\bnotauthorized\b|\brestrict", _MS),
        ),
    ),
    Rule("expired", Concern.DOMAIN, ((r"\b(?:delivery (?:time )?|message |queue time )?expired|\btoo long in queue|\bretry timeout|\bretry time not reached|\bmessage too old", _SENDMAIL),), later=True),
    Rule("loop", Concern.DOMAIN, ((r"\bmail (?:for \S+ )?loops? (?:back|detected)|\btoo many hops|\brouting loop|\bhop count", _SENDMAIL),), later=True),
    Rule(
        "network",
        Concern.DOMAIN,
        ((r"\btimed? ?out|\btimeout|\bconnection (?:refused|reset|dropped|lost|closed|failed)|\b(?:host|network|domain|server) (?:is )?(?:unreachable|not reachable)|\bno route to host|\btry again\b|\bcould not connect|\bunable to connect|\bnot responding", _POSTFIX),),
        later=True,
    ),
)  # fmt: skip


class _Pattern(Protocol):
    """What is used of RE2's compiled expressions, which have no types of their own."""

    def search(self, text: bytes) -> object | None: ...

    def sub(self, replacement: bytes, text: bytes) -> bytes: ...


class Phrases:
    """Patterns as in `Rule.phrases`, one of which is to be found."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._patterns = patterns

    def in_form(self, words: str) -> bool:
        """Whether `words`, which is in normal form already, has one of them."""
        return _alternatives(self._patterns).search(words.encode("utf-8", "replace")) is not None

    def search(self, text: str) -> bool:
        """The same for a text as it came."""
        return self.in_form(normal_form(text))


def one_of(*patterns: str) -> Phrases:
    """The patterns, to be compiled when they are first asked for."""
    return Phrases(patterns)


def rule_for(text: str) -> Rule | None:
    """The first rule that has a phrase in `text`, of which the first MAX_CHARS characters are looked at."""
    words = normal_form(text).encode("utf-8", "replace")
    return next((rule for rule, phrases in _compiled() if phrases.search(words)), None)


def normal_form(text: str) -> str:
    """`text` on one line as the patterns expect it, and as two answers of one kind can be compared.

    In small letters without accents (Latin script only), whole words in place of contractions; `@` for an address, `~`
    for a host or an IP address. A blocklist's name stays: the name is what it says.
    """
    text = unicodedata.normalize("NFKC", text[:MAX_CHARS]).translate(_LETTERS).lower()
    line = " ".join(text.replace("\u0307", "").split()).encode("utf-8", "replace")
    for pattern, replacement in _rewriting():
        line = pattern.sub(replacement, line)
    return " ".join(line.decode("utf-8", "replace").split())


def _plain(character: str) -> str:
    """The letter without its accents; as it is where that is no Latin letter."""
    first = unicodedata.normalize("NFKD", character)[0]
    return first if first.isascii() else character


_LETTERS: dict[int, str] = {
    **{code: _plain(chr(code)) for first, beyond in ((0xC0, 0x250), (0x1E00, 0x1F00)) for code in range(first, beyond)},
    **{
        ord(one): other
        for one, other in zip("ßæœøđłŁıёЁ", ("ss", "ae", "oe", "o", "d", "l", "l", "i", "е", "Е"), strict=True)
    },
    **dict.fromkeys(map(ord, "\u2018\u2019`\u00b4"), "'"),
    **dict.fromkeys(map(ord, "\u201c\u201d"), '"'),
    **dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"), ""),
}
_LISTS = (
    r"spamhaus|spamcop|sorbs|barracudacentral|senderscore|abuseat|uceprotect|mailspike|invaluement|spamrl|hostkarma"
    r"|junkemailfilter|surbl|uribl|dnsbl|blacklist|blocklist|blackholes|\brbl\b|\b[sxcp]bl\b"
)
_EDGE = r"[<>()\[\]\"',;: ]"
_REWRITING = (
    # what is looked for, and what stands in its place; in this order
    (
        r"[<(\[\"']{0,3}(?:mailto:|rfc822;)?[^\s<>()\[\]\",;:'@]+@[^\s<>()\[\]\",;:'@]*[^\s<>()\[\]\",;:'@.][>)\]\"']{0,3}",
        r"@",
    ),
    (r"[\[(]?\b[0-9]{1,3}(?:\.[0-9]{1,3}){3}\b[\])]?|\[ipv6:[0-9a-f:.]+\]", r"~"),
    (r"(https?://)?([a-z0-9_-]+\.)*[a-z0-9-]*(" + _LISTS + r")[a-z0-9-]*(\.[a-z0-9-]+)+", r" \3 "),
    (r"(^|" + _EDGE + r")[a-z0-9_-]+(?:\.[a-z0-9_-]+)*\.[a-z]{2,24}\.?(\[|" + _EDGE + r"|$)", r"\1~\2"),
    (r"\bip address(?:es)?\b", r"ip"),
    (
        r"\b(?:sender(?:'s)?|originator|originating|return|reply[- ]?to|mail from|from|your) (?:e-?mail )?address\b",
        r"sender",
    ),
    (r"\bcan't\b|\bcan not\b", r"cannot"),
    (r"n't\b", r" not"),
    (r"\bwo not\b", r"will not"),
)


@cache
def _rewriting() -> tuple[tuple[_Pattern, bytes], ...]:
    return tuple((_compile(pattern), replacement.encode()) for pattern, replacement in _REWRITING)


@cache
def _compiled() -> tuple[tuple[Rule, _Pattern], ...]:
    return tuple((rule, _alternatives(tuple(pattern for pattern, _ in rule.phrases))) for rule in RULES)


@cache
def _alternatives(patterns: tuple[str, ...]) -> _Pattern:
    return _compile("|".join(f"(?:{pattern})" for pattern in patterns))


def _compile(pattern: str) -> _Pattern:
    import re2  # 10 ms, which a process that only sends need not spend

    compiled: _Pattern = re2.compile(pattern)
    return compiled
