"""A job's own attachments: read once for all of its emails, kept within bounds, and never kept when they failed."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Lock

import pytest

from eed_delivery.errors import RenderError
from eed_delivery.rendering.mime import BodyPart
from eed_delivery.rendering.shared_parts import SharedParts
from tests.unit.rendering.making import attachment, email, job, read, renderer


def part(size: int) -> BodyPart:
    return BodyPart(b"", (), (b"x" * (size - 2),))


def test_read_once_for_a_job_and_anew_for_the_next_revision(tmp_path: Path) -> None:
    maker = renderer(tmp_path)
    (tmp_path / "terms.txt").write_text("old")
    shared = job(attachments=(attachment("terms.txt"),))
    compiled = maker.compile(shared)

    def content(of: object) -> str:
        [seen] = read(maker.render(compiled if of is compiled else maker.compile(shared), email())).iter_attachments()
        return str(seen.get_content()).strip()

    assert content(compiled) == "old"
    (tmp_path / "terms.txt").write_text("new")
    assert content(compiled) == "old"
    assert content("compiled anew") == "new"


def test_own_attachments_are_read_each_time_and_come_after_the_jobs(tmp_path: Path) -> None:
    maker = renderer(tmp_path)
    for name in ("shared", "own"):
        (tmp_path / name).write_text("old")
    compiled = maker.compile(job(attachments=(attachment("shared"),)))
    one = email(attachments=(attachment("own"),))
    assert [a.get_filename() for a in read(maker.render(compiled, one)).iter_attachments()] == ["shared", "own"]
    (tmp_path / "own").write_text("new")
    _, own = read(maker.render(compiled, one)).iter_attachments()
    assert own.get_content() == b"new"


def test_failure_is_not_kept(tmp_path: Path) -> None:
    maker = renderer(tmp_path)
    compiled = maker.compile(job(attachments=(attachment("late.txt"),)))
    with pytest.raises(RenderError, match="no such file"):
        maker.render(compiled, email())
    (tmp_path / "late.txt").write_text("here")
    assert maker.render(compiled, email())


def test_cache_is_bounded_and_drops_what_was_used_longest_ago() -> None:
    cache = SharedParts(100)
    reads: list[int] = []

    def get(key: int, size: int) -> None:
        def read_it() -> tuple[BodyPart, ...]:
            reads.append(key)
            return (part(size),)

        assert cache.get(key, Lock(), read_it)[0].size == size

    get(1, 50)
    get(2, 50)
    get(1, 50)
    assert reads == [1, 2]
    get(3, 50)  # 2 has to go
    get(1, 50)
    assert reads == [1, 2, 3]
    get(2, 50)
    assert reads == [1, 2, 3, 2]
    get(9, 101)  # never fits
    get(9, 101)
    assert reads == [1, 2, 3, 2, 9, 9]


def test_many_threads_render_one_job_and_read_once() -> None:
    cache, lock, reads, two_readers = SharedParts(), Lock(), [], Barrier(2)

    def read_it() -> tuple[BodyPart, ...]:
        reads.append(1)
        with suppress(BrokenBarrierError):  # a second reader would come within this time
            two_readers.wait(0.2)
        return (part(10),)

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda _: cache.get(1, lock, read_it), range(100)))
    assert len(reads) == 1
    assert all(result is results[0] for result in results)


def test_one_renderer_for_many_threads() -> None:
    """What one email says never shows in another's message."""
    maker = renderer()
    compiled = maker.compile(
        job(subject="for {{ n }}", html_template="{% set x %}{{ n }}{% endset %}<b>{{ x }}</b>", text_template=None)
    )

    def text(number: int) -> tuple[str, str]:
        seen = read(maker.render(compiled, email(email_id=number, variables={"n": f"no{number}"})))
        body = seen.get_body(("plain",))
        assert body is not None
        return str(seen["Subject"]), str(body.get_content()).strip()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(text, range(300))) == [(f"for no{n}", f"no{n}") for n in range(300)]
