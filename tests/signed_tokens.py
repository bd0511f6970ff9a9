"""Tokens as proxies sign them, with keys that are made for each run."""

import base64
import json
import time
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

ISSUER = "https://login.example.com"
KEY = ec.generate_private_key(ec.SECP256R1())
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    kind, form = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return key.public_key().public_bytes(kind, form)


def claims(**more: Any) -> dict[str, Any]:
    return {"sub": "8f1c", "email": "anna@bank.example", "iss": ISSUER, "exp": int(time.time()) + 120, **more}


def padded(header: dict[str, Any], payload: dict[str, Any], key: ec.EllipticCurvePrivateKey = KEY) -> str:
    """A token as AWS's load balancer makes it: base64url with its padding, which the signature covers."""
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()) for part in (header, payload)]
    signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(b".".join(parts), key)
    return b".".join([*parts, base64.urlsafe_b64encode(signature)]).decode()


def jwks(*keys: tuple[str, Any]) -> bytes:
    found = []
    for kid, key in keys:
        of = jwt.algorithms.RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else jwt.algorithms.ECAlgorithm
        found.append({**json.loads(of.to_jwk(key.public_key())), "kid": kid, "use": "sig"})
    return json.dumps({"keys": found}).encode()
