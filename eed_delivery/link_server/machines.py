"""Who asked for a picture or a link, a person or a machine on the way to one.

No method is certain. Some machines name themselves, and machines are quick. So an event says
by what it was recognised, and `automatic` only where a machine asks whether or not a person reads. What is examined:

- Apple's Mail Privacy Protection loads every picture when the email arrives, with the agent `Mozilla/5.0` and no more
  (https://help.socketlabs.com/docs/identifying-apple-mpp-opens-in-notification-api-events).
- Gmail loads pictures for the reader when the email is opened (`GoogleImageProxy`), which is an open, and its caches
  hide later ones. Sometimes it does so at arrival, with the agent of an Edge that is long obsolete
  (https://www.gmass.co/blog/false-opens-in-gmail/).
- Yahoo's proxy (https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html) is taken as Gmail's.
- Scanners of links: those that give their name (Barracuda, Proofpoint, Mimecast and others), Office's own probes, and
  programs. So are requests without an agent, HEAD, which no person sends, and requests that call themselves a prefetch.
- A client that follows three links of one email within seconds (`all_links`).
- A request within seconds of the email's acceptance (`hastened`). SafeLinks and most other scanners call themselves
  Chrome and cannot be known by anything else. We keep no IP addresses, because they are personal data.
"""

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from eed_delivery.events import TrackingEvent


class Reader(StrEnum):
    """Who asked, as far as it is known. This is the `sub_type` of opens and clicks."""

    PERSON = "person"
    GOOGLE_PROXY = "google_proxy"
    YAHOO_PROXY = "yahoo_proxy"
    APPLE_PRIVACY = "apple_privacy"
    GOOGLE_PREFETCH = "google_prefetch"
    PREFETCH = "prefetch"
    SCANNER = "scanner"
    PROGRAM = "program"
    PROBE = "probe"
    NAMELESS = "nameless"
    TOO_SOON = "too_soon"
    ALL_LINKS = "all_links"

    @property
    def automatic(self) -> bool:
        """Whether it asks without a person. The two proxies ask when a person opens the email."""
        return self not in {Reader.PERSON, Reader.GOOGLE_PROXY, Reader.YAHOO_PROXY}


@dataclass(frozen=True, slots=True)
class Request:
    """What is examined of an HTTP request. `purpose` is of the headers Sec-Purpose, Purpose, X-Purpose and X-Moz."""

    method: str
    agent: str
    purpose: str = ""


SOON = timedelta(seconds=5)
"""Quicker than a person reads: scanners follow links within seconds of delivery."""

_APPLE = "Mozilla/5.0"
_GOOGLE_PREFETCH = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0"
)
_EXACT = {
    "": Reader.NAMELESS,
    "-": Reader.NAMELESS,
    _APPLE: Reader.APPLE_PRIVACY,
    _GOOGLE_PREFETCH: Reader.GOOGLE_PREFETCH,
}
_PROXIES = (
    (re.compile(r"\bGoogleImageProxy\b"), Reader.GOOGLE_PROXY),
    (re.compile(r"\bYahooMailProxy\b"), Reader.YAHOO_PROXY),
)
# In what calls itself a browser, or by a name of its own. What they are: their makers' pages, and the lists of
# https://github.com/monperrus/crawler-user-agents and https://github.com/matomo-org/device-detector.
_SCANNERS = re.compile(
    # gateways and services that open links before a person may
    r"barracuda|proofpoint|mimecast|ironport|ciscosecureemail|fireeye|trellix|fortimail|fortiguard|forcepoint|symantec"
    r"|messagelabs|sophos|trend ?micro|\btmes\b|checkpoint|safelinks|virustotal|urlscan|zscaler|netcraft|brightcloud"
    r"|webroot|expanse|palo ?alto|censys|cyren|vade ?secure|vaderetro|hornetsecurity|retarus|trustwave|cloudmark"
    r"|bitdefender|kaspersky|\beset\b|phishtank|safe ?browsing|mailguard|spamexpert|rspamd|nessus|qualys|zgrab|nmap"
    r"|masscan|shodan|l9explore|shadowserver|leakix|internet-?measurement|detectify|sucuri"
    # previews that a chat, a network or an office program makes of a link
    r"|microsoft office (?:existence|protocol) discovery|bingpreview|skypeuripreview|facebookexternalhit"
    r"|facebookcatalog"
    r"|meta-externala|facebot|whatsapp/|slack-imgproxy|slack/|pinterest/0|vkshare|viber/|line-poker|kakaotalk-scrap"
    r"|embedly|iframely|mastodon/|tumblr/|flipboardproxy|google web preview|googledocs|google-safety|google-read-aloud"
    r"|googleother|google-inspectiontool|google favicon|google-http-java|feedfetcher|mediapartners|apis-google"
    r"|appengine-google|google-cloud|google-extended|googleproducer|google-site-verification|chrome-lighthouse"
    r"|duplexweb"
    r"|google-adwords|google-xrawler|google page speed|google-publisher|google-structured|google-apps-script"
    r"|amazon cloudfront|amazon-route53|elb-healthchecker|cloudflare|akamai|pingdom|uptime|site24x7|newrelic|datadog"
    r"|yahoo! slurp|yandex(?:images|direct|metrika|favicons|pagechecker)|bytespider|chatgpt-user|claude-|perplexity"
    r"|ia_archiver|archive\.org|heritrix|nutch|scrapy|validator|link ?check|urlcheck|http ?unit|web-?monitor"
    # what they are, in their own words
    r"|(?:(?<!cu)bot|crawl(?:er|ing)?|spider|scanner|scrap(?:er|y)|fetcher|checker|monitor(?:ing)?|archiver|indexer"
    r"|prerender|preview|unfurl\w*|favicon)\b|(?<![a-z])bot[-_/]|(?<![a-z])agent\b|\bgoogle-[a-z]"
    r"|google search console|googleagent|\bptst/|scan/|verify/"
    # robots say where their page or their master is, and people's programs do not
    r"|[+(;] ?https?://|\+ ?[\w.-]{1,60}@|\bhttps?://[^ ]{1,80}bot",
    re.IGNORECASE,
)
_STEERED = re.compile(
    r"headless|phantomjs|slimerjs|jsdom|selenium|puppeteer|playwright|cypress/|httpclient|winhttp|python|anyevent"
    r"|\(java\)",
    re.IGNORECASE,
)
"""Browsers that a program steers, and programs that call themselves one."""
# `Mozilla/5.0 (compatible; Name)`, and no system of a person's: a robot that names itself, whatever the name.
_COMPATIBLE = re.compile(r"mozilla/[45]\.0 \((?:x11; )?compatible[;,)]", re.IGNORECASE)
_OLD_BROWSERS = re.compile(r"msie|trident|konqueror|ms-?office|lotus-notes|outlook|omniweb|icab|webtv", re.IGNORECASE)
_SYSTEMS = re.compile(
    r"win(?:dows|nt|98|95|32|64)|macintosh|mac os|x11|linux|unix|iphone|ipad|ipod|android|cros|symbian|series ?60"
    r"|nokia|blackberry"
    r"|playbook|bb10|webos|tizen|nintendo|playstation|xbox|meego|maemo|bsd|sunos|kaios|mobile|tv|os/2|beos|haiku|amiga"
    r"|msie|ms-office|lotus|watch|tablet|palm",
    re.IGNORECASE,
)
# How browsers and mail programs begin, and how the apps of a phone go on: whatever does otherwise is a program.
_PEOPLES = re.compile(
    r"\s*(?:mozilla/[45]\.0 [^ ]|opera[ /]|dalvik/|[\w.%-]{0,30}(?:mail|browser)(?:app|bar|pro)?[\w.%-]{0,10}[ /]"
    r"|[^()]{1,80}\((?:iphone|ipad|ipod|android|macintosh|windows nt|windows phone|linux; (?:u; )?android|x11)"
    r"|microsoft ?office|ms-?office|mac_?outlook|microsoft ?outlook|outlook|office/"
    r"|thunderbird|apple ?mail|mail/|icloud|mobilemail|com\.apple\.|iphone|ipad|ipod|ios/"
    r"|lotus|hcl|evolution|kmail|claws|sylpheed|the ?bat|barca|postbox|airmail|spark|em ?client|mailbird|foxmail"
    r"|incredimail"
    r"|windows-?live|windowsmail|eudora|sparrow|canary|newton|edison|polymail|superhuman|hiri|mailspring|becky"
    r"|spicebird"
    r"|blackberry|bb10|nokia|samsung|sonyericsson|lg[-/]|htc[-_/]|huawei|zte|alcatel|symbian|palm|uc ?web"
    r"|ucbrowser|docomo"
    r"|kddi|yahoo ?mobile|yahoo ?mail|gmail|aquamail|k-9|bluemail|nine/|typeapp|proton|tutanota|fairemail|mailmaster"
    r"|lynx/|e?links|w3m/|konqueror|netscape|dillo|emacs|galeon"
    r"|[^()]{1,80} cfnetwork/)",
    re.IGNORECASE,
)
MAX_AGENT = 500
"""Characters of an agent that are examined."""
_PREFETCH = re.compile(r"\b(?:prefetch|preview|prerender)\b", re.IGNORECASE)


def reader_of(request: Request) -> Reader:
    """Who asked."""
    if request.method == "HEAD":
        return Reader.PROBE
    agent = request.agent[:MAX_AGENT].strip()
    if agent in _EXACT:
        return _EXACT[agent]
    for pattern, reader in _PROXIES:
        if pattern.search(agent):
            return reader
    if _STEERED.search(agent):
        return Reader.PROGRAM
    if _SCANNERS.search(agent) or (_COMPATIBLE.match(agent) and not _OLD_BROWSERS.search(agent)):
        return Reader.SCANNER
    if not _PEOPLES.match(agent) or not (_SYSTEMS.search(agent) or not agent.startswith("Mozilla/")):
        return Reader.PROGRAM
    return Reader.PREFETCH if _PREFETCH.search(request.purpose) else Reader.PERSON


def hastened(event: TrackingEvent, accepted_at: datetime, soon: timedelta = SOON) -> TrackingEvent:
    """The event, marked as a machine's if it came within `soon` of the mail server's acceptance (or before we knew).

    For the ledger, which knows when that was. One that is known for a machine's keeps what it is known by.
    """
    if event.automatic or event.occurred_at - accepted_at >= soon:
        return event
    return replace(event, sub_type=Reader.TOO_SOON, automatic=True)
