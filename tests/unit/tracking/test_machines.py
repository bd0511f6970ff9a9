"""Opens and clicks of machines are known by how they name themselves, or by their haste."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eed_delivery.events import EventKind, TrackingEvent
from eed_delivery.link_server.machines import Reader, Request, hastened, reader_of

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/149.0.0.0 Safari/537.36"
)
EDGE_12 = CHROME.replace("149.0.0.0 Safari/537.36", "42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0")
PROGRAMS = (
    *("GuzzleHttp/7", "got", "node", "undici", "reqwest/0.11", "Dart/3.2 (dart:io)"),
    *("PostmanRuntime/7.36", "PHP/8.2.1", "Symfony HttpClient/Curl", "Faraday v2.7", "okhttp/4.12.0", "Java/17.0.1"),
    *(
        "Apache-HttpClient/4.5 (Java/11)",
        "libwww-perl/6.67",
        "Wget/1.21",
        "axios/1.6",
        "aiohttp/3.9",
        "Ruby",
        "lua-resty-http",
    ),
)
MAIL_PROGRAMS = (
    "Outlook-iOS/709.2042344.prod.iphone (3.21.0)",
    "MacOutlook/16.46.21021202 (Intelx64 Mac OS X 11.2.2 (Build 20D80))",
    "Mail/3654 CFNetwork/1335 Darwin/21.0.0",
    "Spark/2.11 CFNetwork/1240.0.4 Darwin/20.6.0",
    "Dalvik/2.1.0 (Linux; U; Android 13; SM-G991B Build/TP1A)",
    "Android-Gmail/64562652 (sw411dp; 420dpi) (r7 TP1A.220624.014)",
    "NaverMailApp/2.2.2 (Android 10; SM-G986N)",
    "Airmail 1.4 rv:238 (Macintosh; Mac OS X 10.9.2; hr_HR)",
    "The Bat! 4.0.0.22",
    "SomeApp/4.1.0 (iPhone; iOS 15.6; Scale/3.00)",
    "Opera/9.80 (Windows NT 6.1) Presto/2.12 Version/12.16",
)


@pytest.mark.parametrize(
    ("agent", "reader", "automatic"),
    [
        (CHROME, Reader.PERSON, False),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15", Reader.PERSON, False),
        ("Mozilla/4.0 (compatible; ms-office; MSOffice 16)", Reader.PERSON, False),
        ("Microsoft Office/16.0 (Windows NT 10.0; Microsoft Outlook 16.0.17328; Pro)", Reader.PERSON, False),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Thunderbird/128.0", Reader.PERSON, False),
        ("Mozilla/5.0 (Linux; Android 14; CUBOT X70) AppleWebKit/537.36", Reader.PERSON, False),
        ("Mozilla/5.0", Reader.APPLE_PRIVACY, True),
        ("Mozilla/5.0 ", Reader.APPLE_PRIVACY, True),
        (EDGE_12, Reader.GOOGLE_PREFETCH, True),
        (EDGE_12.replace("12.246", "12.247"), Reader.PERSON, False),
        (
            "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
            "google_proxy",
            False,
        ),
        ("YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", Reader.YAHOO_PROXY, False),
        ("Barracuda Sentinel (EE)", Reader.SCANNER, True),
        ("Mozilla/5.0 (compatible; Proofpoint)", Reader.SCANNER, True),
        ("Mozilla/5.0 Mimecast", Reader.SCANNER, True),
        ("Microsoft Office Existence Discovery", Reader.SCANNER, True),
        ("Mozilla/5.0 (compatible; Googlebot/2.1)", Reader.SCANNER, True),
        ("curl/8.5.0", Reader.PROGRAM, True),
        ("python-requests/2.32", Reader.PROGRAM, True),
        (CHROME.replace("Chrome/", "HeadlessChrome/"), Reader.PROGRAM, True),
        ("facebookexternalhit/1.1 (+http://www.facebook.com/externalhit_uatext.php)", Reader.SCANNER, True),
        ("WhatsApp/2.23.20.0", Reader.SCANNER, True),
        ("Slack-ImgProxy (+https://api.slack.com/robots)", Reader.SCANNER, True),
        ("GoogleOther", Reader.SCANNER, True),
        ("Mozilla/5.0 (Linux; Android 7.0) AppleWebKit/537.36 (KHTML, like Gecko; Google-Read-Aloud)", "scanner", True),
        ("Amazon CloudFront", Reader.SCANNER, True),
        ("TMES/1.0", Reader.SCANNER, True),
        ("Mozilla/5.0 (compatible; Expanse, a Palo Alto Networks company)", Reader.SCANNER, True),
        ("Mozilla/5.0 (compatible; SomeName/1.0)", Reader.SCANNER, True),
        (CHROME + " (compatible; Thing; +https://example.com/thing)", Reader.SCANNER, True),
        ("Mozilla/5.0 (compatible; MSIE 10.0; Windows NT 6.2; Trident/6.0)", Reader.PERSON, False),
        ("Mozilla/5.0 (compatible; Konqueror/4.5; Linux)", Reader.PERSON, False),
        ("Mozilla/5.0 (Somewhere)", Reader.PROGRAM, True),
        *((program, Reader.PROGRAM, True) for program in PROGRAMS),
        *((program, Reader.PERSON, False) for program in MAIL_PROGRAMS),
        ("", Reader.NAMELESS, True),
        (" ", Reader.NAMELESS, True),
    ],
)
def test_an_agent_is_known_by_its_name(agent: str, reader: str, automatic: bool) -> None:
    found = reader_of(Request("GET", agent))
    assert (found, found.automatic) == (reader, automatic)


def test_head_is_no_persons_request() -> None:
    assert reader_of(Request("HEAD", CHROME)) is Reader.PROBE
    assert Reader.PROBE.automatic


@pytest.mark.parametrize("purpose", ["prefetch", "prefetch;prerender", "preview", "Prefetch"])
def test_a_prefetch_that_says_so(purpose: str) -> None:
    assert reader_of(Request("GET", CHROME, purpose)) is Reader.PREFETCH
    assert Reader.PREFETCH.automatic


@given(st.text(), st.text(), st.text())
def test_any_request_has_a_reader(method: str, agent: str, purpose: str) -> None:
    assert isinstance(reader_of(Request(method, agent, purpose)), Reader)


def _event(seconds: float, *, automatic: bool = False) -> TrackingEvent:
    sub_type = Reader.SCANNER if automatic else Reader.PERSON
    return TrackingEvent("1", EventKind.CLICK, NOW + timedelta(seconds=seconds), sub_type=sub_type, automatic=automatic)


@pytest.mark.parametrize(("seconds", "reader"), [(-1, "too_soon"), (0, "too_soon"), (4.9, "too_soon"), (5, "person")])
def test_who_is_quicker_than_a_person_is_none(seconds: float, reader: str) -> None:
    event = hastened(_event(seconds), NOW)
    assert event.sub_type == reader
    assert event.automatic is (reader == "too_soon")


def test_a_known_machine_stays_what_it_is_known_by() -> None:
    assert hastened(_event(0, automatic=True), NOW).sub_type == Reader.SCANNER


def test_how_soon_is_too_soon_is_the_callers_word() -> None:
    assert hastened(_event(7), NOW, timedelta(seconds=8)).automatic
    assert not hastened(_event(7), NOW, timedelta(seconds=7)).automatic
