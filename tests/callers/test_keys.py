"""Creating, hashing and finding API keys."""

from __future__ import annotations

import hashlib
import hmac
import re
import tomllib

import pytest

from gateway.callers.caller import Caller, Grant, Method, Role
from gateway.callers.keys import KeyRing, create, hash_of
from gateway.config.auth import AuthSettings, KeySettings
from gateway.errors import ConfigurationError


def test_new_key_and_its_table() -> None:
    key, table = create("grafana", "reader", ["shop", "hub"])
    assert re.fullmatch(r"wlg_[0-9a-f]{8}_[A-Za-z0-9_-]{43}", key)
    digest = hashlib.sha256(key.encode()).hexdigest()
    assert table.splitlines() == [
        "[[auth.keys]]",
        'name = "grafana"',
        f'hash = "sha256:{digest}"',
        'role = "reader"',
        'sources = ["shop", "hub"]',
    ]


def test_table_can_be_loaded() -> None:
    (key, first), (_, second) = create("a", "admin"), create("b", "viewer", ["shop"])
    document = tomllib.loads(f'[auth]\nmethods = ["api-keys"]\n{first}\n{second}\n')
    settings = AuthSettings.model_validate(document["auth"])
    found = KeyRing(settings.keys).find(key)
    assert found == Caller("a", Method.API_KEYS, (Grant(Role.ADMIN),))


def test_keys_are_unique() -> None:
    keys = [create("a", "admin")[0] for _ in range(50)]
    assert len({key[4:12] for key in keys}) == len({key[13:] for key in keys}) == 50


@pytest.mark.parametrize(
    ("name", "role", "sources", "complaint"),
    [
        ("Grafana", "reader", [], "name must be 1 to 63 lower-case letters"),
        ('a"\nrole = "admin', "reader", [], "name must be 1 to 63 lower-case letters"),
        ("a", "root", [], 'role must be "viewer", "reader", "operator" or "admin"'),
        ("a", "reader", ["Shop"], "sources[0]: must be 1 to 63 lower-case letters"),
        ("a", "reader", ["shop", "shop"], "sources holds the same entry twice"),
    ],
)
def test_invalid_table(name: str, role: str, sources: list[str], complaint: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        create(name, role, sources)
    (problem,) = caught.value.problems
    assert problem.startswith(f"the key: {complaint}")


def ring(*keys: str) -> list[KeySettings]:
    return [
        KeySettings(name=f"key-{index}", hash=hash_of(key), role="reader")
        for index, key in enumerate(keys)
    ]


def test_two_keys_with_different_grants() -> None:
    keys = KeyRing(
        [
            KeySettings(name="grafana", hash=hash_of("first"), role="reader", sources=("shop",)),
            KeySettings(name="script", hash=hash_of("second"), role="admin"),
        ]
    )
    limited = Grant(Role.READER, frozenset({"shop"}))
    assert keys.find("first") == Caller("grafana", Method.API_KEYS, (limited,))
    assert keys.find("second") == Caller("script", Method.API_KEYS, (Grant(Role.ADMIN),))


def test_wrong_keys() -> None:
    key, _ = create("a", "admin")
    keys = KeyRing(ring(key))
    wrong = ["", "wlg_", key[:12], key[:13], key[:-1], key + "A", key.upper(), f" {key}", "é"]
    wrong += [hash_of(key), hash_of(key).removeprefix("sha256:"), f"{key}\x00"]
    assert [keys.find(text) for text in wrong] == [None] * len(wrong)
    assert KeyRing([]).find(key) is None


@pytest.mark.parametrize(("key", "name"), [("a", "key-0"), ("c", "key-2"), ("none", None)])
def test_all_keys_are_compared_whichever_matches(key: str, name: str | None) -> None:
    compared = []

    def compare(known: str, presented: str) -> bool:
        compared.append((known, presented))
        return hmac.compare_digest(known, presented)

    found = KeyRing(ring("a", "b", "c"), compare).find(key)
    assert compared == [(hash_of(known), hash_of(key)) for known in "abc"]
    assert (found.name if found else None) == name
