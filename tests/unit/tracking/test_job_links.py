"""What an email holds that leads back to us: nothing unless it is wanted, and then what the endpoint can read."""

import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from eed_delivery.app.parts import App
from eed_delivery.config import load
from eed_delivery.config.settings import SHORTEST_WEB_SECRET
from eed_delivery.errors import RenderError
from eed_delivery.links.tokens import MAX_URL, MIN_KEY, ClickLink, Links, PixelLink, UnsubscribeLink
from eed_delivery.model import Rendered
from eed_delivery.rendering.renderer import Renderer
from tests.unit.rendering.making import email, header_names, job
from tests.unit.test_config import GOOD

SECRET, OLD = "a secret of the tests, 32 bytes!".replace(" ", "_"), "the_secret_that_was_before_that_one"
BASE = "https://links.bank.example"
LINKS = Links(BASE, [SECRET])
WEB = {"EED_WEB__BASE_URL": BASE, "EED_WEB__SECRET": f"{SECRET}\n"}
OFFERED = {**WEB, "EED_WEB__UNSUBSCRIBE": "category", "EED_SOURCE__JOB__CATEGORY": "category"}
HTML = (
    '<p>Dear {{ name }}</p><a href="https://shop.example/a?x=1&amp;y=2">shop</a>'
    '<a href="mailto:a@bank.example">us</a><a data-eed-no-track href="https://shop.example/terms">terms</a>'
)


def renderer(tmp_path: Path, environ: dict[str, str]) -> Renderer:
    path = tmp_path / "eed.toml"
    path.write_text(GOOD)
    return App(load(path, environ)).renderer()


def rendered(tmp_path: Path, environ: dict[str, str], **columns: Any) -> Rendered:
    made = renderer(tmp_path, environ)
    the_job = job(**{"html_template": HTML, "text_template": None, **columns})
    return made.render(made.compile(the_job), email(email_id=7, gen=2, variables={"name": "Zoë"}))


def read(message: Rendered) -> EmailMessage:
    parsed = message_from_bytes(message.content, policy=policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def body(message: Rendered, kind: str = "html") -> str:
    part = read(message).get_body((kind,))
    assert part is not None
    return str(part.get_content())


def token(url: str) -> str:
    return urlsplit(url).path.rpartition("/")[2].removesuffix(".gif")


def test_a_secret_has_the_length_that_the_links_want() -> None:
    assert SHORTEST_WEB_SECRET == MIN_KEY


@pytest.mark.parametrize(
    ("environ", "columns"),
    [
        ({}, {"track_opens": True, "track_clicks": True, "category": "news"}),
        (WEB, {"category": "news"}),
        (OFFERED, {}),
    ],
)
def test_nothing_is_changed_unless_it_is_wanted(
    tmp_path: Path, environ: dict[str, str], columns: dict[str, Any]
) -> None:
    message = rendered(tmp_path, environ, **columns)
    assert body(message).strip() == HTML.replace("{{ name }}", "Zoë")
    assert "List-Unsubscribe" not in header_names(message)
    assert BASE.encode() not in message.content


def test_a_job_with_a_category_offers_to_unsubscribe_by_one_click(tmp_path: Path) -> None:
    message = rendered(tmp_path, OFFERED, category="news")
    parsed = read(message)
    assert parsed["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    (url,) = re.fullmatch(r"<(\S+)>", str(parsed["List-Unsubscribe"])).groups()  # type: ignore[union-attr]
    assert url.startswith(f"{BASE}/u/")
    assert LINKS.read_unsubscribe(token(url)) == UnsubscribeLink(7, 2, "news")
    assert body(message).strip() == HTML.replace("{{ name }}", "Zoë")


def test_every_job_offers_it_where_that_is_wanted(tmp_path: Path) -> None:
    environ = {**WEB, "EED_WEB__UNSUBSCRIBE": "every"}
    for category in ("", "news"):
        url = str(read(rendered(tmp_path, environ, category=category))["List-Unsubscribe"]).strip("<>")
        assert LINKS.read_unsubscribe(token(url)) == UnsubscribeLink(7, 2, category)


def test_an_address_for_email_stays_beside_the_one_click(tmp_path: Path) -> None:
    mail = "<mailto:bye@bank.example?subject={{ email_id }}>"
    message = rendered(tmp_path, {**OFFERED, "EED_RENDERING__LIST_UNSUBSCRIBE": mail}, category="news")
    first, second = str(read(message)["List-Unsubscribe"]).split(", ")
    assert LINKS.read_unsubscribe(token(first.strip("<>"))) == UnsubscribeLink(7, 2, "news")
    assert second == "<mailto:bye@bank.example?subject=7>"
    assert header_names(message).count("List-Unsubscribe-Post") == 1


def test_templates_may_show_the_address_and_it_is_no_click(tmp_path: Path) -> None:
    columns = {
        "html_template": '<a href="{{ unsubscribe_url }}">bye</a><a href="https://shop.example/">shop</a>',
        "text_template": "bye: {{ unsubscribe_url }}",
        "subject": "{{ unsubscribe_url|length }}",
    }
    message = rendered(tmp_path, OFFERED, category="news", track_clicks=True, **columns)
    url = LINKS.unsubscribe(7, 2, "news")
    assert f'<a href="{url}">bye</a>' in body(message)
    assert body(message, "plain").strip() == f"bye: {url}"
    assert read(message)["Subject"] == str(len(url))
    assert body(message).count("/c/") == 1


def test_an_emails_own_variable_of_that_name_stays_and_ours_has_a_prefix(tmp_path: Path) -> None:
    made = renderer(tmp_path, OFFERED)
    text = "{{ unsubscribe_url }} {{ eed_unsubscribe_url }}"
    compiled = made.compile(job(html_template=None, text_template=text, category="news"))
    own = email(email_id=7, gen=2, variables={"unsubscribe_url": "https://elsewhere.example/"})
    message = made.render(compiled, own)
    ours = LINKS.unsubscribe(7, 2, "news")
    assert body(message, "plain").split() == ["https://elsewhere.example/", ours]
    assert read(message)["List-Unsubscribe"] == f"<{ours}>"  # what mail programs press is ours in any case


def test_without_the_offer_there_is_no_such_variable(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="unsubscribe_url"):
        rendered(tmp_path, WEB, category="news", html_template="{{ unsubscribe_url }}")


def test_clicks_lead_through_the_redirect_and_the_text_does_not(tmp_path: Path) -> None:
    message = rendered(tmp_path, WEB, track_clicks=True)
    (url,) = re.findall(rf'href="({BASE}/c/[^"]+)"', body(message))
    assert LINKS.read_click(token(url)) == ClickLink(7, 2, "https://shop.example/a?x=1&y=2")
    assert "https://shop.example/terms" in body(message)
    assert "<img" not in body(message)
    assert "https://shop.example/a?x=1&y=2" in body(message, "plain")
    assert BASE not in body(message, "plain")


def test_opens_are_told_by_a_picture_and_no_link_is_changed(tmp_path: Path) -> None:
    html = body(rendered(tmp_path, WEB, track_opens=True))
    (url,) = re.findall(rf'<img src="({BASE}/o/[^"]+)"', html)
    assert LINKS.read_pixel(token(url)) == PixelLink(7, 2)
    assert "/c/" not in html


def test_an_email_without_html_holds_nothing(tmp_path: Path) -> None:
    message = rendered(
        tmp_path, WEB, track_opens=True, track_clicks=True, html_template=None, text_template="https://shop.example/"
    )
    assert body(message, "plain").strip() == "https://shop.example/"


def test_another_houses_link_to_unsubscribe_is_no_click_either(tmp_path: Path) -> None:
    environ = {**WEB, "EED_RENDERING__LIST_UNSUBSCRIBE": "<https://bye.example/?e={{ email_id }}&x=1>"}
    html = '<a href="https://bye.example/?e={{ email_id }}&amp;x=1">bye</a><a href="https://bye.example/">x</a>'
    made = body(rendered(tmp_path, environ, track_clicks=True, html_template=html))
    assert '<a href="https://bye.example/?e=7&amp;x=1">bye</a>' in made
    assert made.count("/c/") == 1


def test_a_link_that_differs_for_each_email_is_read_each_time(tmp_path: Path) -> None:
    made = renderer(tmp_path, WEB)
    compiled = made.compile(job(html_template='<a href="https://shop.example/{{ email_id }}">x</a>', track_clicks=True))
    for n in (1, 2, 1):
        (url,) = re.findall(r'href="([^"]+)"', body(made.render(compiled, email(email_id=n, gen=0))))
        assert LINKS.read_click(token(url)) == ClickLink(n, 0, f"https://shop.example/{n}")


@pytest.mark.parametrize("size", [1_000, 1_990, 2_100, 100_000])
def test_a_long_link_leads_where_it_led(tmp_path: Path, size: int) -> None:
    target = "https://shop.example/" + "x" * size
    html = body(rendered(tmp_path, WEB, track_clicks=True, html_template=f'<a href="{target}" class=y>x</a>'))
    (url,) = re.findall(r'href="([^"]+)" class=y', html)
    if len(url) <= MAX_URL and "/c/" in url:
        assert LINKS.read_click(token(url)) == ClickLink(7, 2, target)
    else:
        assert url == target


def test_a_category_that_no_header_can_hold_fails_the_job_and_not_each_email(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="category is too long"):
        renderer(tmp_path, OFFERED).compile(job(category="😀" * 191))
    renderer(tmp_path, OFFERED).compile(job(category="n" * 191))


def test_the_secret_before_is_read_and_the_new_one_signs(tmp_path: Path) -> None:
    path = tmp_path / "eed.toml"
    path.write_text(GOOD)
    links = App(load(path, {**WEB, "EED_WEB__FORMER_SECRETS": f"{OLD} {OLD}x"})).links()
    assert links is not None
    assert links.pixel(1, 0) == LINKS.pixel(1, 0)
    for old in (OLD, f"{OLD}x"):
        assert links.read_pixel(token(Links(BASE, [old]).pixel(1, 0))) == PixelLink(1, 0)
    assert links.read_pixel(token(Links(BASE, ["y" * 32]).pixel(1, 0))) is None


def test_each_tenant_signs_for_itself(tmp_path: Path) -> None:
    message = rendered(tmp_path, {**OFFERED, "EED_WEB__TENANT": "bank"}, category="news")
    url = str(read(message)["List-Unsubscribe"]).strip("<>")
    assert LINKS.read_unsubscribe(token(url)) is None
    assert Links(BASE, [SECRET], "bank").read_unsubscribe(token(url)) == UnsubscribeLink(7, 2, "news")
