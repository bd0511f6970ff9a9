"""Attachments from a directory: only its own regular files, whole, of the recorded hash; and never a hang."""

import hashlib
import os
import re
import resource
import socket
import threading
from pathlib import Path, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.errors import InfrastructureFailure, RenderError
from eed_delivery.model import AttachmentRef
from eed_delivery.rendering.attachments import AttachmentStore

CONTENT = b"%PDF-1.7 one statement"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root with a statement, and a secret beside it."""
    (tmp_path / "secret.txt").write_text("secret")
    inside = tmp_path / "root"
    (inside / "2026").mkdir(parents=True)
    (inside / "2026" / "s.pdf").write_bytes(CONTENT)
    return inside


def refused(root: Path, location: str, **rest: str) -> str:
    with pytest.raises(RenderError) as caught:
        AttachmentStore(root, max_bytes=1000).read(AttachmentRef(location, **rest))
    return caught.value.reply


@pytest.mark.parametrize("location", ["2026/s.pdf", "./2026//s.pdf", " 2026/s.pdf "])
def test_read(root: Path, location: str) -> None:
    read = AttachmentStore(root).read(AttachmentRef(location, sha256=SHA256))
    assert (read.filename, read.content_type, read.content) == ("s.pdf", "application/pdf", CONTENT)


@pytest.mark.parametrize(
    ("location", "below"),
    [
        ("C:\\files\\2026\\a.pdf", "files/2026/a.pdf"),
        ("d:/files/a.pdf", "files/a.pdf"),
        ("\\\\server\\share\\2026\\a.pdf", "2026/a.pdf"),
        ("//server/share/a.pdf", "a.pdf"),
        ("\\files\\a.pdf", "files/a.pdf"),
        ("2026\\s.pdf", "2026/s.pdf"),
        ("2026/b\\s.pdf", "2026/b/s.pdf"),
        ("\\\\?\\C:\\a.pdf", "a.pdf"),
    ],
)
def test_a_windows_path_is_refused_with_what_to_write_instead(root: Path, location: str, below: str) -> None:
    words = refused(root, location)
    assert "It is a Windows path" in words
    assert "rendering.attachments_root" in words
    assert words.endswith(f"like {below!r}")


@pytest.mark.parametrize("location", ["2026/x.pdf", "a:b.pdf", "/etc/passwd", "2026"])
def test_other_paths_are_not_taken_for_windows_paths(root: Path, location: str) -> None:
    assert "Windows" not in refused(root, location)


def test_a_backslash_may_be_part_of_a_name(root: Path) -> None:
    (root / "a\\b.pdf").write_bytes(CONTENT)
    assert AttachmentStore(root).read(AttachmentRef("a\\b.pdf")).content == CONTENT


@given(st.lists(st.text(st.sampled_from("ab-Ä"), min_size=1, max_size=4), min_size=1, max_size=4))
def test_the_path_to_write_instead_is_that_of_windows_without_its_drive(parts: list[str]) -> None:
    path = PureWindowsPath("C:/", *parts)
    with pytest.raises(RenderError) as caught:
        AttachmentStore(Path("/")).read(AttachmentRef(str(path)))
    relative = path.relative_to("C:/").as_posix()
    assert caught.value.reply.endswith(f"like {relative!r}")


def test_absolute_path_below_the_root_is_taken(root: Path) -> None:
    assert AttachmentStore(root).read(AttachmentRef(f"{root}/2026/s.pdf")).content == CONTENT
    assert "outside" in refused(root, f"{root.parent}/secret.txt")
    assert "outside" in refused(root, f"{root}-other/2026/s.pdf")


def test_root_may_be_a_symbolic_link(root: Path) -> None:
    link = root.parent / "link"
    link.symlink_to(root)
    assert AttachmentStore(link).read(AttachmentRef("2026/s.pdf")).content == CONTENT


@pytest.mark.parametrize(
    "location", ["../secret.txt", "2026/../../secret.txt", "..", ".", "/", "/etc/passwd", "2026/..", "", "a\0b", "a\nb"]
)
def test_no_way_out_by_name(root: Path, location: str) -> None:
    assert "secret" not in refused(root, location) or location in refused(root, location)


def test_missing_file(root: Path) -> None:
    assert refused(root, "2026/t.pdf") == "attachment '2026/t.pdf': there is no such file"
    assert "no such file" in refused(root, "2027/s.pdf")
    assert "leads through a file" in refused(root, "2026/s.pdf/x")
    assert "too long" in refused(root, "x" * 300 + "/s.pdf")


def test_symbolic_links_are_not_followed_in_any_place(root: Path) -> None:
    (root / "file").symlink_to(root.parent / "secret.txt")
    (root / "inner").symlink_to(root / "2026" / "s.pdf")
    (root / "dir").symlink_to(root.parent)
    (root / "2026" / "up").symlink_to("..")
    for location in ("file", "inner", "dir/secret.txt", "2026/up/2026/s.pdf"):
        assert "symbolic link" in refused(root, location)


def test_link_swapped_in_while_reading_never_leads_out(root: Path) -> None:
    """A directory that flips between real and a link to the outside: every read is the real file or an error."""
    outside = root.parent / "outside"
    outside.mkdir()
    (outside / "s.pdf").write_bytes(b"secret")
    (root / "link").symlink_to(outside)
    stop = threading.Event()

    def flip() -> None:
        while not stop.is_set():
            os.rename(root / "2026", root / "real")
            os.rename(root / "link", root / "2026")
            os.rename(root / "2026", root / "link")
            os.rename(root / "real", root / "2026")

    flipping = threading.Thread(target=flip)
    flipping.start()
    try:
        found = set()
        for _ in range(3000):
            try:
                found.add(AttachmentStore(root).read(AttachmentRef("2026/s.pdf")).content)
            except RenderError:
                found.add(b"refused")
    finally:
        stop.set()
        flipping.join()
    assert found <= {CONTENT, b"refused"}
    assert CONTENT in found


def test_only_regular_files_and_no_hang(root: Path) -> None:
    os.mkfifo(root / "fifo")
    listening = socket.socket(socket.AF_UNIX)
    here = os.getcwd()
    os.chdir(root)  # a socket's path may have 107 bytes only
    try:
        listening.bind("socket")
    finally:
        os.chdir(here)
    with listening:
        for location in ("fifo", "2026", "socket"):
            assert "not a regular file" in refused(root, location)


@pytest.mark.skipif(not os.path.exists("/dev/zero"), reason="no /dev/zero")
def test_devices_are_not_files() -> None:
    assert "not a regular file" in refused(Path("/dev"), "zero")


def test_endless_file_that_says_it_is_empty(root: Path) -> None:
    """Files of /proc are regular, of size 0, and full: what is read must be what was measured."""
    if os.path.exists("/proc/self/status"):
        assert "changed while it was read" in refused(Path("/proc/self/"), "status")


def test_too_large(root: Path) -> None:
    (root / "big").write_bytes(bytes(1001))
    (root / "just").write_bytes(bytes(1000))
    assert "too large: 1,001 bytes or more, the limit is 1,000" in refused(root, "big")
    assert len(AttachmentStore(root, max_bytes=1000).read(AttachmentRef("just")).content) == 1000


def test_sparse_giant_is_not_read(root: Path) -> None:
    with open(root / "giant", "wb") as giant:
        giant.truncate(1 << 40)
    assert "too large" in refused(root, "giant")


def test_wrong_hash_names_both_and_sends_nothing(root: Path) -> None:
    reply = refused(root, "2026/s.pdf", sha256="0" * 64)
    assert SHA256[:12] in reply and "0" * 12 in reply and "Nothing was sent" in reply
    assert SHA256[:13] not in reply


def test_hash_in_any_case_and_blank_is_none(root: Path) -> None:
    for recorded in (SHA256, SHA256.upper(), f" {SHA256} ", "", "  ", None):
        assert AttachmentStore(root).read(AttachmentRef("2026/s.pdf", sha256=recorded)).content == CONTENT


@pytest.mark.parametrize("recorded", ["abc", "g" * 64, "0" * 63, "0" * 65, "sha256:" + "0" * 64])
def test_malformed_hash(root: Path, recorded: str) -> None:
    assert "not 64 hexadecimal digits. Nothing was sent" in refused(root, "2026/s.pdf", sha256=recorded)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission_is_that_emails_problem(root: Path) -> None:
    (root / "2026" / "s.pdf").chmod(0)
    assert "may not read it" in refused(root, "2026/s.pdf")


def test_missing_root_is_the_hosts_problem(tmp_path: Path) -> None:
    with pytest.raises(InfrastructureFailure, match="cannot be opened: No such file or directory"):
        AttachmentStore(tmp_path / "not mounted").read(AttachmentRef("a"))


def test_no_file_descriptors_left_is_the_hosts_problem(root: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    used = os.open("/", os.O_RDONLY)
    os.close(used)
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 1, hard))  # room for the root, not for what is below it
    try:
        with pytest.raises(InfrastructureFailure, match="Too many open files"):
            AttachmentStore(root).read(AttachmentRef("2026/s.pdf"))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_no_descriptor_is_left_open(root: Path) -> None:
    (root / "link").symlink_to("2026")
    before = len(os.listdir("/proc/self/fd"))
    for location in ("2026/s.pdf", "2026/none", "2026", "link/s.pdf", "none/none", "../x"):
        try:
            AttachmentStore(root).read(AttachmentRef(location))
        except RenderError:
            continue
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_root_is_set() -> None:
    with pytest.raises(RenderError, match="attachments_root"):
        AttachmentStore(None).read(AttachmentRef("a"))


@pytest.mark.parametrize(
    ("given_name", "seen"),
    [
        (None, "s.pdf"),
        ("", "s.pdf"),
        ("Kontoauszug März.pdf", "Kontoauszug März.pdf"),
        ("/var/data/x.pdf", "x.pdf"),
        ("C:\\reports\\x.pdf", "x.pdf"),
        ("../../x.pdf", "x.pdf"),
    ],
)
def test_file_names(root: Path, given_name: str | None, seen: str) -> None:
    assert AttachmentStore(root).read(AttachmentRef("2026/s.pdf", filename=given_name)).filename == seen


@pytest.mark.parametrize("name", ["..", ". .", "/", "C:\\", "\u202e", "a\nb", "a\0b", "a\x1fb", "x" * 2001])
def test_bad_file_names(root: Path, name: str) -> None:
    assert "file name" in refused(root, "2026/s.pdf", filename=name)


@pytest.mark.parametrize(
    ("given_type", "filename", "seen"),
    [
        (None, "a.pdf", "application/pdf"),
        (None, "a.xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        (None, "a.csv.gz", "application/gzip"),
        (None, "a.tar.bz2", "application/octet-stream"),
        (None, "a", "application/pdf"),  # the location's
        (None, "12.2026", "application/pdf"),
        (None, "a.bin", "application/octet-stream"),
        (None, "a.eml", "application/octet-stream"),
        ("message/rfc822", "a", "application/octet-stream"),
        ("multipart/mixed; boundary=x", "a", "application/octet-stream"),
        ("Application/PDF", "a", "application/pdf"),
        ('application/pdf; name="x.pdf"', "a", "application/pdf"),
        ("text/csv; charset=utf-8; header=present", "a", 'text/csv; charset="utf-8"'),
        (" ", "a.pdf", "application/pdf"),
    ],
)
def test_content_types(root: Path, given_type: str | None, filename: str, seen: str) -> None:
    ref = AttachmentRef("2026/s.pdf", filename, given_type)
    assert AttachmentStore(root).read(ref).content_type == seen


@pytest.mark.parametrize(
    ("filename", "location", "content_type", "name", "kind"),
    [
        # A name without an extension that programs know: the location's or the type's.
        ("Statement December", "a.pdf", None, "Statement December.pdf", "application/pdf"),
        ("Kontoauszug 12/2026", "a.pdf", None, "Kontoauszug 12_2026.pdf", "application/pdf"),
        ("Kontoauszug 12.2026", "a.PDF", None, "Kontoauszug 12.2026.pdf", "application/pdf"),
        ("Dear Mr. Meyer", "a.csv.gz", None, "Dear Mr. Meyer.csv.gz", "application/gzip"),
        ("Smith, J.C", "a.pdf", None, "Smith, J.C.pdf", "application/pdf"),
        ("Statement No.", "a.pdf", None, "Statement No.pdf", "application/pdf"),
        ("Statement", "a", "application/pdf", "Statement.pdf", "application/pdf"),
        ("Statement", "a.bin", "application/pdf", "Statement.pdf", "application/pdf"),
        ("Statement", "a.txt", "text/csv; charset=utf-8", "Statement.csv", 'text/csv; charset="utf-8"'),
        ("Statement", "a.pdf", "application/x-pdf", "Statement.pdf", "application/x-pdf"),
        ("Statement", "a.pdf", "application/octet-stream", "Statement.pdf", "application/octet-stream"),
        ("Mail of 3 May", "a.eml", None, "Mail of 3 May.eml", "application/octet-stream"),
        ("Statement", "a", None, "Statement", "application/octet-stream"),
        ("Statement", "a.bin", None, "Statement", "application/octet-stream"),
        (None, "a", "application/pdf", "a.pdf", "application/pdf"),
        # One that has one keeps it, and it goes before the location's.
        ("Statement.pdf", "a.bin", None, "Statement.pdf", "application/pdf"),
        ("Statement.PDF", "a", None, "Statement.PDF", "application/pdf"),
        ("a.xlsx", "a.pdf", "application/pdf", "a.xlsx", "application/pdf"),
        ("a.ics", "a", None, "a.ics", "text/calendar"),
        ("a.tgz", "a", None, "a.tgz", "application/gzip"),
    ],
)
def test_a_name_can_be_opened(
    root: Path, filename: str | None, location: str, content_type: str | None, name: str, kind: str
) -> None:
    (root / location).write_bytes(CONTENT)
    read = AttachmentStore(root).read(AttachmentRef(location, filename, content_type))
    assert (read.filename, read.content_type) == (name, kind)


@pytest.mark.parametrize(
    ("given_name", "seen"),
    [
        ("Invoice 225/2385.pdf", "Invoice 225_2385.pdf"),
        ("225\\2385.pdf", "225_2385.pdf"),
        ("2026/05/x.pdf", "2026_05_x.pdf"),
        ("2026/s.pdf", "s.pdf"),  # the location itself
        ("./x.pdf", "x.pdf"),
        ("\\\\server\\share\\x.pdf", "x.pdf"),
        ("c:/x.pdf", "x.pdf"),
        ("~/x.pdf", "x.pdf"),
        ("a/.pdf", "a_.pdf"),
        ("a/", "a_.pdf"),
        ('Offer: "A*B" <1|2>?.pdf', 'Offer: "A*B" <1|2>?.pdf'),  # mail programs replace these when they save
        ("x.pdf. .", "x.pdf"),
        ("  x .pdf ", "x .pdf"),
        ("CON.pdf", "CON_.pdf"),
        ("nul", "nul_.pdf"),
        ("Com1 .tar.pdf", "Com1_.tar.pdf"),
        ("LPT\u00b2.pdf", "LPT\u00b2_.pdf"),
        ("console.pdf", "console.pdf"),
        ("Con Carne.pdf", "Con Carne.pdf"),
        ("inv\u202efdp.exe", "invfdp.exe"),
        ("\u2067x\u2069.pdf", "x.pdf"),
        ("\u05d0\u200f.pdf", "\u05d0\u200f.pdf"),
        ("x" * 300 + ".pdf", "x" * 251 + ".pdf"),
        ("\u00e4" * 300, "\u00e4" * 251 + ".pdf"),
        ("x" * 249 + ". . " + "x" * 9, "x" * 249 + ".pdf"),
    ],
)
def test_a_given_name_keeps_what_it_says(root: Path, given_name: str, seen: str) -> None:
    assert AttachmentStore(root).read(AttachmentRef("2026/s.pdf", filename=given_name)).filename == seen


@given(st.text(st.sampled_from('aB1 ./\\:*?"<>|~\u202e\u05d0\U0001f600.pdfCON'), max_size=400))
def test_any_name_is_one_that_every_system_can_keep(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    root = tmp_path_factory.getbasetemp()
    (root / "s.pdf").write_bytes(CONTENT)
    try:
        made = AttachmentStore(root).read(AttachmentRef("s.pdf", filename=name)).filename
    except RenderError:
        assert not re.split(r"[/\\]", name)[-1].strip(". \u202e")
        return
    assert len(made) <= 255
    assert not re.search(r"[/\\\u202e]|^ |[. ]$", made)
    assert not re.match(r"(CON|PRN|AUX|NUL) *(\.|$)", made, re.IGNORECASE)
    assert made.lower().endswith(".pdf") or "." in made


def test_an_empty_file_is_not_sent_unless_it_may_be(root: Path) -> None:
    (root / "a.pdf").write_bytes(b"")
    assert refused(root, "a.pdf").startswith("attachment 'a.pdf' is empty, so nothing was sent")
    assert "is empty" in refused(root, "a.pdf", sha256=hashlib.sha256(b"").hexdigest())
    assert AttachmentStore(root, allow_empty=True).read(AttachmentRef("a.pdf")).content == b""


@pytest.mark.parametrize("content_type", ["pdf", "application/", "/pdf", "a b/c", "a/b c", "a/b/c", "a/b, c/d", "ä/b"])
def test_bad_content_types(root: Path, content_type: str) -> None:
    for location in ("2026/s.pdf", "./2026/s.pdf"):
        assert f"{location!r}: {content_type!r} is not a content type" in refused(
            root, location, content_type=content_type
        )


@given(st.lists(st.sampled_from(["..", ".", "", "2026", "s.pdf", "dir", "secret.txt", "/"]), max_size=8))
def test_no_combination_of_parts_leads_out(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    base = tmp_path_factory.getbasetemp() / "combinations"
    if not base.exists():
        (base / "root" / "2026").mkdir(parents=True)
        (base / "root" / "2026" / "s.pdf").write_bytes(CONTENT)
        (base / "root" / "dir").symlink_to(base)
        (base / "secret.txt").write_text("secret")
    try:
        assert AttachmentStore(base / "root").read(AttachmentRef("/".join(parts))).content == CONTENT
    except RenderError:
        return
