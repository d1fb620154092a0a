"""Secrets and e-mail addresses in the simulated webhooks, which the gateway has to mask."""

from __future__ import annotations

import base64
import string
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

_LETTERS = string.ascii_letters + string.digits

_SECRETS = {
    "userinfo_password": 20,
    "git_password": 22,
    "webhook_password": 18,
    "query_token": 32,
    "query_signature": 40,
    "query_key": 28,
    "query_api_key": 36,
    "slack_path": 24,
    "telegram_token": 35,
    "body_password": 16,
    "body_secret": 30,
    "client_secret": 34,
    "bearer": 44,
    "echoed_bearer": 42,
    "cookie": 38,
    "response_cookie": 38,
    "api_key": 33,
    "response_api_key": 33,
    "header_signature": 48,
    "hub_signature": 46,
    "orders_secret_key": 26,
    "catalog_secret_key": 26,
    "accounts_secret_key": 26,
    "payments_secret_key": 26,
    "aws_secret_access_key": 40,
}
"""The lengths of the secrets in characters, by name."""

_PEOPLE = {
    "author_mail": "ada.moreau@kestrel.example",
    "reviewer_mail": "tomas.lindqvist@kestrel.example",
    "operator_mail": "wei.zhang@vigil.test",
    "assignee_mail": "olga.smirnova@parley.test",
    "translator_mail": "ines.carvalho@blueharbor.test",
    "linguist_mail": "jonas.weber@blueharbor.test",
    "customer_mail": "priya.raman@shopper.example",
    "buyer_mail": "lucas.dubois@shopper.example",
}


def plant(random: Random) -> dict[str, str]:
    """Return the secrets and addresses by name. No value is contained in another."""
    secrets = {name: _text(random, length) for name, length in _SECRETS.items()}
    secrets |= {f"{name}_jwt": _jwt(random) for name in ("response", "data", "log")}
    for name, address in _PEOPLE.items():
        person, host = address.split("@")
        secrets[name] = f"{person}.{random.randrange(0x1000, 0xFFFF):x}@{host}"
    return secrets


def _text(random: Random, length: int) -> str:
    return "".join(random.choices(_LETTERS, k=length))


def _jwt(random: Random) -> str:
    header = b'{"alg":"HS256","typ":"JWT"}'
    claims = b'{"sub":"svc-%d","scope":"deliver"}' % random.randrange(10**6)
    parts = (header, claims, random.randbytes(32))
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)
