"""The two forms of an address. One goes on the wire, and the other is compared.

Rendering puts `wire_form` into the envelope and the header. `canonical` is the same, made fit for comparing. However
two rows, entries or bounces are spelt, they mean one mailbox if their canonical forms are equal byte for byte. They
mean two if the forms are not. It is what the columns `address` of the ledger hold.

Errors never repeat the address, because they are logged.
"""

import re
import unicodedata
from functools import lru_cache

from eed_delivery.pseudonyms import is_pseudonym

MAX_ADDRESS = 254
"""RFC 5321, section 4.5.3.1.3: a path of 256 with its angle brackets."""
LONGEST_TEXT = 1000
"""A longer text is not an address, and is not parsed."""

_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL = r"(?!..--)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_PLAIN_LOCAL = re.compile(rf"(?=.{{1,64}}@)({_ATOM}(?:\.{_ATOM})*)@(.+)")
_PLAIN = re.compile(rf"(?=.{{1,64}}@)({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})*)")

EVERY = "*@"
"""How people write "every address of this domain" on the suppression list."""


class NotAnAddress(ValueError):
    """A text that no email can be sent to. The message says why."""


def wire_form(text: str) -> str:
    """An address as it goes on the wire. It has no white space around it. Its domain is in ASCII and lower case (IDNA
    2008, mapped by UTS 46), and its local part in NFC. Raises `NotAnAddress`.

    Plain ASCII addresses, nearly all, are checked here by the same rules as email-validator's, 30 times as fast.
    Internal domains such as bank.local or mail.test count as good. All others go through email-validator, which refuses
    special domains (.local, .localhost, .invalid, .onion) for internationalised addresses. Quotes around a local part
    are kept where it needs them, as in "a..b"@example.com, and taken off where not (RFC 5321, section 4.1.2; RFC 5322,
    3.4.1).
    """
    address = text.strip()
    found = _PLAIN.fullmatch(address)
    plain = f"{found[1]}@{found[2].lower()}" if found and len(address) <= MAX_ADDRESS else None
    wire = plain or _by_email_validator(address)
    if "=?" in wire:
        raise NotAnAddress("'=?' in it would be taken for encoded text by mail programs")
    return wire


def _by_email_validator(address: str) -> str:
    if not address:
        raise NotAnAddress("it is empty")
    if len(address) > LONGEST_TEXT:
        raise NotAnAddress(f"it is longer than {MAX_ADDRESS} characters")
    return _at_foreign_domain(address) or _validated(address)[0]


def _at_foreign_domain(address: str) -> str | None:
    """A plain local part at a domain beyond ASCII. Such domains are few, and each is encoded once. None for others."""
    found = _PLAIN_LOCAL.fullmatch(address)
    if found is None:
        return None
    local, domain = found.groups()
    wire, longest = _validated(f"a@{domain}")
    return f"{local}@{wire[2:]}" if len(local) - 1 + longest <= MAX_ADDRESS else None


@lru_cache(maxsize=4096)
def _validated(address: str) -> tuple[str, int]:
    """The wire form by email-validator's rules, and the length in octets of the longest of its forms."""
    from email_validator import EmailNotValidError, validate_email  # its tables of Unicode: most addresses need none

    try:
        valid = validate_email(
            address,
            allow_smtputf8=True,
            allow_quoted_local=True,
            strict=True,  # the length limits of RFC 5321, section 4.5.3.1
            check_deliverability=False,
            globally_deliverable=False,
            test_environment=True,
        )
    except EmailNotValidError as error:
        raise NotAnAddress(str(error)) from error
    wire = f"{valid.local_part}@{valid.ascii_domain}"
    return wire, max(len(form.encode()) for form in (address, wire, valid.normalized))


def canonical(text: str) -> str | None:
    """The one form in which an address is compared. None for a text that is no address, and so is never mailed.

    It is the wire form with the letters of its local part in lower case. RFC 5321, section 2.4, leaves their case to
    the receiving host, and discourages hosts from distinguishing mailboxes by it. A suppressed address is so in any
    case.
    """
    try:
        return _without_case(wire_form(text))
    except NotAnAddress:
        return None


def _without_case(wire: str) -> str:
    if wire.isascii():
        return wire.lower()
    local, _, domain = wire.rpartition("@")
    # Letter by letter: what one letter becomes must not depend on its neighbours, as that of a final sigma does.
    lower = "".join(map(_lower, local))
    return f"{unicodedata.normalize('NFC', lower)}@{domain}"


def _lower(letter: str) -> str:
    lower = letter.lower()
    return lower if len(lower) == 1 else letter


def went_to(text: str) -> str:
    """Where an email to this recipient goes. It is its wire form, or for what is no address the text itself."""
    try:
        return wire_form(text)
    except NotAnAddress:
        return text.strip()


def listed(text: str) -> str:
    """The form of an entry of the suppression list. It is an address's canonical form, or "@" and the domain for every
    address of a domain, which people write as *@domain. A pseudonym stands for an erased address. Raises
    `NotAnAddress`."""
    bare = text.strip()
    if is_pseudonym(bare):
        return bare
    domain = bare.removeprefix(EVERY) if bare.startswith(EVERY) else bare[1:] if bare.startswith("@") else None
    if domain is None:
        if "@" not in bare and "." in bare and canonical(f"a@{bare}"):
            raise NotAnAddress(f"it is a domain. For every address of it write {EVERY} before it")
        return _without_case(wire_form(bare))
    return f"@{wire_form(f'a@{domain}').rpartition('@')[2]}"


def shown(form: str) -> str:
    """An entry of the suppression list as people write it."""
    return f"*{form}" if form.startswith("@") else form


def domain_of(address: str) -> str:
    """The domain of an address as its refusals are counted, in small letters."""
    return address.rpartition("@")[2].strip().lower()
