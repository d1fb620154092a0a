"""The configuration names repositories and organizations, or an app with its key."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import RSAKey
from pydantic import SecretStr, ValidationError

from gateway.vendors.github.settings import GitHubSettings

KEY = SecretStr(RSAKey.generate_key(2048).as_pem(private=True).decode())
TOKEN = {"type": "token", "token": SecretStr("ghp_token")}
APP = {"type": "app", "app_id": "1234", "private_key": KEY}
PASSED = {"type": "pass-through", "header": "X-GitHub-Token"}
SHOP = {"repositories": ["acme/shop"]}


def read(**values: Any) -> GitHubSettings:
    return GitHubSettings.model_validate({"name": "github", "provider": "github", **values})


def complaint(**values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        read(**values)
    (error,) = caught.value.errors(include_url=False)
    return str(error.get("ctx", {}).get("error") or error["msg"])


@pytest.mark.parametrize(
    "values",
    [
        {**SHOP, "auth": TOKEN},
        {"organizations": ["acme"], "auth": TOKEN},
        {**SHOP, "organizations": ["acme"], "hooks": [12345678], "auth": PASSED},
        {"app": True, "auth": APP},
        {"app": True, "auth": PASSED},
        {"app": True, "auth": APP | {"app_id": "Iv1.8a61f9b3a7aba766"}},
        {"repositories": ["acme/.github", "octo_corp/a..b", "a/b"], "auth": TOKEN},
    ],
)
def test_settings_that_fit(values: dict[str, Any]) -> None:
    settings = read(**values)
    assert settings.base_url == "https://api.github.com"


def test_enterprise_server_has_its_own_address() -> None:
    settings = read(**SHOP, auth=TOKEN, base_url="https://github.example.com/api/v3/")
    assert settings.base_url == "https://github.example.com/api/v3"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"auth": TOKEN}, "is missing: give repositories, organizations or app"),
        ({"hooks": [1], "auth": TOKEN}, "is missing: give repositories, organizations or app"),
        (
            {**SHOP, "app": True, "auth": APP},
            "can't stand beside repositories, organizations or hooks, which an app's credential"
            " does not give access to: make it another source",
        ),
        ({"app": True, "auth": TOKEN}, 'must be of type "app" for the webhook of an app'),
        (
            {**SHOP, "auth": APP},
            'of type "app" gives access to the webhook of the app alone: app = true',
        ),
    ],
)
def test_mistakes_are_told(values: dict[str, Any], words: str) -> None:
    assert complaint(**values) == words


@pytest.mark.parametrize(
    "name", ["", "shop", "acme/", "/shop", "acme/shop/x", "acme/..", "acme/.", "../shop", "a c/s"]
)
def test_names_that_lead_to_other_paths_are_refused(name: str) -> None:
    assert "String should match pattern" in complaint(repositories=[name], auth=TOKEN)
