"""Refusals of an address that does not exist, in the languages they come in."""

# ruff: noqa: E501 - a phrase stands on one line

from eed_delivery.transports.replies.rule import (
    CISCO,
    EXIM,
    MANY,
    MICROSOFT,
    POSTFIX,
    QMAIL,
    SENDMAIL,
    YAHOO,
    Concern,
    Rule,
)

_WHO = (
    r"(?:users?|recipients?|rcpt|mailbox(?:es)?|mail box|inbox|accounts?|address(?:es)?|addressees?"
    r"|e?-?mail (?:address|account|id)|alias|username|user ?id|person|customer|subscriber)"
)
# The same without "account", which may be the one that we log in with; with an address beside it, it is not.
_WHOM = r"(?:users?|user ?accounts?|recipients?|rcpt|mailbox(?:es)?|mail box|inbox|address(?:es)?|alias|customer|subscriber|account @)"
_WHOSE = r"(?:local |virtual |destination |final |delivery |envelope |e-?mail |smtp |domino |target |valid |such )*"
_NOT_THERE = (
    r"(?:unknown|unrecogni[sz]ed|invalid|undeliverable|unrout(?:e)?able|non-?exist[ae]nt|missing"
    r"|(?:could |can|was |were |is |are |has |has been )?not (?:be |been )?(?:found|located|exist|known|registered|recogni[sz]ed|valid|present|local|deliverable)"
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

NO_DOMAIN = Rule(
    "no_domain",
    Concern.ADDRESS,
    (
        (r"\b(?:host|domain|host ?name|domain ?name|server)s?(?: name)?(?: ~| @)? (?:is |was |were |could |can|has )?(?:not (?:be |been )?(?:found|exist|known|resolved?|valid)|unknown|invalid|does not exist|does not resolve)", SENDMAIL),
        (r"\b(?:unknown|no such|invalid|bad|illegal|non-?exist[ae]nt|unroute?able) (?:mail |host/|destination |e-?mail |recipient )?(?:domain|host)\b", EXIM),
        (r"\bnx ?domain|\bdns hard error|\bname or service not known|\bno such (?:domain|host)", CISCO),
        (r"\bnull ?mx\b|\b(?:mx|mx or srv) record indicated no (?:smtp|mail) service", "RFC 7505; Exim"),
        (r"\bno (?:valid )?(?:mx|mail exchangers?|mx records?|mx hosts?|a/mx|mail servers?|mail hosts?)(?: records?)? (?:could be |was |were |are )?(?:found|exists?|for|available|defined)", "Yahoo, OpenSMTPD"),
        (r"\ball relevant mx records point to non-?existent hosts", EXIM),
        (r"\bcould not find (?:any host|a mail exchanger)|\bno route (?:found )?(?:to|for) (?:the |this )?(?:domain|~)", QMAIL),
        (r"\bdoes not accept (?:any )?(?:e-?)?mails?(?:$|[^a-z ]| ?\()|\baccepts no (?:e-?)?mail", "RFC 7504, RFC 7505"),
        (r"\bdomain (?:~ )?(?:is )?(?:no longer|not) (?:hosted|served|in use|used for (?:e-?)?mail|valid|registered)|\bno domain found", "hosters"),
        (r"\b(?:recipient|destination) domain (?:~ )?(?:must exist|not found|unknown|does not exist)", "hosters"),
        (r"\bdomain mentioned in e-?mail address is unknown", QMAIL),
        (r"\b(?:host|domain) look ?-?up (?:failed|failure|did not complete): (?:host|domain)", "DragonFly"),
        (r"\bdomain\w* (?:[^ .;:]+ ){0,4}?(?:existiert nicht|nicht gefunden|unbekannt)|\bunbekannte (?:domain|domane|domaene)", "German"),
        (r"\bdomaine (?:[^ .;:]+ ){0,4}?(?:inconnu|introuvable|n'existe pas|inexistant)", "French"),
        (r"\bdominio (?:[^ .;:]+ ){0,4}?(?:no existe|desconocid|no encontrado|inesistente|non esiste|non trovato|sconosciut|nao existe|desconhecid|nao encontrado|inexistente)", "Spanish, Italian, Portuguese"),
        (r"\bdomein (?:[^ .;:]+ ){0,4}?(?:bestaat niet|onbekend|niet gevonden)|\bdomena (?:[^ .;:]+ ){0,4}?(?:nie istnieje|nieznana)", "Dutch, Polish"),
        (r"домен\pL*[^.]*(?:не найден|не существует|неизвест)|ドメイン[^。]*(?:存在しま?せ?ん?|見つかりません|不明)|(?:域名|网域|網域)[^。]*(?:不存在|无效|找不到|無效)", "Russian, Japanese, Chinese"),
    ),
)  # fmt: skip

DISABLED = Rule(
    "disabled",
    Concern.ADDRESS,
    (
        (r"\b" + _WHOM + r" (?:[^ .;:]+ ){0,5}?(?:is |are |has been |have been |been |was |were |currently )+(?:\w+ )?" + _GONE, YAHOO),
        (r"\b" + _WHOM + r"(?: @)?:? (?:disabled|de-?activated|suspended|closed|terminated|inactive|discontinued|expired|locked|frozen|deleted|removed)\b", MANY),
        (r"\b(?:disabled|inactive|de-?activated|suspended|closed|terminated|archived|expired|invalid/inactive) (?:user|mailbox|recipient|e-?mail)", MANY),
        (r"\bno longer (?:active|in use|employed|an employee|with (?:us|the|this|our)\b|at (?:the|this|our)\b|on server|works? (?:here|at)|a valid|valid|accepts? (?:e-?)?mail|exists?)", "Apple, companies"),
        (r"\brecipient address rejected: (?:[^ .;:]+ ){0,4}?" + _GONE, POSTFIX),
        (r"\b(?:mail ?address|mail ?box|e-?mail address) (?:is |has been )?(?:administratively |permanently )" + _GONE, MANY),
        (r"\b(?:users?|recipient|mailbox|account|address)(?: @| \S+)? (?:cannot|could not|will not|is unable to|is not able to|is not allowed to|is not configured to|does not) (?:\w+ )?(?:receive|accept|get) (?:any |new |your |more )?(?:e-?mail|mail|message)|\blog in to enable receiving|\bmail receiving disabled", "ukr.net, CommuniGate, SimpleLogin"),
        (r"\bhas left (?:the|this|our|us)\b|\be-?mail (?:address )?has (?:been )?changed", "companies"),
        (r"@ (?:is |has been |was )(?:\w+ )?" + _GONE + r"|\bnever (?:been )?(?:logged|used|activated|accessed)\b", "Zoho, mail.com"),
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
)  # fmt: skip

INACTIVE = Rule(
    "disabled",  # before the blocklists: "blocked due to" is their word
    Concern.ADDRESS,
    ((r"\b(?:mail ?box|account|user|address|recipient|@) (?:[^ .;:]+ ){0,8}?inactivity\b", "Daum, inbox.lv, meta.ua"),),
    sure=False,
)  # fmt: skip

NO_MAILBOX = Rule(
    "no_mailbox",
    Concern.ADDRESS,
    (
        (r"\b" + _WHO + r"(?: name| id)?:? " + r"(?:[^ .;:]+ ){0,5}?" + _NOT_THERE, POSTFIX),
        (r"@:? (?:is |was |does |has |did )?(?:user |recipient |mailbox |address )?" + _NOT_THERE, SENDMAIL),
        (r"\b(?:unknown|no such|non-?exist[ae]nt|non-?existing|undeliverable|unroute?able|unrouteable|wrong|no valid|bad destination|bad recipient|bad mailbox)[ -]" + _WHOSE + _WHO, EXIM),
        (r"\b(?:invalid|bad|inexistent)[ -]" + _WHOSE + r"(?:users?|recipients?|mailbox(?:es)?|account|address(?:es)?|e-?mail address|rcpt|mailbox path)", MANY),
        (r"\b(?:not|is not|not in|no) (?:an? |our |one of our |one of our own )?(?:valid |known |local |active |existing |registered |recogni[sz]ed |e-?mail )*(?:gateway )?(?:mailbox|user|recipient|address(?:es)?|account|customer|subscriber|e-?mail address)s?\b", "Comcast and others"),
        (r"\bno (?:mail ?box|mail box|user|account|recipient|one|person|inbox)s? (?:here |found|by that|by this|with that|at this|for this|available|on this|called|named|of that)", QMAIL),
        (r"\bdo(?:es)? not have an? (?:[^ .;:]+ ){0,4}account|\bno account\b", YAHOO),
        (r"\bdo(?:es|s) ?n(?:o|')?t exist|\bdoesnt exist|\bdoes not exists?\b", MANY),
        (r"\brecipient ?not ?found|\bresolver adr (?:recipnotfound|recipient|exrecipnotfound)|\bresolver adr\b", MICROSOFT),
        (r"\b(?:not|is not) (?:listed|present|found) in (?:the )?(?:domino|public|directory|our|local|user|recipient|address)|\b(?:user|recipient) (?:is )?not in (?:\w+ ){0,2}list\b", "Domino, hMailServer"),
        (r"\bbad ?rcpt ?to\b|\bbadrecipientto\b|\b(?:not in my )?valid ?rcpt ?to\b|\b(?:sorry, )?your envelope recipient", QMAIL),
        (r"\brecipient address rejected: (?:undeliverable|unknown|invalid|user ?unknown|address unknown|no such|not found|bad)", POSTFIX),
        (r"\b(?:restricted|illegal|invalid|bad|special) characters? in (?:\w+ )?(?:address|recipient|local ?part|user ?name|mailbox)", EXIM),
        (r"\bincorrectly addressed\b|\binvalid final delivery userid|\buser ?unknown\b|\bunknown ?user\b|\bnosuchuser\b|\bno such (?:id|mail ?drop|person)|\bunknown (?:local part|local-part|username)", MANY),
        (r"\bunroute?able address|\bdestination addresses were unknown|\bcannot be resolved to a (?:mailbox|user)", EXIM),
        (r"\b(?:cannot|could not|unable to|failed to) (?:find|locate) (?:the |this |that |any |an? )?" + _WHOSE + _WHO, MANY),
        (r"\bcannot accept user|\bnot handle mail for (?:that|this) user|\bnot a deliverable address|\bcannot deliver mail for|\bnot have a final (?:e-?mail )?delivery point|\buser missing home directory|\bnot e-?mail addresses|\bdelivery to (?:this|that) user is not possible", "various"),
        (r"\bmay have been (?:moved|removed|deleted|misspelled|mistyped)|\bhas (?:moved|left)(?: with)? no (?:forwarding )?address", MICROSOFT),
        (_DE_WHO + r" (?:[^ .;:]+ ){0,6}?(?:unbekannt|nicht gefunden|existiert nicht|existiert leider nicht|nicht vorhanden|nicht bekannt|ung(?:u|ue)ltig|gibt es nicht|nicht existent)", "German"),
        (r"\b(?:keine person|niemand) (?:[^ .;:]+ ){0,3}?(?:namen|adresse)|\b(?:unbekannter?|ung(?:u|ue)ltiger?|nicht existierende[rs]?|falscher?|kein(?:e)? (?:solche[rs]? )?|kein solcher )[ ]?" + _DE_WHO, "German"),
        (_FR_WHO + r" (?:[^ .;:]+ ){0,6}?(?:inconnue?|introuvable|n'existe (?:pas|plus)|n'existent pas|inexistante?|invalide|non valide|pas (?:ete )?trouvee?|n'a pas ete trouvee?)", "French"),
        (r"\baucun (?:utilisateur|compte|destinataire)", "French"),
        (_ES_WHO + r" (?:[^ .;:]+ ){0,6}?(?:desconocid|no existe|inexistente|invalid|errone|incorrect|no (?:es )?valid|no (?:se )?(?:ha |ha sido |fue |pudo ser |pudo )?enc[ou]e?ntr)", "Spanish"),
        (r"\bno existe (?:\w+ ){0,2}" + r"(?:usuario|persona|cuenta|buzon|direccion)|\b(?:usuario|destinatario) desconocido", "Spanish"),
        (_IT_WHO + r" (?:[^ .;:]+ ){0,6}?(?:sconosciut|inesistente|errat[oa]|non esiste|non (?:e stat[oa] )?trovat|non valid|non e valid)|\bnessun utente|\bdestin\. sconosciut", "Italian"),
        (_PT_WHO + r" (?:[^ .;:]+ ){0,6}?(?:desconhecid|nao existe|inexistente|errad|incorret|nao (?:foi )?(?:encontrad|localizad)|invalid|nao e valid)", "Portuguese"),
        (_NL_WHO + r" (?:[^ .;:]+ ){0,5}?(?:onbekend|bestaat niet|niet gevonden|ongeldig|niet bekend|bestaat niet meer)|\bonbekende (?:gebruiker|ontvanger)", "Dutch"),
        (_PL_WHO + r" (?:[^ .;:]+ ){0,5}?(?:nieznan|nie istnieje|nie (?:zostal[ao]? )?znalezion|nieprawidlow|niepoprawn)|\bnieznan[ya] (?:uzytkownik|odbiorca|adresat)|\bnie ma takie(?:go|j)|\bbrak (?:takiego |takiej )?(?:uzytkownika|skrzynki|konta|odbiorcy)", "Polish"),
        (_TR_WHO + r" (?:[^ .;:]+ ){0,5}?(?:bilinmiyor|bulunamadi|bulunmuyor|bulunmamaktadir|bulunmadi|yok|gecersiz|mevcut degil|tanimli degil|gecerli degil)|\b(?:bilinmeyen|gecersiz) (?:kullanici|alici|adres)|\bboyle bir (?:kullanici|adres|hesap|alici)", "Turkish"),
        (_RU_WHO + r"[^.]*(?:не найден|не существует|неизвест|недействител|не обнаружен|отсутствует|не зарегистрирован)|неизвестный (?:пользователь|получатель|адрес)|нет такого (?:пользователя|адреса|ящика|получателя)|(?:такого|такой) (?:пользователя|адреса|ящика|ящик|адрес|пользователь)[^.]*(?:нет|не существует)|несуществующ", "Russian"),
        (_JA_WHO + r"[^。]*(?:存在しません|存在しない|存在しな|見つかりません|見つかりませんでした|見つからない|見当たりません|不明|無効|ありません|登録されていません|いません|おりません)|宛先不明|あて先不明|リストにありません|該当する(?:ユーザ|アドレス)", "Japanese"),
        (_ZH_WHO + r"[^。]*(?:不存在|不明|无效|無效|未找到|找不到|没有找到|未知|不正确|不正確)|(?:找不到|查无|查無|无此|無此|没有此|没有该|沒有此)(?:此人|该|這個|这个)?" + _ZH_WHO + r"?(?:$|[^满])|查无此人|查無此人", "Chinese"),
        (r"\b(?:okand|ukendt|ukjent) (?:anvandare|mottagare|bruger|modtager|bruker|mottaker)|\b(?:uzivatel|schranka|adresat|adresa|prijemce) (?:[^ .;:]+ ){0,4}?(?:neexistuje|nenalezen)|\b(?:neznamy uzivatel|ismeretlen (?:felhasznalo|cimzett)|nem letezik|tuntematon vastaanottaja|utilizator necunoscut)|αγνωστος|존재하지 않|찾을 수 없", "others"),
    ),
)  # fmt: skip

DISABLED_ACCOUNT = Rule(
    "disabled",  # 525 5.7.13 Account disabled (RFC 5248): ours, by which we log in
    Concern.ADDRESS,
    (
        (r"\baccounts? (?:[^ .;:]+ ){0,5}?(?:is |are |has been |have been |been |was |were |currently )+(?:\w+ )?" + _GONE, YAHOO),
        (r"\baccounts?:? (?:disabled|de-?activated|suspended|closed|terminated|inactive|discontinued|expired)", MANY),
        (r"\b(?:disabled|inactive|de-?activated|suspended|closed|terminated|archived|expired) accounts?\b", MANY),
    ),
    sure=False,
)  # fmt: skip

MAYBE_NO_MAILBOX = Rule(
    "no_mailbox",
    Concern.ADDRESS,
    (
        (r"\bmail ?box (?:[^ .;:]+ ){0,5}?(?:unavailable|unavaiable|not available|is not available)", "RFC 5321, 4.2.2: the text of 550"),
        (r"\brecipient address(?:es)? rejected ?: access denied|\bmailbox name not allowed|\bvalid-address-filter|\bno (?:\w+ )?entry for (?:this|that) address|\bbogus (?:and \w+ )?(?:e-?mail )?address", "Exchange Online: directory-based edge blocking"),
        (r"(?:^|[^a-z]|recipient |5\.1\.0 |e-?mail )address rejected ?(?:\.|;|\(|$)", CISCO),
        (r"\baccount unavailable|\baddress no longer|\brecipient (?:is )?not (?:ok|accepted|local)\b|\bthe following recipients? (?:was|were) undeliverable|\bdestination server rejected recipients", "various"),
        (r"\bcheck (?:if|that|whether) (?:the )?(?:e-?mail )?address is (?:correct|valid)|\bthe e-?mail address was (?:misspelled|not entered correctly|entered incorrectly)", "InterScan, Exchange"),
    ),
    sure=False,
)  # fmt: skip
