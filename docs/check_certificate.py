#!/usr/bin/env python3
"""Checks a report of eed-delivery against its certificate. It needs Python 3.9 or later and nothing else.

    python3 check_certificate.py 42.csv [42.csv.certificate.json]

Counts the rows again, hashes the file again, and does the sums again. Exit code 0: everything agrees (whether the job
balances is said); 1: something differs, and every difference is named; 2: a file cannot be read.

A job balances when each of its emails has ended, and when every row that was found in the source is accounted for. It
is one of these emails, went to a later job, is a new generation of one of them, or was refused. A refused row has a
line of its own, with its key, the state "refused" and the reason. Versions 1 and 2 of the certificate have none.

Version 4 has the SHA-256 of what was sent. One digest is over all of them: the SHA-256 of a line "<sha256>  <email>"
with LF for each row that is sent and has a sha256, in the order of the file. They are the lines of sha256sum(1).

This shares no code with eed-delivery, so that an error there is not made here, too.
"""

import csv
import hashlib
import json
import sys
from collections import Counter

CONTENT = ["sha256", "archived_at"]
COLUMNS = ["email", "recipient", "state", "attempts", "changed_at", "message_id", "detail", "outcome", "outcome_at"]
ENGAGEMENT = ["opens", "clicks", "machine_opens", "machine_clicks"]
WITHOUT_REFUSED = (1, 2)
WITHOUT_CONTENT = (1, 2, 3)
EMAILS_OF = ["opened", "clicked", "machine_opened", "machine_clicked"]
ENDED = ["sent", "failed", "suppressed", "cancelled", "in_doubt"]
OPEN = ["pending", "queued", "sending"]
OUTCOMES = ["delivered", "soft_bounced", "hard_bounced", "complained"]
SILENT = "no_word_yet"
REFUSED = "refused"
RESENT = "resent"
CONTENT_RULE = 'SHA-256 of a line "<sha256>  <email>" with LF for each sent row that has a sha256, in order'
FOUND = ["found", "total", "moved", "regenerated", REFUSED]


def digest(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            found.update(block)
    return found.hexdigest()


class Contents:
    """The digests of what was sent, as one, and how many sent emails the archive has."""

    def __init__(self):
        self.known, self.archived, self.hash = 0, 0, hashlib.sha256()

    def add(self, email, cells):
        sha256, archived_at = cells or ("", "")  # versions before have none
        self.archived += archived_at != ""
        if sha256:
            self.known += 1
            self.hash.update(f"{sha256}  {email}\n".encode())

    def told(self, sent):
        return {
            "rule": CONTENT_RULE,
            "emails": self.known,
            "without": sent - self.known,
            "sha256": self.hash.hexdigest(),
        }


def count(path, columns, with_refused, contents, problems):
    """Emails by state and refused rows, sent ones by outcome, how many others have one, how many were opened or clicked
    in. Names rows that no report has. `contents` gets the digests of sent rows."""
    states, outcomes, others, engaged, seen = Counter(), Counter(), 0, Counter(), set()
    plain = columns.index(ENGAGEMENT[0]) if ENGAGEMENT[0] in columns else len(columns)
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.reader(file, strict=True)
        if next(rows, None) != columns:
            problems.append("the first line does not name the columns of a report")
            return states, outcomes, others, engaged
        for row in rows:
            if len(row) != len(columns):
                problems.append(f"line {rows.line_num}: {len(row)} cells instead of {len(columns)}")
                continue
            email, state, outcome = row[0], row[2], row[7]
            if with_refused and state == REFUSED:
                states[REFUSED] += 1
                problems += [f"line {rows.line_num}: {wrong}" for wrong in wrongs_of_refused(row, plain)]
                continue
            if states[REFUSED]:
                problems.append(f"line {rows.line_num}: an email behind the refused rows")
            problems += [f"line {rows.line_num}: {wrong}" for wrong in wrongs(row, plain, seen)]
            engaged.update(name for name, times in zip(EMAILS_OF, row[plain:]) if times != "0")  # noqa: B905
            seen.add(email)
            states[state] += 1
            if state == "sent":
                outcomes[outcome or SILENT] += 1
                contents.add(email, row[len(COLUMNS) : plain])
            elif outcome:
                others += 1
    return states, outcomes, others, engaged


def wrongs(row, plain, seen):
    """What is wrong with a row by itself. `plain`: its columns before opens and clicks."""
    email, state, outcome, proof, times = row[0], row[2], row[7], row[len(COLUMNS) : plain], row[plain:]
    if email in seen:
        yield f"email {email} is there twice"
    if state not in ENDED + OPEN:
        yield f"{state!r} is no state"
    if outcome not in ["", *OUTCOMES]:
        yield f"{outcome!r} is no outcome"
    if proof and proof[0] and (len(proof[0]) != 64 or set(proof[0]) - set("0123456789abcdef")):
        yield f"{proof[0]!r} is no SHA-256"
    if any(proof) and (state not in ["sent", "in_doubt"] or not proof[0]):
        yield "a digest or a copy of what was not sent"
    for word in times:
        if not word.isdecimal():
            yield f"{word!r} is no count"


def wrongs_of_refused(row, plain):
    """What is wrong with the line of a refused row. Its key may be empty: that is a reason to refuse it."""
    if not row[6]:
        yield "a refused row without its reason"
    if any([row[1], row[5], *row[7:plain]]) or any(word != "0" for word in [row[3], *row[plain:]]):
        yield "a refused row with what only an email has"


def sums(states, outcomes):
    """The first two sums as the certificate has them in words."""
    still_open = sum(states[state] for state in OPEN)
    parts = [f"{states[state]} {state}" for state in ENDED] + ([f"{still_open} open"] if still_open else [])
    heard = [f"{outcomes[outcome]} {outcome}" for outcome in [*OUTCOMES, SILENT]]
    return [f"{emails(states)} = {' + '.join(parts)}", f"{states['sent']} sent = {' + '.join(heard)}"]


def emails(states):
    return sum(states[state] for state in ENDED + OPEN)


def sum_of_found(certificate):
    """The third sum, in words."""
    words = "{found} found = {total} enlisted + {moved} moved + {regenerated} regenerated + {refused} refused"
    resent = certificate.get(RESENT, 0)
    return words.format(**{name: certificate.get(name) for name in FOUND}) + (f" - {resent} resent" if resent else "")


def accounted(certificate, refused_rows):
    """Whether every row that was found became something, and each refused one has its line."""
    found, *became = [certificate.get(name) for name in FOUND]
    resent = certificate.get(RESENT, 0)  # emails that an operator has added: no rows of the source
    counts = all(type(number) is int and number >= 0 for number in [found, resent, *became])
    return counts and found == sum(became) - resent and certificate[REFUSED] == refused_rows


def expected(certificate, path, problems):
    """What the certificate must say of these rows."""
    version = certificate.get("version") if certificate.get("version") in WITHOUT_CONTENT else 4
    contents, with_content = Contents(), version not in WITHOUT_CONTENT
    with_refused = version not in WITHOUT_REFUSED
    with_engagement = certificate.get("engagement") is not None if with_refused else version == 2
    columns = COLUMNS + (CONTENT if with_content else []) + (ENGAGEMENT if with_engagement else [])
    states, outcomes, others, engaged = count(path, columns, with_refused, contents, problems)
    rows, still_open = emails(states), sum(states[state] for state in OPEN)
    balanced = (
        certificate.get("all_enlisted") is True
        and certificate.get("changed_while_read") is False
        and certificate.get("total") == rows
        and rows == sum(states[state] for state in ENDED)
        and states["sent"] == sum(outcomes.values())
        and (not with_refused or accounted(certificate, states[REFUSED]))
    )
    return {
        "format": "eed-delivery reconciliation certificate",
        "version": version,
        "verdict": "BALANCED" if balanced else "NOT BALANCED YET",
        "rows": rows,
        "states": {state: states[state] for state in OPEN + ENDED},
        "open": still_open,
        "refused_rows": states[REFUSED] if with_refused else None,
        "outcomes_of_sent": {outcome: outcomes[outcome] for outcome in [*OUTCOMES, SILENT]},
        "outcomes_of_others": others,
        "sums": sums(states, outcomes) + ([sum_of_found(certificate)] if with_refused else []),
        "sha256": digest(path),
        "engagement": {name: engaged[name] for name in EMAILS_OF} if with_engagement else None,
        "content": contents.told(states["sent"]) if with_content else None,
        "archive": archive(certificate, contents, states["sent"]),
    }


def archive(certificate, contents, sent):
    """What the certificate must say of the archive. It says nothing where no copies are wanted."""
    if certificate.get("archive") is None and not contents.archived:
        return None
    return {"archived": contents.archived, "missing": sent - contents.archived, "complete": sent == contents.archived}


def check(path, certificate):
    """Every difference, in words."""
    problems = []
    for name, value in expected(certificate, path, problems).items():
        if certificate.get(name) != value:
            problems.append(f"{name}: the certificate says {certificate.get(name)!r}, the rows say {value!r}")
    return problems


def main(arguments):
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    path = arguments[0]
    beside = arguments[1] if len(arguments) == 2 else path + ".certificate.json"
    try:
        with open(beside, encoding="utf-8") as file:
            certificate = json.load(file)
        problems = check(path, certificate) if isinstance(certificate, dict) else ["the certificate is no object"]
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    except (ValueError, csv.Error) as error:  # no JSON, no UTF-8, no CSV
        problems = [str(error)]
    for problem in problems:
        print(problem)
    if not problems:
        refused = f" and {certificate['refused_rows']} refused rows" if certificate.get("refused_rows") else ""
        print(f"{certificate['rows']} rows{refused} agree with the certificate: {certificate['verdict']}")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
