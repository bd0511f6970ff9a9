"""What the path of a file may be."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.errors import RenderError
from eed_delivery.rendering.file_paths import MAX_PART_BYTES, MAX_PATH_BYTES, checked_path
from eed_delivery.transports.file_stores.folder_transport import temporary_name


@pytest.mark.parametrize(
    "path",
    [
        "statement.pdf",
        "job-1/12 34/Kontoauszug März.pdf",
        "выписки/三月/كشف حساب.pdf",
        "a/...",
        ".hidden/..a",
        "-rf",
        "50% & more; 'x'.pdf",
        "a" * MAX_PART_BYTES,
        "\u200fעברית\u200e.pdf",
    ],
)
def test_a_path_that_may_be(path: str) -> None:
    assert checked_path(path) == unicodedata.normalize("NFC", path)


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "it is empty"),
        ("/etc/passwd", "begins with /"),
        ("..", "leaves the directory"),
        ("../x", "leaves the directory"),
        ("a/../../x", "leaves the directory"),
        ("a/..", "leaves the directory"),
        ("./a", "names a directory"),
        ("a/./b", "names a directory"),
        ("a//b", "is empty"),
        ("a/", "is empty"),
        ("a\\b", "backslash"),
        ("..\\..\\x", "backslash"),
        ("a\nb", "control character"),
        ("a\x00b", "control character"),
        ("a\x7fb", "control character"),
        ("a\x9fb", "control character"),
        ("a\u2028b", "line end"),
        ("invoice\u202efdp.exe", "turns the direction"),
        ("a\u2066b", "turns the direction"),
        ("a\ud800", "half a character"),
        (" a", "blank"),
        ("a /b", "blank"),
        ("a/\u00a0b", "blank"),
        ("x/.eed-1", "temporary names"),
        ("ä" * (MAX_PART_BYTES // 2 + 1), "a part is longer than 255 bytes"),
        ("/".join(["a" * 200] * 6), "longer than 1,024 bytes"),
    ],
)
def test_a_path_that_may_not_be(path: str, words: str) -> None:
    with pytest.raises(RenderError, match=words):
        checked_path(path)


def test_one_name_has_one_spelling() -> None:
    assert checked_path("Ma\u0308rz.pdf") == checked_path("M\u00e4rz.pdf") == "M\u00e4rz.pdf"


def test_no_email_has_the_name_of_an_upload() -> None:
    with pytest.raises(RenderError, match="temporary names"):
        checked_path(temporary_name())


@given(st.text(st.characters() | st.sampled_from("/.\\ \n\u202e\u0308a"), max_size=60))
def test_whatever_is_accepted_stays_below_the_root(text: str) -> None:
    try:
        path = checked_path(text)
    except RenderError:
        return
    assert path
    assert len(path.encode()) <= MAX_PATH_BYTES
    assert not {"", ".", ".."} & set(path.split("/"))
    assert path == unicodedata.normalize("NFC", path)
    assert not any(unicodedata.category(c) == "Cc" or c == "\\" for c in path)
