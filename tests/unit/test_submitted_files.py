"""Attachments that `submit` looks at: what would be refused when it is sent is refused when it is registered."""

import hashlib
from pathlib import Path

import pytest

from eed_delivery.errors import RenderError
from eed_delivery.model import AttachmentRef
from eed_delivery.operations.submitting.attachments import SubmittedFiles


def test_an_empty_file_is_refused_unless_it_may_be(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"")
    with pytest.raises(RenderError, match=r"attachment 'a\.pdf' is empty"):
        SubmittedFiles(tmp_path, 100).recorded(AttachmentRef("a.pdf"))
    allowed = SubmittedFiles(tmp_path, 100, allow_empty=True).recorded(AttachmentRef("a.pdf"))
    assert allowed.sha256 == hashlib.sha256(b"").hexdigest()
