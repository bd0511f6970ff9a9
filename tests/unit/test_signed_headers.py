"""A proxy's signed header: what counts, and each way in which a token does not."""

import base64
import json
import threading
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from eed_delivery.access.rights import OperatorRole, Right
from eed_delivery.access.signed_headers import NotSigned, SignedHeader
from eed_delivery.access.signing_keys import AGAIN_SECONDS, JwksKeys, NoKey, PemKeys
from eed_delivery.config import GrantSettings, SignOnSettings
from tests.signed_tokens import ISSUER, KEY, RSA_KEY, claims, jwks, padded, pem

ARN = "arn:aws:elasticloadbalancing:us-east-2:123456789012:loadbalancer/app/mail-ops/0123456789abcdef"
KID = "8f1c2d3e-0000-4000-8000-0123456789ab"
PEOPLE = {
    "8f1c": GrantSettings(role="admin"),
    "77aa": GrantSettings(role="operator", rights=("see_recipients",)),
}
GROUPS = {"night": GrantSettings(role="operator"), "audit": GrantSettings(role="auditor")}
ALB = SignOnSettings(kind="alb", signer=ARN, client="mail-ops", issuer=ISSUER, people=PEOPLE, groups=GROUPS)
JWKS = SignOnSettings(
    kind="jwks", header="Cf-Access-Jwt-Assertion", issuer=ISSUER, audience="mail-ops",
    keys_url="https://login.example.com/jwks.json", people=PEOPLE, groups=GROUPS,
)  # fmt: skip
OTHER_KEY = ec.generate_private_key(ec.SECP256R1())
HEADER = {"alg": "ES256", "typ": "JWT", "kid": KID, "signer": ARN, "client": "mail-ops", "iss": ISSUER, "exp": 1}


class Fetched:
    """The addresses that were fetched, and what is there."""

    def __init__(self, **pages: bytes) -> None:
        self.pages = pages
        self.asked: list[str] = []

    def __call__(self, url: str) -> bytes:
        self.asked.append(url)
        found = self.pages.get(url.rpartition("/")[2])
        if found is None:
            raise OSError("404")
        return found


def alb(fetch: Fetched) -> SignedHeader:
    return SignedHeader(ALB, PemKeys("https://public-keys.example.com", fetch))


def test_a_padded_token_of_the_load_balancer_counts() -> None:
    """PyJWT 2.14.0 and 2.15.0 refuse these."""
    fetch = Fetched(**{KID: pem(KEY)})
    signed = alb(fetch)
    for payload in (claims(), claims(padding="x"), claims(padding="xy"), claims(padding="xyz")):
        token = padded(HEADER, payload)
        person = signed.person(token)
        assert (person.subject, person.name) == ("8f1c", "anna@bank.example")
        assert person.granted is not None
        assert person.granted.role is OperatorRole.ADMIN
    assert any("=" in padded(HEADER, claims(padding=x)) for x in ("", "x", "xy"))
    assert fetch.asked == [f"https://public-keys.example.com/{KID}"], "a key is fetched once"


ALB_FORGERIES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another load balancer": ({"signer": ARN.replace("123456789012", "999999999999")}, {}),
    "no signer": ({"signer": None}, {}),
    "another client": ({"client": "other"}, {}),
    "another issuer in the header": ({"iss": "https://evil.example"}, {}),
    "another issuer": ({}, {"iss": "https://evil.example"}),
    "expired": ({}, {"exp": 1}),
    "no end": ({}, {"exp": None}),
    "no subject": ({}, {"sub": None}),
    "an empty subject": ({}, {"sub": ""}),
    "a subject that is a number": ({}, {"sub": 7}),
    "a subject that approvals would cut": ({}, {"sub": "a" * 256}),
    "a path in the kid": ({"kid": "../../evil"}, {}),
    "an address in the kid": ({"kid": "https://evil.example/key"}, {}),
    "a kid behind a UUID": ({"kid": f"{KID}/../x"}, {}),
    "no kid": ({"kid": None}, {}),
    "a kid that is no text": ({"kid": 7}, {}),
    "no algorithm": ({"alg": "none"}, {}),
    "a symmetric algorithm": ({"alg": "HS256"}, {}),
    "another algorithm": ({"alg": "RS256"}, {}),
}


@pytest.mark.parametrize("forgery", ALB_FORGERIES)
def test_a_forged_token_of_a_load_balancer_is_refused(forgery: str) -> None:
    more, payload = ALB_FORGERIES[forgery]
    header = {name: value for name, value in {**HEADER, **more}.items() if value is not None}
    body = {name: value for name, value in claims(**payload).items() if value is not None}
    fetch = Fetched(**{KID: pem(KEY)})
    with pytest.raises(NotSigned):
        alb(fetch).person(padded(header, body))
    assert all(url.endswith(KID) for url in fetch.asked), "no other address is asked"


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "e30.e30.", "x" * 20_000, "eyJhbGciOiJFUzI1NiJ9.e30.c2ln"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(NotSigned):
        alb(Fetched()).person(token)


def test_a_token_signed_by_another_key_is_refused() -> None:
    signed = alb(Fetched(**{KID: pem(KEY)}))
    with pytest.raises(NotSigned):
        signed.person(padded(HEADER, claims(), OTHER_KEY))
    whole = padded(HEADER, claims())
    head, _, signature = whole.split(".")
    body = base64.urlsafe_b64encode(json.dumps(claims(sub="77aa")).encode()).decode()
    with pytest.raises(NotSigned):
        signed.person(f"{head}.{body}.{signature}")


def test_a_key_that_cannot_be_had_is_asked_for_again_a_little_later() -> None:
    now = [0.0]
    fetch = Fetched()
    keys = PemKeys("https://keys.example.com", fetch, lambda: now[0])
    for _ in range(3):
        with pytest.raises(NoKey):
            keys.key(KID)
    assert len(fetch.asked) == 1
    fetch.pages[KID] = pem(KEY)
    now[0] = AGAIN_SECONDS + 1
    assert keys.key(KID) is not None


@pytest.mark.parametrize("kind", ["pem", "jwks"])
def test_a_slow_fetch_of_one_key_keeps_nobody_waiting_whose_key_is_there(kind: str) -> None:
    fetching, answer = threading.Event(), threading.Event()
    slow = Fetched(**{KID: pem(KEY), "jwks.json": jwks((KID, KEY))})

    def fetch(url: str) -> bytes:
        if now[0]:
            fetching.set()
            assert answer.wait(60)
        return slow(url)

    now = [0.0]
    keys: PemKeys | JwksKeys = PemKeys("https://keys.example.com", fetch, lambda: now[0])
    if kind == "jwks":
        keys = JwksKeys("https://keys.example.com/jwks.json", fetch, lambda: now[0])
    assert keys.key(KID) is not None
    now[0] = AGAIN_SECONDS + 1

    def ask_for_another() -> None:
        with pytest.raises(NoKey):
            keys.key("another")

    other = threading.Thread(target=ask_for_another, daemon=True)
    other.start()
    assert fetching.wait(60)
    assert keys.key(KID) is not None
    assert not answer.is_set()
    answer.set()
    other.join(60)


def of_proxy(fetch: Fetched) -> SignedHeader:
    return SignedHeader(JWKS, JwksKeys("https://login.example.com/jwks.json", fetch))


def test_a_token_of_another_proxy_counts_by_its_set_of_keys() -> None:
    signed = of_proxy(Fetched(**{"jwks.json": jwks(("one", KEY), ("two", RSA_KEY))}))
    for kid, key, algorithm in (("one", KEY, "ES256"), ("two", RSA_KEY, "RS256")):
        token = jwt.encode(claims(aud="mail-ops", sub="77aa"), key, algorithm, headers={"kid": kid})
        person = signed.person(token)
        assert person.granted is not None
        assert person.granted.role is OperatorRole.OPERATOR
        assert Right.SEE_RECIPIENTS in person.granted.rights


@pytest.mark.parametrize(
    "payload", [{"aud": "other"}, {"aud": None}, {"iss": "https://evil.example"}, {"exp": 1}, {"sub": None}], ids=str
)
def test_a_forged_token_of_another_proxy_is_refused(payload: dict[str, Any]) -> None:
    body = {name: value for name, value in claims(**{"aud": "mail-ops", **payload}).items() if value is not None}
    token = jwt.encode(body, KEY, "ES256", headers={"kid": "one"})
    with pytest.raises(NotSigned):
        of_proxy(Fetched(**{"jwks.json": jwks(("one", KEY))})).person(token)


def test_a_published_key_is_no_shared_secret() -> None:
    secret = pem(KEY)
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"one"}').rstrip(b"=")
    body = base64.urlsafe_b64encode(json.dumps(claims(aud="mail-ops")).encode()).rstrip(b"=")
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(head + b"." + body, secret)
    token = b".".join([head, body, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
    with pytest.raises(NotSigned):
        of_proxy(Fetched(**{"jwks.json": jwks(("one", KEY))})).person(token)


@pytest.mark.parametrize(("algorithm", "kid"), [("RS256", "one"), ("PS256", "one"), ("EdDSA", "one"), ("ES256", "two")])
def test_an_algorithm_of_another_kind_of_key_is_refused(algorithm: str, kid: str) -> None:
    header = {"alg": algorithm, "kid": kid}
    with pytest.raises(NotSigned):
        of_proxy(Fetched(**{"jwks.json": jwks(("one", KEY), ("two", RSA_KEY))})).person(padded(header, claims()))


def test_a_new_key_of_the_set_is_found_but_the_set_is_not_fetched_for_each_invention() -> None:
    now = [0.0]
    fetch = Fetched(**{"jwks.json": jwks(("one", KEY))})
    keys = JwksKeys("https://login.example.com/jwks.json", fetch, lambda: now[0])
    assert keys.key("one") is not None
    for n in range(50):
        with pytest.raises(NoKey):
            keys.key(f"invented-{n}")
    assert len(fetch.asked) == 1
    fetch.pages["jwks.json"] = jwks(("one", KEY), ("two", RSA_KEY))
    now[0] = AGAIN_SECONDS + 1
    assert keys.key("two") is not None
    fetch.pages.clear()
    now[0] = 10 * 3600.0
    assert keys.key("two") is not None, "while the set is away, what is known stays"


@pytest.mark.parametrize(
    ("more", "role"),
    [
        ({"sub": "nobody"}, None),
        ({"sub": "nobody", "groups": ["other", "audit"]}, OperatorRole.AUDITOR),
        ({"sub": "nobody", "groups": ["audit", "night"]}, OperatorRole.OPERATOR),
        ({"sub": "nobody", "groups": "night"}, OperatorRole.OPERATOR),
        ({"sub": "nobody", "groups": {"night": 1}}, None),
        ({"sub": "8f1c", "groups": ["audit"]}, OperatorRole.ADMIN),
    ],
    ids=str,
)
def test_a_role_comes_by_the_subject_else_by_the_first_group_of_the_configuration(
    more: dict[str, Any], role: OperatorRole | None
) -> None:
    person = alb(Fetched(**{KID: pem(KEY)})).person(padded(HEADER, claims(**more)))
    assert (person.granted.role if person.granted else None) == role
