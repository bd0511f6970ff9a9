#!/usr/bin/env python3
"""Checks the chain of eed-delivery's audit. It needs Python 3.9 or later and nothing else.

    python3 check_audit.py audit.jsonl [--log service.log]... [--head NUMBER:HASH]...

The file is what `eed-delivery audit export` writes: JSON, one row a line. Each row has a number, the hash of the row
before it, and its own hash. This does all hashes again. Exit code 0: the chain holds; 1: something is wrong, and each
mistake is named; 2: a file cannot be read.

Whoever may rewrite the whole table can make a chain of their own. So compare it with the heads that the service has
logged each hour: `--log` reads them from its log, each line with the event "audit_head". `--head` gives one by hand.
These must be copies that nobody who may rewrite the table can change.

A row's hash is the SHA-256 of JSON with sorted names, no blanks and ASCII only. It has the columns of FACTS,
`sequence`, `at` with six decimals and a Z, and `previous_hash` and `texts_hash` in hexadecimal. `texts_hash` is the
same of `salt` in hexadecimal and the columns of TEXTS. Where these texts had to be erased, they are null with their
salt, and the digest is still there.

This shares no code with eed-delivery, so that an error there is not made here, too.
"""

import argparse
import hashlib
import json
import sys

FACTS = ["act", "who", "sudo_user", "host", "surface", "job_id", "email_id", "object_kind", "count", "operation"]
TEXTS = ["command", "object_key", "reason", "counts", "state_before", "state_after"]
HASHES = ["texts_hash", "previous_hash", "hash"]
NOTHING = "0" * 64
MOST = 100


def digest(facts):
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def moment(at):
    """`2026-11-30 05:58:28.123456` and its like in one form."""
    text = str(at).replace(" ", "T").rstrip("Z")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals:0<6}Z"


def hashed(row):
    """The hash that this row should have."""
    facts = {name: row.get(name) for name in FACTS}
    place = {"sequence": row["sequence"], "previous_hash": row["previous_hash"], "at": moment(row.get("at"))}
    return digest({**facts, **place, "texts_hash": row["texts_hash"]})


def contents(number, row):
    """What is wrong with a row by itself."""
    texts = {name: row.get(name) for name in TEXTS}
    if row.get("salt") is not None:
        if digest({"salt": row["salt"], **texts}) != row["texts_hash"]:
            yield f"the texts of row {number} were changed"
    elif any(text is not None for text in texts.values()):
        yield f"row {number} has texts without their salt"
    if hashed(row) != row["hash"]:
        yield f"row {number} was changed"


class Chain:
    """Walks along the rows. `heads` are hashes by row number, which must come true."""

    def __init__(self, heads):
        self.heads, self.problems = heads, []
        self.rows, self.erased, self.met, self.sequence, self.hash = 0, 0, 0, 0, NOTHING

    def wrong(self, text):
        if len(self.problems) < MOST:
            self.problems.append(text)

    def add(self, row):
        number = row.get("sequence")
        if type(number) is not int or any(not isinstance(row.get(name), str) for name in HASHES):
            self.wrong(f"a row is not in the chain: act_id {row.get('act_id')}")
            return
        for name in [*HASHES, *(["salt"] if row.get("salt") else [])]:
            row[name] = row[name].lower()
        self.erased += row.get("salt") is None
        for problem in [*self.place(number, row), *contents(number, row)]:
            self.wrong(problem)
        for expected in self.heads.pop(number, ()):
            self.met += 1
            if expected != row["hash"]:
                self.wrong(f"row {number} has another hash than the head that was logged")
        self.rows, self.sequence, self.hash = self.rows + 1, number, row["hash"]

    def place(self, number, row):
        """What is wrong with where it stands."""
        if number <= self.sequence:
            yield f"row {number} comes behind row {self.sequence}"
        elif number != self.sequence + 1:
            yield f"rows {self.sequence + 1} to {number - 1} are missing"
        elif row["previous_hash"] != self.hash:
            yield f"row {number} does not follow the row before it"

    def end(self):
        for number in sorted(self.heads):
            if number:
                self.wrong(f"a head was logged at row {number}, and there is no such row")


def logged(path):
    """The heads in a log: number and hash."""
    with open(path, encoding="utf-8", errors="replace") as file:
        for line in file:
            if "audit_head" in line and "{" in line:
                try:
                    facts = json.loads(line[line.index("{") :])
                except ValueError:
                    continue
                if facts.get("event") == "audit_head":
                    yield int(facts["sequence"]), str(facts["hash"]).lower()


def given(text):
    number, _, found = text.partition(":")
    return int(number), found.lower()


def check(path, heads):
    """The chain of a file, walked along."""
    wanted = {}
    for number, found in heads:
        wanted.setdefault(number, set()).add(found)
    chain = Chain(wanted)
    with open(path, encoding="utf-8") as file:
        for line in file:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise TypeError("a line is no object")
            if "format" not in row:
                chain.add(row)
                continue
            if row.get("outside"):
                chain.wrong(f"{row['outside']} rows are not in the chain")
            if row["head_sequence"]:
                wanted.setdefault(row["head_sequence"], set()).add(str(row["head_hash"]).lower())
    chain.end()
    return chain


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--log", action="append", default=[])
    parser.add_argument("--head", action="append", default=[], type=given)
    options = parser.parse_args(arguments)
    try:
        heads = list(options.head)
        for path in options.log:
            heads += logged(path)
        chain = check(options.file, heads)
    except OSError as error:
        print(error, file=sys.stderr)
        return 2
    except (ValueError, KeyError, TypeError) as error:
        print(f"the file is no export of the audit: {error}")
        return 1
    for problem in chain.problems:
        print(problem)
    if not chain.problems:
        erased = f", {chain.erased} of them without their texts" if chain.erased else ""
        print(f"the chain of {chain.rows} rows holds{erased}. {chain.met} heads agree with it")
        print(f"its head is {chain.sequence}:{chain.hash}")
    return 1 if chain.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
