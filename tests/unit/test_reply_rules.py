"""Whom a refusal concerns, by its words: each phrase of the table in the sentence that it was made for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.transports.replies.rules import RULES, Concern, normal_form, rule_for, spoken_of


@pytest.mark.parametrize(
    ("said", "name"),
    [
        # about our sender, our server, our email: never about the address, whatever else is said
        ("Sender address rejected: Domain not found", "sender"),
        ("<bank@bank.example>... Domain of sender address bank@bank.example does not exist", "sender"),
        ("sorry, your envelope sender is in my badmailfrom list (#5.7.1)", "sender"),
        ("Verification failed for <bank@bank.example>; No Such User Here; Sender verify failed", "sender"),
        ("SMTP error after MAIL FROM:<b@bank.example>: 553 bank.example does not exist", "sender"),
        ("Relay not permitted: Your account is suspended", "sender"),
        ("Return address not valid", "sender"),
        ("Reply-To address invalid", "sender"),
        ("From address <b@bank.example> does not exist", "sender"),
        ("Your email address is unknown", "sender"),
        ("Recipient not accepted. (BATV: no tag)", "sender"),
        ("account disabled temporarly for exceeding receiving limits", "temporary"),
        ("<anna@example.org>: Relay access denied", "relay"),
        ("sorry, that domain isn't in my list of allowed rcpthosts", "relay"),
        ("Name service error for domain example.org: Host not found, try again", "network"),
        ("<a@example.com> - 203.0.113.222 has sent to too many recipients this hour. IB607", "rate"),
        ("Too many invalid recipients", "rate"),
        ("Daily SMTP relay sending limit exceeded for customer", "rate"),
        ("Connection frequency limited", "rate"),
        ("Mailbox unavailable. Your IP address 192.0.2.1 is blacklisted using SPAMHAUS-XBL.", "blocklist"),
        ("https://www.spamhaus.org/query/ip/192.0.2.1", "blocklist"),
        ("Client host [192.0.2.1] blocked using zen.spamhaus.org", "blocklist"),
        ("mail.bank.example[192.0.2.1]: Client host rejected: Access denied", "blocklist"),
        ("User unknown. SPF check failed", "authentication"),
        ("Email from bank.example is not accepted due to domain's DMARC policy", "authentication"),
        ("Client host rejected: cannot find your reverse hostname, [192.0.2.1]", "authentication"),
        ("Helo command rejected: Host not found", "authentication"),
        ("mailbox unavailable: spam detected", "spam"),
        ("Message contains a virus; recipient unknown", "content"),
        ("Email header is invalid", "content"),
        ("The recipient's inbox is out of storage space and inactive", "full"),
        ("Mailbox temporarily disabled", "temporary"),
        ("Greylisted, see http://postgrey.example/help/example.com.html", "greylisting"),
        ("Message size exceeds fixed limit", "too_large"),
        ("Possible forgery", "sender"),
        ("No MX for your FROM address", "sender"),
        ("Postmaster verification failed while checking <b@bank.example>", "sender"),
        ("Not authorized to send as b@bank.example", "sender"),
        ("Configuration set does not exist", "sender"),
        ("You are trying to use me [mx.example.com] as a relay", "relay"),
        ("Local user only", "relay"),
        ("Message submission exceeded", "rate"),
        ("Account out of credits", "rate"),
        ("Muitas mensagens do IP 192.0.2.1", "rate"),
        ("TLS required", "authentication"),
        ("Certificate validation failure", "authentication"),
        ("DANE required, no TLSA records", "authentication"),
        ("example.com does not take mail over IPv6", "blocklist"),
        ("A spam trap was hit", "blocklist"),
        ("Internal error reading data", "system"),
        ("cannot store document", "system"),
        ("The server is down for maintenance", "system"),
        ("Protocol error", "system"),
        ("Too many results returned but some are hidden", "network"),
        ("User has too many messages on the server", "full"),
        ("RESOLVER.RST.RestrictedToRecipientsPermission; not authorized to send to this recipient", "closed"),
        ("This address does not accept mail from outside", "closed"),
        ("You have been blocked by the recipient", "closed"),
        ("A URL contained in your e-mail has complaints", "content"),
        # about an address
        ("RESOLVER.ADR.RecipNotFound; not found", "no_mailbox"),
        ("Unable to find alias user", "no_mailbox"),
        ("Restricted characters in address", "no_mailbox"),
        ("Niemand unter dieser Adresse bekannt", "no_mailbox"),
        ("anna@example.com is not one of our own addresses", "no_mailbox"),
        ("anna@example.com is now disabled", "disabled"),
        ("Mailbox is blocked due to long-time inactivity", "disabled"),
        ("Recipient never logged onto their free mailbox", "disabled"),
        ("Domain not used for mail", "no_domain"),
        ("No route found to domain example.com", "no_domain"),
        ("User anna.muster@example.net does not exist", "no_mailbox"),
        ("User [anna.x@example.net] does not exist", "no_mailbox"),
        ("mailbox carol@example.com unavailable", "no_mailbox"),
        ("RCPT (anna@example.com) dosn't exist", "no_mailbox"),
        ("anna@example.net is not an active address at this host", "no_mailbox"),
        ("Not our Customer", "no_mailbox"),
        ("No mail box available for this user", "no_mailbox"),
        ("#5.1.0 Address rejected.", "no_mailbox"),
        ("user unknown, said our anti-spam gateway spam.example.net", "no_mailbox"),
        ("The account anna.muster@example.net is disabled", "disabled"),
        ("Mailbox is frozen", "disabled"),
        ("Host or domain name not found", "no_domain"),
        ("an MX or SRV record indicated no SMTP service", "no_domain"),
        ("all relevant MX records point to non-existent hosts", "no_domain"),
        ("Domain example.com does not accept mail (nullMX)", "no_domain"),
        ("DNS Hard Error looking up example.org (MX): NXDomain", "no_domain"),
        ("Sorry, I couldn't find any host named example.org. (#5.1.2)", "no_domain"),
        ("Account disabled", "disabled"),
        # in other languages
        ("Empfänger unbekannt", "no_mailbox"),
        ("Das Postfach existiert nicht", "no_mailbox"),
        ("Postfach voll", "full"),
        ("Destinataire inconnu", "no_mailbox"),
        ("La boîte aux lettres du destinataire est pleine", "full"),
        ("El buzón no existe", "no_mailbox"),
        ("Cuota excedida: el buzón está lleno", "full"),
        ("Utente sconosciuto", "no_mailbox"),
        ("La casella è piena", "full"),
        ("Usuário não encontrado", "no_mailbox"),
        ("Caixa postal cheia", "full"),
        ("Onbekende gebruiker", "no_mailbox"),
        ("Postvak is vol", "full"),
        ("Nieznany użytkownik", "no_mailbox"),
        ("Skrzynka jest pełna", "full"),
        ("Kullanıcı bulunamadı", "no_mailbox"),
        ("Posta kutusu dolu", "full"),
        ("Пользователь не найден", "no_mailbox"),
        ("Почтовый ящик переполнен", "full"),
        ("宛先のユーザーは存在しません", "no_mailbox"),
        ("メールボックスがいっぱいです", "full"),
        ("收件人不存在", "no_mailbox"),
        ("收件人邮箱已满", "full"),
        # says too little
        ("Access denied", "policy"),
        ("Connection timed out", "network"),
    ],
)
def test_a_phrase_is_known_by_its_rule(said: str, name: str) -> None:
    for text in (said, f"550 5.0.0 {said}", said.upper()):
        rule = rule_for(text)
        assert rule is not None and rule.name == name


@pytest.mark.parametrize("said", ["Message rejected", "Denied", "IP address not found", "", "5.0.0", "Thank you"])
def test_what_says_nothing_has_no_rule(said: str) -> None:
    assert rule_for(said) is None


@pytest.mark.parametrize(
    ("said", "concern"),
    [
        ("The sender is odd", Concern.SENDER),
        ("Absender nicht erlaubt", Concern.SENDER),
        ("Your server is odd", Concern.SOURCE),
        ("IP 192.0.2.1 GeoIP", Concern.SOURCE),
        ("Mailbox odd", Concern.MAILBOX),
        ("Denied", None),
    ],
)
def test_who_is_spoken_of_is_seen_without_a_rule(said: str, concern: Concern | None) -> None:
    assert spoken_of(said) is concern


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("<anna.muster@example.com>: User unknown", "<bob@mail.example.org>:  user\nunknown"),
        ("mx1.example.net said: Blocked 192.0.2.1", "mx77.example.org. said: blocked [203.0.113.9]"),
        ("The user doesn't exist", "the user does not exist"),
        ("Usuário não existe", "usuario nao existe"),
        ("ＵＳＥＲ unknown", "user unknown"),
    ],
)
def test_answers_of_one_kind_have_one_form(one: str, other: str) -> None:
    assert normal_form(one) == normal_form(other)


def test_every_rule_names_its_sources_and_what_is_about_us_comes_first() -> None:
    assert all(source for rule in RULES for _, source in rule.phrases)
    dead = [number for number, rule in enumerate(RULES) if rule.concern is Concern.ADDRESS and rule.sure]
    ours = [number for number, rule in enumerate(RULES) if rule.name in {"sender", "relay", "rate", "blocklist"}]
    assert max(ours) < min(dead)


@given(st.text(max_size=500), st.sampled_from(["user unknown", "host not found", "blocked using spamhaus", "@", "."]))
def test_any_text_has_a_form_and_a_rule_or_none(text: str, more: str) -> None:
    for said in (text, more + text + more):
        form = normal_form(said)
        assert form == " ".join(form.split())
        rule_for(said)
