"""An email as its customer would get it: rendered in a process of its own, in a frame that runs and loads nothing."""

import email
import email.policy
import os
import signal
from pathlib import Path

import psutil
import pytest

from eed_delivery.app.previews import renders, without_our_links
from eed_delivery.ledger.previewing import PreviewLedger
from eed_delivery.source import Source
from tests.operators_site import Site
from tests.waiting import until
from tests.world import World

WEB = """[operators]
listen = "127.0.0.1:8027"
[web]
base_url = "https://links.example.com"
unsubscribe = "every"
"""
SECRETS = {"EED_WEB__SECRET": "a_secret_of_the_links_of_32_letters"}
HTML = '<p style="color:red">Dear {{ name }}</p><script>alert(1)</script><img src="https://evil.example/x.png">'
PREVIEW = "/api/v1/emails/1000/preview"


@pytest.fixture
def site(world: World, tmp_path: Path) -> Site:
    """With an email that has an attachment."""
    world.add_job(["anna@example.com"], html_template=HTML)
    world.enlist()
    site = Site(world, tmp_path, WEB, environ=SECRETS)
    (site.cli.files / "a.txt").write_text("balance")
    world.execute(
        "INSERT INTO delivery_attachment (job_id, email_id, location, filename, content_type)"
        " VALUES (1, 1000, 'a.txt', 'balance.txt', 'text/plain')"
    )
    return site


def test_an_email_is_shown_as_it_would_be_sent(site: Site) -> None:
    token = site.token("viewer", "view", "see_content", name="support")
    assert site.problem("GET", PREVIEW)[0] == 403
    before = site.world.execute("SELECT * FROM eed_email"), site.world.execute("SELECT * FROM delivery_email")
    answer = site.ask("GET", PREVIEW, token=token)
    assert (answer.status_code, answer.mimetype) == (200, "message/rfc822")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="1000.eml"'
    assert answer.headers["Cache-Control"] == "no-store"
    message = email.message_from_bytes(answer.data, policy=email.policy.default)
    assert message["To"] == "Customer 1000 <anna@example.com>"
    assert message["Message-ID"] == "<1000.0@mail.example.com>"
    assert "Dear C1000" in answer.text
    assert (site.world.execute("SELECT * FROM eed_email"), site.world.execute("SELECT * FROM delivery_email")) == before
    assert site.world.scalar("SELECT COUNT(*) FROM eed_attempt") == 0
    acts = site.world.execute("SELECT surface, object_key FROM eed_audit WHERE act = 'preview'")
    assert acts == [("api", "1000")]
    site.world.execute("DELETE FROM delivery_email WHERE id = 1000")
    assert site.problem("GET", PREVIEW, token=token)[0] == 404
    assert site.problem("GET", "/api/v1/emails/7/preview", token=token)[0] == 404


def test_its_parts_are_listed_with_size_and_digest(site: Site) -> None:
    found = site.cli.json("preview", "1000")
    assert (found["recipient"], found["subject"]) == ("anna@example.com", "Statement for C1000")
    (attached,) = [part for part in found["parts"] if part["attached"]]
    assert (attached["name"], attached["content_type"], attached["size"]) == ("balance.txt", "text/plain", 7)
    assert len(attached["sha256"]) == 64
    assert "message" not in found


def test_a_render_that_dies_is_an_error_of_that_email_alone(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EED_FAILPOINTS", "worker.rendered=kill#1000")
    token = site.token("viewer", "view", "see_content", name="support")
    status, problem = site.problem("GET", PREVIEW, token=token)
    assert status == 409
    assert "ended its process" in problem["detail"]
    assert site.ask("GET", "/healthz").status_code == 200


def test_links_of_a_preview_are_signed_with_a_key_that_nobody_knows(site: Site) -> None:
    one, other = (without_our_links(site.settings).web for _ in range(2))
    assert len({tuple(web.keys()) for web in (site.settings.web, one, other)}) == 3
    assert one.base_url == site.settings.web.base_url


def render_processes() -> set[int]:
    """Children of this process that render."""
    return {
        child.pid for child in psutil.Process().children() if any("isolated_render" in word for word in _words(child))
    }


def _words(child: psutil.Process) -> list[str]:
    try:
        return child.cmdline()
    except psutil.Error:  # it has ended meanwhile
        return []


def test_a_process_is_kept_for_the_next_email_and_renders_what_is_there_now(site: Site) -> None:
    token = site.token("viewer", "view", "see_content", name="support")
    before = render_processes()
    assert "Dear C1000" in site.ask("GET", PREVIEW, token=token).text
    (kept,) = render_processes() - before
    site.world.execute("UPDATE delivery_job SET html_template = '<p>Good day {{ name }}</p>'")
    assert "Good day C1000" in site.ask("GET", PREVIEW, token=token).text
    assert render_processes() - before == {kept}
    os.kill(kept, signal.SIGKILL)
    assert "Good day C1000" in site.ask("GET", PREVIEW, token=token).text
    assert kept not in render_processes()


def test_a_kept_process_ends_after_its_time(site: Site) -> None:
    before = render_processes()
    render = renders(site.settings, keep_seconds=0.1)
    content = PreviewLedger(site.world.database, Source(site.settings.source)).content(1000)
    assert content is not None
    render(content)
    until(lambda: render_processes() <= before)
