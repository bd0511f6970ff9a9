"""Hostile mail for the bounce parser: `python -m tests.fuzz.bounces --inputs 100000 [--seed 1]`.

Every input must be read without an exception, within a second of CPU time. It must concern no other email than the one
whose address it came to, although every input quotes another's.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from eed_delivery.tracking.bounces.parsing import BounceReading, parse_bounce
from eed_delivery.tracking.bounces.verp import Verp
from tests.unit.tracking.bounce_samples import SAMPLES

VERP = Verp("bounces.bank.example", b"a secret of the tests, 32 bytes!")
OURS = (7, 1)
ADDRESS = VERP.sender(*OURS)
ANOTHER = VERP.sender(8, 0).encode("ascii")
NOW = datetime(2026, 11, 23, 5, 0, tzinfo=UTC)
MOST_SECONDS = 1.0
BIG = 1_000_000
SEEDS = tuple(s.raw.replace(b"b+7.1.aaaaaaaaaaaaaaaa@bounces.bank.example", ANOTHER) for s in SAMPLES)
TOKENS = (
    *(b"\n", b"\r\n", b"\n\n", b"\r", b"\x00", b"--", b"--4CX1.1795/mx.example.net", b"--4CX1.1795/mx.example.net--\n"),
    *(
        b"Content-Type: ",
        b"multipart/mixed; boundary=",
        b"message/delivery-status\n\n",
        b"=?utf-8?B?",
        b"=?punycode?Q?",
    ),
    *(b"charset*0*=punycode''", b"boundary*=utf-8''%", b"Content-Transfer-Encoding: base64\n", b"Action: failed\n"),
    *(b"Status: 5.1.1\n", b"Status: 9.9.9\n", b"Content-Type: text/plain; charset=idna\n", b"quoted-printable", b"=\n"),
    *(
        b"user ",
        b"does not exist",
        b"over ",
        b"quota",
        b"mailbox ",
        b"sender ",
        b"5.1.",
        b"550 ",
        b"@",
        b'"',
        b"\\",
        b"(",
    ),
)


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # the same inputs again for the same seed


class Mutations:
    """Inputs without end; the same ones for the same source of chance."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._small: tuple[Callable[[bytes], bytes], ...] = (
            *(
                self._flip,
                self._flip,
                self._splice,
                self._splice,
                self._cut,
                self._repeat_line,
                self._insert,
                self._insert,
            ),
            *(self._shuffle_lines, self._remove_line, self._repeat_token, self._drop_newlines),
        )
        self._bombs: tuple[Callable[[], bytes], ...] = (
            *(self._nested, self._wide, self._boundaries, self._fields, self._groups, self._one_line, self._open_tags),
            *(self._parameters, self._encoded_words, self._words, self._empty_lines, self._continued, self._messages),
            *(self._heavy_parts, self._heavy_groups),
        )

    def next(self) -> bytes:
        if self._chance.random() < 0.01:
            return self._chance.choice(self._bombs)()
        raw = self._chance.choice(SEEDS)
        for _ in range(self._chance.choice((1, 1, 2, 3, 5, 8))):
            raw = self._chance.choice(self._small)(raw)
        return raw[: 2 * BIG]

    def _place(self, raw: bytes) -> int:
        return self._chance.randint(0, len(raw))

    def _flip(self, raw: bytes) -> bytes:
        changed = bytearray(raw or b"x")
        for _ in range(self._chance.choice((1, 3, 20))):
            changed[self._chance.randrange(len(changed))] = self._chance.randrange(256)
        return bytes(changed)

    def _splice(self, raw: bytes) -> bytes:
        other = self._chance.choice(SEEDS)
        return raw[: self._place(raw)] + other[self._place(other) :]

    def _cut(self, raw: bytes) -> bytes:
        start = self._place(raw) if self._chance.random() < 0.3 else 0
        return raw[start : self._place(raw)]

    def _lines(self, raw: bytes) -> list[bytes]:
        return raw.split(b"\n") or [b""]

    def _repeat_line(self, raw: bytes) -> bytes:
        lines = self._lines(raw)
        at = self._chance.randrange(len(lines))
        return b"\n".join(lines[:at] + [lines[at]] * self._chance.choice((2, 10, 500)) + lines[at:])

    def _remove_line(self, raw: bytes) -> bytes:
        lines = self._lines(raw)
        lines.pop(self._chance.randrange(len(lines)))
        return b"\n".join(lines)

    def _shuffle_lines(self, raw: bytes) -> bytes:
        lines = self._lines(raw)
        self._chance.shuffle(lines)
        return b"\n".join(lines)

    def _insert(self, raw: bytes) -> bytes:
        at = self._place(raw)
        return raw[:at] + self._chance.choice(TOKENS) + raw[at:]

    def _repeat_token(self, raw: bytes) -> bytes:
        at = self._place(raw)
        return raw[:at] + self._chance.choice(TOKENS) * self._chance.choice((20, 300, 5000)) + raw[at:]

    def _drop_newlines(self, raw: bytes) -> bytes:
        return raw.replace(b"\n", self._chance.choice((b"", b" ", b"\r", b"\n\n", b"\n ")))

    def _size(self) -> int:
        return self._chance.choice((1_000, 30_000, BIG))

    def _filled(self, head: bytes, piece: bytes) -> bytes:
        return head + piece * (self._size() // max(len(piece), 1))

    def _nested(self) -> bytes:
        depth = self._chance.choice((10, 300, 15_000))
        return b"".join(b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (n, n) for n in range(depth))

    def _wide(self) -> bytes:
        return self._filled(b"Content-Type: multipart/report; boundary=b\n\n", b"--b\nContent-Type: text/html\n\n<x\n")

    def _boundaries(self) -> bytes:
        inner = self._chance.choice((b"--b \t", b"--b--\n", b"--b\n", b"--", b"--b\n\n--b--\n", b"--b" + b" " * 75))
        return self._filled(b"Content-Type: multipart/mixed; boundary=b\n\n", inner)

    def _fields(self) -> bytes:
        return self._filled(
            b"", self._chance.choice((b"a:\n", b"Content-Type: multipart/mixed;\n", b"Subject: =?a?b?c?=\n"))
        )

    def _groups(self) -> bytes:
        return self._filled(
            b"Content-Type: message/delivery-status\n\n",
            self._chance.choice((b"Action: failed\n\n", b" \n", b"\n\t\n")),
        )

    def _one_line(self) -> bytes:
        return self._filled(b"Subject: ", self._chance.choice((b"x", b" ", b"\t", b"re: ", b"<", b"a@", b'"')))

    def _open_tags(self) -> bytes:
        return self._filled(
            b"Content-Type: text/html\nFrom: postmaster@x\n\n", self._chance.choice((b"<", b"<a", b"<a ", b"&lt;"))
        )

    def _parameters(self) -> bytes:
        return self._filled(
            b"Content-Type: multipart/mixed", self._chance.choice((b";", b'; a="', b"; a*0*=x", b";a=b", b'";'))
        )

    def _encoded_words(self) -> bytes:
        return self._filled(
            b"From: mailer-daemon@x\nSubject: ", self._chance.choice((b"=?utf-8?Q?=", b"=?", b"=?a?B?YQ==?= "))
        )

    def _words(self) -> bytes:
        pair = b"".join(self._chance.choices(TOKENS, k=3))
        return self._filled(b"From: mailer-daemon@x\nSubject: undeliverable\n\n", pair)

    def _empty_lines(self) -> bytes:
        return self._filled(
            b"Content-Type: multipart/mixed; boundary=b\n", self._chance.choice((b"\n", b"\r\n", b"\r", b" \n"))
        )

    def _continued(self) -> bytes:
        return self._filled(b"Subject: x", b"\n x")

    def _heavy_parts(self) -> bytes:
        fill = (
            self._chance.choice((b";", b'; a="', b"; a*0*=x", b";a=b", b"; a*=utf-8''%41", b"; boundary*0*=a")) * 4000
        )
        top, inner = (
            b"Content-Type: multipart/mixed; boundary=" + name + fill[:3900] + b"\n\n" for name in (b"b", b"c")
        )
        return top + (b"--b\n" + inner + b"x\n") * 64

    def _heavy_groups(self) -> bytes:
        said = b"".join(self._chance.choices(TOKENS, k=3)).replace(b"\n", b" ") * 4000
        group = b"Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; " + said[:3900] + b"\n\n"
        return b"Content-Type: message/delivery-status\n\n" + group * 60

    def _messages(self) -> bytes:
        return self._filled(b"", b"Content-Type: message/rfc822\n\n")


def check(raw: bytes) -> BounceReading:
    """Read it. Raises AssertionError for an event that concerns another email, and whatever the parser raises."""
    reading = parse_bounce(raw, ADDRESS, VERP, NOW)
    event = reading.event
    assert event is None or (
        (event.email_id, event.gen) == OURS and event.recipient is None and event.message_id is None
    )
    assert event is None or (len(event.detail) <= 500 and event.detail.isprintable())
    return reading


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--inputs", type=int, default=100_000)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--keep", type=Path, default=Path("/tmp"), help="where an input that fails is written")
    chosen = options.parse_args()
    mutations, seen = Mutations(seeded(chosen.seed)), Counter[str]()
    worst, size_of_worst, total, failures = 0.0, 0, 0.0, 0
    for number in range(chosen.inputs):
        raw = mutations.next()
        before = time.thread_time()
        try:
            seen[check(raw).verdict] += 1
            taken = time.thread_time() - before
            problem = f"{taken:.2f} s" if taken > MOST_SECONDS else ""
        except Exception as e:
            taken, problem = time.thread_time() - before, f"{type(e).__name__}: {e}"
        total += taken
        if taken > worst:
            worst, size_of_worst = taken, len(raw)
            worst_input = raw
        if problem:
            failures += 1
            kept = chosen.keep / f"bounce-{chosen.seed}-{number}.eml"
            kept.write_bytes(raw)
            print(f"{kept}: {problem}")
    print(f"{chosen.inputs} inputs (seed {chosen.seed}), {failures} failures, {total:.1f} s of CPU time")
    print(f"the worst took {worst * 1000:.0f} ms ({size_of_worst} bytes, begins {worst_input[:60]!r})")
    print(", ".join(f"{verdict}: {count}" for verdict, count in seen.most_common()))
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
