"""What differs from recipient to recipient in a mail server's reply: addresses, ids, numbers, URLs, quoted text.

Masked, replies to many recipients read the same and can be counted. A word without a digit is never touched. Neither is
a code that people look up.
"""

import re

MASK = "…"

_KEPT = (
    # Plain words: nothing below begins with one that a blank follows. It halves the time.
    r"[^\W\d]++(?:\s[^\W\d]++)*(?=\s|$)",
    # RFC 5321 4.2 with RFC 3463 2, wherever they stand: "host said: 550 5.1.1 who?"
    r"(?<![\w.])(?:[245]\d\d[ -])?[245]\.\d{1,3}\.\d{1,3}(?![\w.]*\d)",
    # Names of the field that have a digit in them.
    r"(?i:(?:RFC-?|(?<=RFC ))\d{3,4}|IPv[46]|UTF-?(?:8|16)|base64|8BITMIME|SMTPUTF8|SHA-?(?:1|256|512)|X\.?509"
    r"|(?:TLS|(?<=TLS ))v?1(?:\.[0-3])?|SSLv[23]|ISO-8859-\d{1,2}|S3|EC2)(?!\w)",
)
_LOCAL = r"[^\s@<>()\[\]{},;:\"]"
_PARTICULARS = (
    # A URL (RFC 3986 3.1), as far as the text around it allows: its last sign is no punctuation.
    r"(?<!\w)[A-Za-z][A-Za-z0-9+.-]{1,20}://[^\s<>\"]*[^\s<>\"'’.,:;!?)\]}]",
    # An address, its local part quoted or not (RFC 5321 4.1.2), with the brackets around it and the colon behind it.
    # An address literal has at most 49 characters (RFC 5321 4.1.3 with RFC 4291 2.2).
    rf"[<(\[{{]{{0,3}}(?<!{_LOCAL})(?:\"[^\"]*+\"|{_LOCAL}*+)@(?:\[[^\]\s]{{0,64}}+\]|{_LOCAL}*+)[>)\]}}]{{0,3}}(?:[>)\]}}:;,.]+(?=\s|$))?",
    rf"@{_LOCAL}*+",
    # Text in quotes. An apostrophe within a word, or at the end of one, opens none.
    r"(?<!\w)\"[^\"]*+\"",
    r"(?<!\w)'(?=[^\s'])(?:[^']|(?<=\w)'(?=\w))*?(?<!\s)'(?!\w)",
    r"‘[^‘]*?’(?!\w)|“[^“”]*+”|„[^„“”]*+[“”]|«[^«»]*+»",
    r"<[^\s<>](?:[^<>]*[^\s<>])?>",
    # An IPv6 address (RFC 4291 2.2), a UUID (RFC 9562 4), a hash: hexadecimal, with a digit somewhere.
    r"(?<![\w:])(?=[A-Fa-f:]*\d)(?:[0-9A-Fa-f]{0,4}:){2,7}[0-9A-Fa-f]{0,4}(?![\w:])",
    r"(?<![\w-])(?=[A-Fa-f-]*\d)[0-9A-Fa-f]{4,}(?:-[0-9A-Fa-f]{4,}){2,}(?![\w-])",
    # Exim's own ids (its specification, 3.4): "1rT2Ab-0003xf-Qk", and longer since 4.97.
    r"(?<![\w-])(?=[A-Za-z-]*\d)[0-9A-Za-z]{6}-(?:[0-9A-Za-z]{6}|[0-9A-Za-z]{11})-(?:[0-9A-Za-z]{2}){1,2}(?![\w-])",
    # Numbers, and ids that have a digit in them: queue ids, times, numbered hosts, file names.
    r"(?:(?<!\w)[^\W\d]+)?\d\w*(?:[-.:,/+=]+(?:[^\W\d]+)?\d\w*)*",
)
# Each begins where no word goes on, or with one of these signs: to try them at every letter takes three times as long.
_BEGINS = r"(?:(?<!\w)|(?=[@<\"“„«‘]))"
_PATTERN = re.compile(rf"{_BEGINS}(?:({'|'.join(_KEPT)})|{'|'.join(_PARTICULARS)})")
_REPEATED = re.compile(rf"{MASK}(?:[\s,;/]*{MASK})+")


def masked(reply: str) -> str:
    """`reply` in one line, with … for each particular."""
    line = " ".join(reply.split())
    return _REPEATED.sub(MASK, _PATTERN.sub(lambda found: found[1] or MASK, line))
