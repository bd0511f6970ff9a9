"""A stream of bytes as text, in the encoding that its mark (BOM) or the caller names. Bytes that are no text in that
encoding come through marked, so that their line can be named."""

import codecs
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TextIO

from eed_delivery.errors import NotPossible
from eed_delivery.operations.refusals import InvalidRequest

# https://www.unicode.org/faq/utf_bom.html#bom4; UTF-32 first, because its mark begins like that of UTF-16.
MARKS: tuple[tuple[bytes, str], ...] = (
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
OTHER_FILES: Mapping[bytes, str] = {
    b"PK\x03\x04": "an Excel workbook or another ZIP archive",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "compressed with gzip",
}
"""How files begin that people take for CSV."""
_NAMES = """
ascii utf-8 utf-8-sig utf-16 utf-16-le utf-16-be utf-32 utf-32-le utf-32-be
cp1250 cp1251 cp1252 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 mac-roman
iso8859-1 iso8859-2 iso8859-3 iso8859-4 iso8859-5 iso8859-6 iso8859-7 iso8859-8 iso8859-9 iso8859-10 iso8859-11
iso8859-13 iso8859-14 iso8859-15 iso8859-16 koi8-r koi8-u tis-620
cp037 cp273 cp424 cp500 cp875 cp1026 cp1140 cp437 cp737 cp775 cp850 cp852 cp855 cp857 cp858 cp860 cp861 cp862
cp863 cp864 cp865 cp866 cp869 cp874
shift_jis cp932 euc_jp euc_kr cp949 gb2312 gbk gb18030 big5 big5hkscs cp950
"""
ENCODINGS = frozenset(_NAMES.split())
"""Encodings by Python's names. Each is decoded in linear time, a few bytes held back at most. UTF-7 and punycode are
not: Python decodes what is open in them anew with each piece."""
LONGEST_START = 4
PLAIN = "utf-8"


@dataclass(frozen=True, slots=True)
class TextFile:
    """An open file of text. Its lines keep their ends (newline="")."""

    stream: TextIO
    encoding: str = PLAIN
    errors: str = "surrogateescape"
    marked: bool = False

    @property
    def label(self) -> str:
        """The encoding's name as people write it."""
        return self.encoding.upper() if self.encoding.startswith("utf") else self.encoding


def encoding_name(value: str) -> str:
    """One of `ENCODINGS`, by any name that Python knows for it. Raises `InvalidRequest`."""
    try:
        name = codecs.lookup(value).name
    except (LookupError, ValueError):
        name = ""
    if name not in ENCODINGS:
        raise InvalidRequest(
            f"{value!r} is not an encoding of text that is read here. Most files are utf-8, utf-16 or cp1252",
            which="encoding",
            do="Save the file in UTF-8.",
        )
    return name


def read_text(file: io.BufferedReader, name: str, encoding: str | None = None) -> TextFile:
    """`file`, which is called `name`, as text. Without `encoding` it is the one of the file's mark, else UTF-8. Raises
    `NotPossible`."""
    start = file.read(LONGEST_START)
    for begins, what in OTHER_FILES.items():
        if start.startswith(begins):
            raise NotPossible(f"{name}: this is {what}. Save it as CSV in UTF-8.")
    mark, marked = next(((mark, its) for mark, its in MARKS if start.startswith(mark)), (b"", None))
    if marked and encoding and not marked.startswith(encoding.removesuffix("-sig")):
        raise NotPossible(
            f"{name}: its mark (BOM) says {marked}, and --encoding says {encoding}. Leave the option out."
        )
    used = marked or encoding or PLAIN
    errors = "surrogatepass" if used.startswith(("utf-16", "utf-32")) else "surrogateescape"
    rest = io.BufferedReader(_Rest(start[len(mark) :], file))
    return TextFile(io.TextIOWrapper(rest, used, errors, newline=""), used, errors, bool(mark))


class _Rest(io.RawIOBase):
    """The bytes of a file whose start is read already, because stdin cannot go back."""

    def __init__(self, start: bytes, file: io.BufferedReader) -> None:
        self._start = start
        self._file = file

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # typeshed: any writable buffer
        data = self._start or self._file.read1(len(buffer))  # the start is shorter than what BufferedReader asks for
        self._start = b""
        buffer[: len(data)] = data
        return len(data)
