"""What servers answer, in the words that each software has by default, and what that says of the address.

Written by us after the software's sources and manuals. Persons and hosts are examples: the recipient is RECIPIENT, our
server is bank.example at 192.0.2.1.
"""

# ruff: noqa: E501 - what a server says stands on one line

from dataclasses import dataclass

RECIPIENT = "anna.muster@customer.example"


@dataclass(frozen=True)
class Refusal:
    """`status` as the reporting server writes it, `said` what it was told. `hard`: the address is dead."""

    hard: bool
    status: str
    said: str


def _hard(status: str, *said: str) -> tuple[Refusal, ...]:
    return tuple(Refusal(True, status, one) for one in said)


def _soft(status: str, *said: str) -> tuple[Refusal, ...]:
    return tuple(Refusal(False, status, one) for one in said)


A = RECIPIENT
DEAD_MAILBOXES = (
    *_hard(
        "5.1.1",
        f"550 5.1.1 <{A}>: Recipient address rejected: User unknown in virtual mailbox table",
        f"550 5.1.1 <{A}>... User unknown",
        "550-5.1.1 The email account that you tried to reach does not exist. Please try 550-5.1.1 double-checking the recipient's email address for typos or 550-5.1.1 unnecessary spaces. 550 5.1.1 https://support.example/mail/?p=NoSuchUser a1-20020a.12 - gsmtp",
        f"550 5.1.1 <{A}>: user does not exist",
        "550 5.1.1 RESOLVER.ADR.RecipNotFound; not found",
        f"550 5.1.1 <{A}> Account not available",
    ),
    *_hard(
        "5.0.0",
        f"550 User {A} does not exist",
        f"550 User [{A}] does not exist",
        f"550 The user {A} does not exist here",
        f"550 mailbox <{A}> does not exist",
        f"550 mailbox {A} unavailable",
        f"550 The account {A} is disabled",
        "550 User anna.muster does not exist",
        "550 Requested action not taken: mailbox unavailable",
        "550 No such user here",
        "550 sorry, no mailbox here by that name",
        f"554 delivery error: dd This user doesn't have a customer.example account ({A}) [0] - mta1.customer.example",
        "554 30 Sorry, your message cannot be delivered. This mailbox is disabled (554.30)",
        "550 Recipient Rejected: No account by that name here",
        "550 Not our Customer",
        "550 ** No mail box available for this user **",
        f"550 {A} is not an active address at this host",
        f"554 RCPT ({A}) dosn't exist",
        "550 Message was not accepted -- invalid mailbox. Local mailbox is unavailable: user is terminated",
        "550 Unrouteable address",
        "550 Mailbox not found",
        "550 Invalid recipient",
        "550 unknown user account",
        "550 #5.1.0 Address rejected.",
        "550 This address no longer accepts mail.",
        "550 Mailbox is frozen",
        f"553 5.3.0 <{A}>... Addressee unknown, relay=[192.0.2.1]",
        "551 no such user",
    ),
    *_hard("5.1.6", f"550 5.1.6 recipient no longer on server: {A}"),
    *_hard(
        "5.2.1",
        f"550 5.2.1 <{A}>: account inactive",
        "550 5.2.1 The email account that you tried to reach is disabled.",
    ),
    *_hard(
        "5.7.1",
        "550 5.7.1 No such user!",
        "550 5.7.1 No mailbox found",
        f"554 5.7.1 <{A}>: Recipient address rejected: user {A} does not exist",
        f"550 5.7.1 <{A}>: Recipient address rejected: User unknown",
    ),
    *_hard("5.4.1", "550 5.4.1 Recipient address rejected: Access denied. [AM1EUR01.customer.example]"),
    *_hard("5.5.0", "550 5.5.0 Requested action not taken: mailbox unavailable (S2017062302)."),
    *_hard("5.1.3", "501 5.1.3 Bad recipient address syntax"),
)
DEAD_DOMAINS = (
    *_hard(
        "5.4.4",
        "Host or domain name not found. Name service error for name=customer.example type=AAAA: Host not found",
        "Host not found",
        "Host or domain name not found. Name service error for name=customer.example type=MX: Host not found",
    ),
    *_hard(
        "5.1.2", "550 Host unknown", f"550 5.1.2 <{A}>... Host unknown (Name server: customer.example: host not found)"
    ),
    *_hard("5.1.10", "Domain customer.example does not accept mail (nullMX)"),
    *_hard(
        "5.0.0",
        "556 5.1.10 customer.example has a null MX",
        "521 customer.example does not accept mail",
        "556 no mail here",
        "an MX or SRV record indicated no SMTP service",
        "all relevant MX records point to non-existent hosts",
        "unrouteable mail domain customer.example",
        "DNS error: NXDOMAIN customer.example",
        "No MX record found for domain=customer.example",
        "No such domain",
    ),
    *_hard("5.3.2", f"521 5.3.2 <{A}>: the host takes no mail"),
)
OUR_FAULT = (
    *_soft(
        "5.7.1",
        "554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org; https://www.spamhaus.org/query/ip/192.0.2.1",
        f"554 5.7.1 <{A}>: Relay access denied",
        "550 5.7.1 Message rejected",
        "550 5.7.1 Unauthenticated email from bank.example is not accepted due to domain's DMARC policy",
        "550 5.7.1 rate limit exceeded, try again later",
        "554 5.7.1 <mail.bank.example[192.0.2.1]>: Client host rejected: Access denied",
        "550 5.7.1 [BL21] Connections will not be accepted from 192.0.2.1, because the ip is in a list",
    ),
    *_soft("5.7.26", "550-5.7.26 This mail is unauthenticated, which poses a security risk to the sender and users"),
    *_soft("5.7.23", "550 5.7.23 The message was rejected because of Sender Policy Framework violation"),
    *_soft("5.7.28", "550 5.7.28 Our system has detected an unusual rate of unsolicited mail from your IP address"),
    *_soft(
        "5.1.1",
        f"550 5.1.1 <{A}> - 192.0.2.1 has sent to too many recipients this hour. IB607",
        "550 5.1.1 Message blocked as spam",
        "550 5.1.1 Your IP address 192.0.2.1 is on our block list",
    ),
    *_soft(
        "5.2.1",
        "550 5.2.1 Mailbox unavailable. Your IP address 192.0.2.1 is blacklisted using SPAMHAUS-XBL.",
        "550-5.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
    ),
    *_soft(
        "5.0.0",
        "550 Too many invalid recipients",
        "550 SPF check failed: user unknown",
        "554 mailbox unavailable: spam detected",
        "550 rejected: 192.0.2.1 is listed at dnsbl.example",
        "550-Verification failed for <statements@bank.example> 550-No Such User Here 550 Sender verify failed",
        "554 Refused. Your IP address is listed in the RBL at xbl.spamhaus.org",
        "550 Access denied",
        "554 Message is likely spam",
        "550 Connection frequency limited",
        "550 The sending IP (192.0.2.1) is banned",
        "554 Your access to this mail system has been rejected due to the sending MTA's poor reputation",
    ),
    *_soft(
        "5.1.8",
        "553 5.1.8 <statements@bank.example>... Domain of sender address statements@bank.example does not exist",
    ),
    *_soft("5.1.0", "550 5.1.0 Sender address rejected: Domain not found"),
    *_soft("5.7.0", "554 5.7.0 Daily message rate limit exceeded"),
    *_soft("5.4.5", "550 5.4.5 Daily SMTP relay sending limit exceeded for customer. 1-2 - gsmtp"),
    *_soft("5.5.0", "550 5.5.0 sender domain bank.example does not exist"),
)
LIVING = (
    *_soft(
        "5.2.2",
        "552 5.2.2 The recipient's inbox is out of storage space and inactive.",
        f"552 5.2.2 <{A}>: Mailbox is full",
        "554 5.2.2 mailbox full",
    ),
    *_soft(
        "5.0.0",
        "552 Requested mail action aborted: exceeded storage allocation",
        f"550 {A} over quota",
        "550 user's mailbox quota exceeded",
        "552 Message size exceeds fixed maximum message size",
        "550 The account has been temporarily suspended",
        "550 Message rejected",
        "554 rejected",
        "550 Virus found in message",
    ),
    *_soft("5.2.1", "550 5.2.1 Mailbox temporarily disabled"),
    *_soft("5.2.3", "552 5.2.3 Message exceeds the mailbox's size limit"),
    *_soft("5.3.4", "552 5.3.4 Message size exceeds fixed limit"),
    *_soft("5.6.0", "550 5.6.0 Invalid header found"),
    *_soft("5.7.0", "552-5.7.0 This message was blocked because its content presents a potential security issue"),
    *_soft("5.4.4", "Name service error for domain customer.example: Host not found, try again"),
    *_soft("5.4.6", "mail for customer.example loops back to myself"),
    *_soft("4.4.7", "450 4.1.1 user unknown, for now", "delivery time expired; connection timed out"),
    *_soft(
        "4.2.2", f"452 4.2.2 <{A}> mailbox full", "452 4.2.2 The email account that you tried to reach is over quota"
    ),
    *_soft("4.4.1", "connect to mx.customer.example[192.0.2.2]:25: Connection timed out"),
    *_soft("4.7.1", "451 4.7.1 Greylisting in action, please come back later"),
    *_soft("5.4.7", "delivery expired (message too old)"),
)
DEAD, NOT_DEAD = DEAD_MAILBOXES + DEAD_DOMAINS, OUR_FAULT + LIVING

FOREIGN = (
    # language, hard, what a mail system writes, the word that it begins its line about our subject with
    ("de", True, "Ihre Nachricht konnte nicht zugestellt werden. Der Empfänger ist unbekannt.", "Betreff"),
    ("de", True, "Unzustellbar: Das Postfach existiert nicht.", "Betreff"),
    ("de", False, "Ihre Nachricht konnte nicht zugestellt werden, da das Postfach voll ist.", "Betreff"),
    ("de", False, "Ihre Nachricht wurde nicht zugestellt. Bitte versuchen Sie es später erneut.", "Betreff"),
    ("fr", True, "Votre message n'a pas pu être remis : l'utilisateur est inconnu.", "Objet"),
    ("fr", True, "Le message n'a pas pu être délivré. L'adresse n'existe pas.", "Objet"),
    ("fr", False, "Votre message n'a pas pu être remis : la boîte aux lettres est pleine.", "Objet"),
    ("es", True, "No se ha podido entregar el mensaje: el usuario no existe.", "Asunto"),
    ("es", True, "El mensaje no pudo ser entregado. La cuenta está desactivada.", "Asunto"),
    ("es", False, "No se ha podido entregar el mensaje: el buzón está lleno.", "Asunto"),
    ("it", True, "Impossibile recapitare il messaggio: utente sconosciuto.", "Oggetto"),
    ("it", True, "Il messaggio non è stato consegnato. L'indirizzo non esiste.", "Oggetto"),
    ("it", False, "Impossibile recapitare il messaggio: la casella è piena.", "Oggetto"),
    ("pt", True, "A sua mensagem não pôde ser entregue: a caixa postal do destinatário não existe.", "Assunto"),
    ("pt", True, "Não foi possível entregar a mensagem. Usuário desconhecido.", "Assunto"),
    ("pt", False, "A mensagem não foi entregue: a caixa postal está cheia.", "Assunto"),
    ("nl", True, "Uw bericht kon niet worden afgeleverd: onbekende gebruiker.", "Onderwerp"),
    ("nl", True, "Het bericht is niet bezorgd. Het adres bestaat niet.", "Onderwerp"),
    ("nl", False, "Uw bericht kon niet worden afgeleverd: het postvak is vol.", "Onderwerp"),
    ("pl", True, "Wiadomość nie została dostarczona: nieznany użytkownik.", "Temat"),
    ("pl", True, "Nie udało się dostarczyć wiadomości. Konto nie istnieje.", "Temat"),
    ("pl", False, "Wiadomość nie została dostarczona: skrzynka jest przepełniona.", "Temat"),
    ("tr", True, "İletiniz teslim edilemedi: kullanıcı bulunamadı.", "Konu"),
    ("tr", True, "Mesaj iletilemedi. Böyle bir kullanıcı yok.", "Konu"),
    ("tr", False, "İletiniz teslim edilemedi: posta kutusu dolu.", "Konu"),
    ("ru", True, "Ваше письмо не может быть доставлено: пользователь не найден.", "Тема"),
    ("ru", True, "Не удалось доставить сообщение. Почтовый ящик не существует.", "Тема"),
    ("ru", False, "Ваше письмо не может быть доставлено: почтовый ящик переполнен.", "Тема"),
    ("ja", True, "メールを配信できませんでした。宛先のユーザーは存在しません。", "件名"),
    ("ja", True, "送信できませんでした。メールアドレスが見つかりません。", "件名"),
    ("ja", False, "メールを配信できませんでした。メールボックスの容量を超えています。", "件名"),
    ("zh", True, "您的邮件无法投递：收件人不存在。", "主题"),
    ("zh", True, "邮件被退回。找不到该用户。", "主题"),
    ("zh", False, "您的邮件无法投递：收件人邮箱已满。", "主题"),
    ("sv", False, "Ditt meddelande kunde inte levereras.", "Ämne"),
    ("hu", False, "Az üzenet kézbesítése sikertelen.", "Tárgy"),
)
