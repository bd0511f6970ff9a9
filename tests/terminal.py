"""A person at a terminal: a command that asks on a real pseudo-terminal, and answers typed there."""

import os
import pty
import re
import select
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Self

from tests.fork_server import the_fork_server

SECONDS = 120
INTERRUPT, ECHO = b"\x03", "^C"
_QUESTION = re.compile(r"(?:^|\n)([a-z][a-z0-9_.]*)(?: \(.*\))?(?: \[(.*)\])?: +$")
"""What click.prompt writes: a name, perhaps choices, perhaps a default."""


class Terminal:
    """Runs `eed-delivery` on a terminal of its own. `shown` is all that was on its screen, what was typed too."""

    def __init__(self, words: Sequence[str], environ: Mapping[str, str]) -> None:
        self._master, slave = pty.openpty()
        self._process = the_fork_server().start_with(words, environ, [slave, slave, slave])
        os.close(slave)
        self.shown = ""
        self._read_to = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def questions(self) -> Iterator[tuple[str, str | None]]:
        """Each question with its default, until the command ends. Each is to be answered by `type`."""
        while self._read():
            if found := _QUESTION.search(self.shown, self._read_to):
                self._read_to = len(self.shown)
                yield found[1], found[2]

    def type(self, text: str) -> None:
        """Type a line."""
        os.write(self._master, f"{text}\n".encode())

    def interrupt(self) -> int:
        """Press Ctrl-C until the command ends, and return its exit code.

        Python's input() does not notice one that comes between its prompt and its read. A person presses it again, too.
        """
        for _ in range(SECONDS):
            before = len(self.shown)
            os.write(self._master, INTERRUPT)
            while select.select([self._master], [], [], 1)[0]:
                if not self._read() or self.shown[before:].replace(ECHO, ""):
                    return self.exit_code()
        raise AssertionError(f"Ctrl-C does not end it. The screen:\n{self.shown}")

    def answer(self, answers: Mapping[str, str]) -> list[str]:
        """Answer all questions, those that are not among `answers` with Enter. Returns the questions."""
        asked = []
        for question, _ in self.questions():
            asked.append(question)
            self.type(answers.get(question, ""))
        return asked

    def exit_code(self) -> int:
        """Wait for the end."""
        while self._read():
            pass
        return self._process.wait(SECONDS)

    def _read(self) -> bool:
        """More of what is on the screen. False at its end."""
        if not select.select([self._master], [], [], SECONDS)[0]:
            raise AssertionError(f"nothing came for {SECONDS} s. The screen:\n{self.shown}")
        try:
            read = os.read(self._master, 65536)
        except OSError:  # EIO: the command has ended (pty(7))
            return False
        self.shown += read.decode(errors="replace").replace("\r\n", "\n")
        return bool(read)
