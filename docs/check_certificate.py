#!/usr/bin/env python3
"""Checks a report of eed-delivery against its certificate. It needs Python 3.9 or later and nothing else.

    python3 check_certificate.py 42.csv [42.csv.certificate.json]

Counts the rows again, hashes the file again, and does the sums again. Exit code 0: everything agrees (whether the job
balances is said); 1: something differs, and every difference is named; 2: a file cannot be read.

A job balances when each of its emails has ended, and when every row that was found in the source is accounted for. It
is one of these emails, went to a later job, is a new generation of one of them, or was refused. A refused row has a
line of its own, with its key, the state "refused" and the reason. Versions 1 and 2 of the certificate have none.

This shares no code with eed-delivery, so that an error there is not made here, too.
"""

import csv
import hashlib
import json
import sys
from collections import Counter

COLUMNS = ["email", "recipient", "state", "attempts", "changed_at", "message_id", "detail", "outcome", "outcome_at"]
ENGAGEMENT = ["opens", "clicks", "machine_opens", "machine_clicks"]
WITHOUT_REFUSED = (1, 2)
EMAILS_OF = ["opened", "clicked", "machine_opened", "machine_clicked"]
ENDED = ["sent", "failed", "suppressed", "cancelled", "in_doubt"]
OPEN = ["pending", "queued", "sending"]
OUTCOMES = ["delivered", "soft_bounced", "hard_bounced", "complained"]
SILENT = "no_word_yet"
REFUSED = "refused"
RESENT = "resent"
FOUND = ["found", "total", "moved", "regenerated", REFUSED]


def digest(path):
    found = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            found.update(block)
    return found.hexdigest()


def count(path, columns, with_refused, problems):
    """Emails by state and refused rows, sent ones by outcome, how many others have one, how many were opened or clicked
    in. Names rows that no report has."""
    states, outcomes, others, engaged, seen = Counter(), Counter(), 0, Counter(), set()
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
                problems += [f"line {rows.line_num}: {wrong}" for wrong in wrongs_of_refused(row)]
                continue
            if states[REFUSED]:
                problems.append(f"line {rows.line_num}: an email behind the refused rows")
            problems += [f"line {rows.line_num}: {wrong}" for wrong in wrongs(row, seen)]
            engaged.update(name for name, times in zip(EMAILS_OF, row[len(COLUMNS) :]) if times != "0")  # noqa: B905
            seen.add(email)
            states[state] += 1
            if state == "sent":
                outcomes[outcome or SILENT] += 1
            elif outcome:
                others += 1
    return states, outcomes, others, engaged


def wrongs(row, seen):
    """What is wrong with a row by itself."""
    email, state, outcome, times = row[0], row[2], row[7], row[len(COLUMNS) :]
    if email in seen:
        yield f"email {email} is there twice"
    if state not in ENDED + OPEN:
        yield f"{state!r} is no state"
    if outcome not in ["", *OUTCOMES]:
        yield f"{outcome!r} is no outcome"
    for word in times:
        if not word.isdecimal():
            yield f"{word!r} is no count"


def wrongs_of_refused(row):
    """What is wrong with the line of a refused row. Its key may be empty: that is a reason to refuse it."""
    if not row[6]:
        yield "a refused row without its reason"
    if any(row[n] for n in (1, 5, 7, 8)) or any(word != "0" for word in [row[3], *row[len(COLUMNS) :]]):
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
    version = certificate.get("version") if certificate.get("version") in WITHOUT_REFUSED else 3
    with_refused = version not in WITHOUT_REFUSED
    with_engagement = certificate.get("engagement") is not None if with_refused else version == 2
    columns = COLUMNS + (ENGAGEMENT if with_engagement else [])
    states, outcomes, others, engaged = count(path, columns, with_refused, problems)
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
    }


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
