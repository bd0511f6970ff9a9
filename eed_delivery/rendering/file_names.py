"""The name of an attachment, as the source calls it, made fit to be shown, kept and opened.

A given name is what the sender wants the customer to read, and no path. `Invoice 225/2385.pdf` is one name. Nothing of
what it says is lost.

The characters that Windows alone forbids (`: * ? " < > |`) stay: mail programs show the name unchanged. They replace
these characters when they save a file, each as its system wants it (RFC 2183, section 2.3; RFC 6266, section 4.3). A
slash does not, because programs take what is before it for a directory, and drop it.
"""

import re
from functools import lru_cache
from mimetypes import MimeTypes
from posixpath import splitext

UNKNOWN_TYPE = "application/octet-stream"
MAX_NAME = 255
"""Characters of a name: what NTFS, APFS and exFAT hold."""

_OFFICE = "application/vnd.openxmlformats-officedocument."
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
_TYPES = MimeTypes()  # Python's own table only: every host must give the same answer
for _extension, _type in {
    ".docx": f"{_OFFICE}wordprocessingml.document",
    ".xlsx": f"{_OFFICE}spreadsheetml.sheet",
    ".pptx": f"{_OFFICE}presentationml.presentation",
    ".odt": f"{_OPEN_DOCUMENT}text",
    ".ods": f"{_OPEN_DOCUMENT}spreadsheet",
    ".ics": "text/calendar",  # RFC 5545
    ".rtf": "application/rtf",
    ".p7m": "application/pkcs7-mime",  # RFC 8551
    ".p7s": "application/pkcs7-signature",
}.items():
    _TYPES.add_type(_type, _extension)
_EXTENSIONS = {
    _TYPES.types_map[True][extension]: extension
    for extension in (
        *(".pdf", ".zip", ".json", ".xml", ".rtf", ".doc", ".xls", ".ppt", ".docx", ".xlsx", ".pptx", ".odt", ".ods"),
        *(".gif", ".jpg", ".png", ".tiff", ".ics", ".csv", ".html", ".txt", ".eml"),
    )
}
_EXTENSIONS["application/xml"] = ".xml"
"""What programs look for. `mimetypes` may give any of several for a type, and other ones in other releases."""

_PATH = re.compile(r"[/\\]|[A-Za-z]:[/\\]|\.\.?[/\\]|~[/\\]")
"""What only a path begins with. Its directories are the sender's own affair (RFC 2183, section 2.3)."""
_SEPARATOR = re.compile(r"[/\\]")
_REPLACED = str.maketrans("/\\", "__")
_DROPPED = dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A)])
"""Marks that turn the direction of text (UAX 9, sections 2.1 to 2.5). They are not seen, and let one extension look
like another. The implicit marks (U+200E, U+200F, U+061C), which Hebrew and Arabic names may hold, reach less far.
"""
_DEVICE = re.compile(r"(CON|PRN|AUX|NUL|(?:COM|LPT)[1-9¹²³]) *(?=\.|$)", re.IGNORECASE)
"""Windows takes these for devices, whatever comes after the dot ("Naming Files, Paths, and Namespaces")."""


def display_name(given: str, location: str) -> str:
    """The name for the recipient, made of the one that the source gives, or else of the location's last part.

    Neither holds a control character. "" when nothing is left.
    """
    is_path = not given or given == location or _PATH.match(given) is not None
    name = _SEPARATOR.split(given or location)[-1] if is_path else given
    name = name.translate(_DROPPED).translate(_REPLACED).strip()
    if not name.strip(". "):
        return ""
    return _DEVICE.sub(r"\1_", name, count=1) if _DEVICE.match(name) else name


def type_of(name: str) -> str | None:
    """The media type of a name's extension. None where it has none. `12.2026` has none."""
    extension = _known_extension(name)
    return _type_of_extension(extension) if extension else None


@lru_cache(maxsize=64)  # the same few, for every attachment
def _type_of_extension(extension: str) -> str | None:
    kind, encoding = _TYPES.guess_type(f"a{extension}", strict=True)
    if encoding:
        return "application/gzip" if encoding == "gzip" else UNKNOWN_TYPE
    return kind


def with_extension(name: str, location: str, kind: str) -> str:
    """The name with an extension that programs know, so that the file can be opened, and not longer than MAX_NAME.

    One that has such an extension keeps it. Another one gets the location's, or the one of its type. Dots and blanks at
    the end are no part of an extension, and Windows drops them.
    """
    bare = name.rstrip(". ")
    own = _known_extension(bare)
    if own and len(bare) <= MAX_NAME:
        return bare
    extension = own or _fitting(location, kind)
    if not extension:
        return name[:MAX_NAME]
    return bare.removesuffix(own)[: MAX_NAME - len(extension)].rstrip(". ") + extension


def _fitting(location: str, kind: str) -> str:
    extension = _known_extension(location).lower()
    if extension == ".bin":  # it says nothing
        extension = ""
    agreed = kind in (UNKNOWN_TYPE, type_of(location))
    return extension if agreed else _EXTENSIONS.get(kind, extension)


def _known_extension(name: str) -> str:
    """The end of a name that says what kind of file it is, such as `.pdf` or `.csv.gz`. "" where it is not known.

    One letter is an initial, as in `Statement of Smith, J.C`.
    """
    stem, extension = splitext(name)
    known = extension.lower()
    if known in _TYPES.encodings_map:
        return _known_extension(stem) + extension
    is_known = known in _TYPES.suffix_map or known in _TYPES.types_map[True]
    return extension if is_known and len(extension) > 2 else ""
