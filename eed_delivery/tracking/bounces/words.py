"""How messages without a standard form say that they are bounces, delays or receipts, in the languages they come in.

Patterns are RE2's, matched against `normal_form` of a text: small letters, no accents, `@` for an address, `~` for a
host. Why an email bounced is in another table, `transports.replies.rules`.
"""

# ruff: noqa: E501 - a phrase stands on one line

from eed_delivery.transports.replies.form import one_of

OPENINGS = one_of(
    # https://cr.yp.to/proto/qsbmf.txt, Exim's and Postfix's templates, and what the others send
    r"this is the (?:qmail-send|postfix|mail system|mail delivery|mta|mailserver|mailer-daemon)(?: program| system)?",
    r"this (?:message|mail|e-?mail) was (?:created|generated|sent) automatically by (?:the |a )?(?:mail|smtp|~)",
    r"(?:your message|message sent) did not reach (?:some or all of )?(?:the intended|the following) recipient",
    r"\bunable to deliver (?:your |the |this )?(?:message|mail|e-?mail|following)",
    r"\bdelivery (?:to|of|for) (?:[^ .]+ ){0,12}?(?:failed|has failed|been delayed|aborted)",
    r"\bdelivery has failed to these recipients|\bthe original message was received at",
    r"\b(?:your )?(?:message|mail|e-?mail) (?:[^ .]+ ){0,8}?could not be delivered|\bwas not able to deliver your|\bwe (?:were|are) (?:sorry|unable|not able) (?:[^ .]+ ){0,10}?deliver",
    r"\bthe following address(?:es|\(es\))? (?:had|failed|have)",
)
"""In a text's beginning: templates that no person writes."""

UNDELIVERED = one_of(
    r"\b(?:message|mail|e-?mail)s? (?:[^ .]+ ){0,10}?(?:could|can|was|were|has|have) ?not (?:be |been )?(?:[a-z]+ )?(?:delivered|sent|accepted)",
    r"\bcould not be delivered|\bcannot be delivered|\bcould not deliver|\bnot able to deliver|\bwas undeliverable|\bis undeliverable",
    r"\bnot delivered to|-- failed recipients|\bdid not reach the following|\b(?:not|not yet) been delivered|\bhas been (?:aborted|postponed)|\bwas (?:aborted|postponed)",
    r"\bwe (?:were|are|had) (?:sorry|unable|not able|trouble) (?:[^ .]+ ){0,10}?deliver",
    r"\bthe following address(?:es|\(es\))? (?:had|failed|have)|\bthe following recipients? (?:[^ .]+ ){0,4}?(?:failed|could not|undeliverable)",
    r"\berror (?:has )?occurred (?:while|when|during) (?:attempting to )?(?:deliver|send)|\bthere was an error (?:delivering|sending) your",
    r"\ban e-?mail (?:that )?you sent (?:\w+ )?(?:was|has been|could not)|\bmessage (?:that )?you (?:have )?sent (?:[^ .]+ ){0,4}?(?:rejected|could not|was not|contained)",
    r"\b(?:was|has been) (?:automatically )?(?:rejected|returned|refused)(?: by)?\b|\breject(?:ion)? reason",
    r"\b(?:nachricht|mail|e-?mail) (?:[^ .]+ ){0,10}?(?:nicht zugestellt|unzustellbar|nicht zustellen|nicht ausgeliefert)|\bzustellung (?:[^ .]+ ){0,10}?(?:fehlgeschlagen|nicht moglich|gescheitert)",
    r"\b(?:message|courriel|courrier|mail|e-?mail) (?:[^ .]+ ){0,10}?(?:n'a pas pu|n'a pu|n'a pas ete|ne peut|n'ont pu) (?:\w+ )?(?:etre|remis|distribue|delivre)|\b(?:echec|impossible) (?:de |d'|la )(?:[^ .]+ ){0,6}?(?:remise|remettre|distribution|livraison|envoi|delivrer|acheminement)",
    r"\b(?:mensaje|correo) (?:[^ .]+ ){0,10}?(?:no (?:se )?(?:ha )?(?:podido|pudo|puede|fue|ha sido))|\bno (?:se )?(?:ha podido|pudo|puede|ha sido|fue posible) (?:[^ .]+ ){0,4}?(?:entreg|enviar|enviad)",
    r"\b(?:messaggio|mail|e-?mail) (?:[^ .]+ ){0,10}?(?:non (?:e|puo|ha|sara)) (?:[^ .]+ ){0,4}?(?:consegnat|recapitat|stato)|\bimpossibile (?:[^ .]+ ){0,4}?(?:consegnare|recapitare|inviare)",
    r"\b(?:mensagem|e-?mail|correio) (?:[^ .]+ ){0,10}?nao (?:p[ou]de|foi|pode|conseguiu) (?:[^ .]+ ){0,4}?(?:entreg|envi)|\bnao foi possivel (?:[^ .]+ ){0,4}?(?:entregar|enviar)",
    r"\b(?:bericht|mail|e-?mail) (?:[^ .]+ ){0,10}?(?:niet|kon niet) (?:[^ .]+ ){0,6}?(?:afgeleverd|bezorgd|aflever|bezorg|verzonden)|\bonbestelbaar|\b(?:niet (?:worden )?(?:afgeleverd|bezorgd))",
    r"\b(?:wiadomosc\w*|poczt\w+|e-?mail\w*) (?:[^ .]+ ){0,10}?nie (?:zostal[ao]?|mogla|mozna|moze|udalo) (?:[^ .]+ ){0,4}?(?:dostarcz|doreczon|wyslan)|\bnie (?:udalo sie|mozna|mogla byc|zostala) (?:[^ .]+ ){0,2}?(?:dostarcz|doreczy)",
    r"\b(?:ileti|iletiniz|mesaj|mesajiniz|e-?posta\w*) (?:[^ .]+ ){0,10}?(?:teslim edilemedi|iletilemedi|gonderilemedi|ulastirilamadi|teslim edilemiyor)|\bteslim edilem|\biletilemedi\b",
    r"(?:сообщени|письм)\pL* [^.]*(?:не (?:может|могут|могло|удалось|было|был[ао]?|доставлен)|невозможно)|не доставлен|недоставлен|не удалось доставить",
    r"(?:メール|メッセージ)[^。]*(?:配信|送信|配送|お届け)[^。]*(?:できません|失敗|不能|されません)|配信不能|送信できませんでした|送信に失敗|エラーメール",
    r"(?:邮件|郵件|信件|消息|来信)[^。]*(?:无法|無法|未能|不能|被退回|退回|失败|失敗)|退信|投递失败|發送失敗|发送失败",
    r"\b(?:meddelande\w*|brev\w*|besked\w*|melding\w*|meldingen|e-?post\w*) (?:[^ .]+ ){0,10}?(?:inte|ikke|ej) (?:[^ .]+ ){0,4}?(?:lever|levereras|leveres)|\b(?:kunde inte levereras|kunne ikke leveres)",
    r"\b(?:zprav\w+|spravu?|vasa? sprav\w+) (?:[^ .]+ ){0,8}?(?:doruc\w+|nebyl\w*|nelze)|\bnedoruc|\bkezbesit\w+|\bviestia ei (?:voitu|voida)|\bmesajul (?:[^ .]+ ){0,6}?(?:nu a putut|livrat)|\bδεν (?:ηταν|εγινε|μπορεσε)|배달(?:되지| ?하지|할 수)|전달(?:되지|할 수)|반송",
)
"""In a text's beginning, beside a sender or a subject that is a mail system's: a person may say it, too."""

FAILURE_SUBJECTS = one_of(
    r"undeliver|non-?deliver|not delivered|failed mail|mail failed|mail failure|user unknown|\bndn\b|\bndr\b",
    r"failure notice|failure notification|delivery (?:has )?(?:fail|status|notification|report|problem|error|unsuccessful|suspended)|(?:message|mail|send|sending|e-?mail) (?:delivery )?(?:failure|failed|error)",
    r"returned mail|return(?:ed)? to sender|mail returned|returned e-?mail|mail delivery|mail system error|mailer-daemon|mail ?daemon|postmaster notif",
    r"could not be (?:delivered|sent)|cannot be delivered|could not send|unable to deliver|error (?:sending|delivering) (?:your )?(?:mail|message|e-?mail)|bounced?\b|bounce (?:notification|message|notice)|automatically rejected|^rejected\b|rejected(?: mail| message|: )|(?:mail|message|e-?mail) rejected|there was an error sending",
    r"unzustellbar|nicht zu(?:ge)?stell|zustell\w* (?:fehl|nicht)|nicht ausgeliefert|ruckl[ae]uf|zustellungsfehler|zustellfehler|zustellbarkeit|fehler bei der (?:zustellung|ubermittlung)|unzustellbare|zustellung",
    r"non (?:remis|distribu|livre|delivre|recapitat|consegnat)|echec|notification d'etat de remise|rapport de non-?remise|non-?remise|courrier (?:non|refuse)|message (?:non|refuse)",
    r"no (?:se puede|entregad|se pudo|se ha podido|ha podido|entregable|deliv)|(?:correo|mensaje) (?:devuelto|no entregado|rechazado)|devuelto|error de entrega|fallo (?:de|en la) entrega|aviso de no entrega",
    r"impossibile|mancat[ao] (?:recapito|consegna)|notifica di (?:mancato|stato)|errore (?:di|nella) consegna|messaggio non|posta non",
    r"nao entreg|falha (?:na|de) entrega|nao foi (?:possivel|entregue)|mensagem (?:nao|devolvida|rejeitada)|devolvid|notificacao de (?:nao|falha)|erro (?:na|de) entrega|nao pode ser entregue",
    r"onbestelbaar|niet (?:af|be)(?:ge)?(?:leverd|zorgd)|niet afgeleverd|aflevering mislukt|bezorging mislukt|mislukte aflevering|afleverfout",
    r"nie dostarcz|niedostarcz|nie doreczon|niedoreczon|nie mozna dostarczyc|zwrot (?:poczty|wiadomosci)|blad dostar|niepowodzenie",
    r"teslim edilem|iletilem|gonderilem|teslimat (?:basarisiz|hatasi)|iade edildi|ulastirilam",
    r"недостав|не доставлен|невозможно доставить|ошибка доставки|не удалось доставить|возврат (?:почты|письма|сообщения)|уведомление о (?:недоставке|состоянии доставки)",
    r"配信不能|配信できません|配信エラー|送信エラー|送信できません|配信に失敗|不達|未配信|エラー通知|宛先不明|リターンメール",
    r"退信|投递失败|投遞失敗|无法投递|無法投遞|未送达|無法傳遞|无法传递|系统退信|退回|发送失败|發送失敗",
    r"kunde inte levereras|inte levererat|ikke lever|olevererbart|kan ikke leveres|nedoruc|kezbesit|toimitus epaonnistui|nelivrat|반송|배달 ?(?:실패|되지)|전송 ?실패|αδυνατη|δεν παραδοθηκε|עדכון",
)
DELAY_SUBJECTS = one_of(
    r"^\W*(?:mail )?delivery (?:is |has been |was )?(?:delay|warning|deferred)|^\W*delayed\b|^\W*(?:message|mail|e-?mail) (?:is |has been )?(?:delayed|deferred|still being)|\(delay(?:ed)?\)",
    r"^\W*warning: (?:message|could not|mail|e-?mail)|^\W*(?:mail|message) (?:delivery )?(?:warning|delay)|still being (?:retried|tried)|^\W*delay(?:ed)? (?:mail|message|delivery|notice|notification)",
    r"^\W*(?:zustellung|nachricht|mail|ubermittlung)\w* (?:\w+ )?verzogert|^\W*verzogerte? (?:zustellung|nachricht|mail)|^\W*zustellverzogerung|\(verzogert\)|\(verzogerung\)",
    r"^\W*(?:remise|distribution|livraison|message) (?:\w+ )?(?:retard|differe)|^\W*retard (?:de|dans la|d'acheminement) ?(?:remise|distribution|livraison|la remise)|\(retard\)",
    r"^\W*(?:entrega|mensaje|envio) (?:\w+ )?(?:retras|demor|aplazad)|^\W*(?:consegna|recapito|messaggio) (?:\w+ )?(?:ritard)|^\W*(?:entrega|mensagem) (?:\w+ )?(?:atras)|\((?:retraso|ritardo|atraso)\)",
    r"^\W*(?:levering|bezorging|bericht|aflevering) (?:\w+ )?vertraagd|^\W*(?:dostarczenie|wiadomosc) (?:\w+ )?opozni|^\W*(?:teslimat|ileti)\w* (?:\w+ )?gecik",
    r"^\W*(?:доставка|сообщение) (?:\pL+ )?(?:задерж|отложен)|^\W*配信(?:の)?遅延|遅延通知|^\W*(?:投递|投遞|邮件)延迟|\(延迟\)|\(延期\)",
)
"""Of a report's own subject. Ours is often quoted behind it, and must not decide: so most begin the line."""

FAILED_FOR_GOOD = one_of(
    r"permanent (?:fatal |delivery )?(?:error|failure)|given up|giving up|gave up|\bwill not be retried|no further (?:delivery )?attempts|failed permanently|permanently",
)
DELAYS = one_of(
    r"\bhas not (?:yet )?been delivered|\bnot yet been delivered|\bnot been (?:able to )?deliver\w* (?:[^ .]+ ){0,4}?yet|this is a warning (?:message )?only|\bdelivery (?:has been |is |was )?delayed|\bmessage (?:is|has been) delayed",
    r"\bno action is required|\b(?:do|need) not (?:need to )?(?:re)?send (?:your |the )?(?:message|mail|it)?|\b(?:will|is still being|still being) (?:be )?retried|\bwill keep trying|\bwill continue (?:to|trying)|\bhas been postponed|\bwill be (?:tried|attempted) again|\bonly a temporary failure report|\bstill in the (?:mail )?queue",
    r"\bnoch nicht zugestellt|\bzustellung (?:[^ .]+ ){0,4}?verzogert|\b(?:weitere|weiterhin) (?:zustell)?versuch|\bwird weiter(?:hin)? versucht",
    r"\bpas encore (?:ete |pu )?(?:remis|delivr|distribu|livr)|\b(?:remise|distribution|livraison) (?:[^ .]+ ){0,4}?(?:retardee|differee)|\bcontinuera d'essayer|\bnouvelles tentatives",
    r"\b(?:aun|todavia) no (?:se )?(?:ha|fue)|\bentrega (?:[^ .]+ ){0,4}?(?:retrasad|demorad|atrasad)|\bse seguira intentando|\bnon e (?:stato )?ancora (?:stato )?(?:consegnat|recapitat)|\bconsegna (?:[^ .]+ ){0,4}?ritard|\bainda nao foi (?:entregue|possivel)",
    r"\bnog niet (?:worden )?(?:afgeleverd|bezorgd)|\bjeszcze nie (?:zostal|dostarcz)|\bhenuz (?:teslim|ilet)|еще не (?:доставлен|удалось)|まだ(?:配信|届|送信)|配信が遅れ|尚未(?:送达|投递|送達)|投递延迟",
)
ARRIVED = one_of(
    r"\b(?:was |has been |been |were )?success(?:fully|ful) (?:delivered|relayed|delivery|mail delivery|sent)|\bdelivery (?:was |is |has been )?success|\(success\)|\(relayed?\)|\bwas delivered (?:successfully|to the)|\berfolgreich (?:zugestellt|weiter)|\bremis avec succes|\bentregado correctamente|\bconsegnato correttamente|\bentregue com (?:sucesso|exito)|успешно доставлен|正常に配信|投递成功|成功送达",
)
"""The report is good news, which needs no event: what has not come back is delivered for all we know."""

REJECTED_BY_RULE = one_of(
    r"\bautomatically (?:rejected|refused)|\bwas rejected|\bhas been rejected|^rejected\b|\bsieve\b|\bquota exceeded|\bmailbox (?:is )?full",
)
"""In a message disposition notification that a mailbox's rule sent in place of a bounce (RFC 5429, 2.1.1; Dovecot)."""
