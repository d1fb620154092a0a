"""Secrets stay out of reprs, dumps and messages."""

from __future__ import annotations

import certifi
import pytest
from pydantic import SecretStr, ValidationError

from gateway.vendors.codearts.settings import CodeArtsToken
from tests.config.documents import EXAMPLE, problems, read


def test_secrets_are_not_printed() -> None:
    settings = read(EXAMPLE.replace("/etc/ssl/controller.pem", certifi.where()))
    auths = [source.auth for source in settings.sources]
    shown = [
        repr(settings),
        str(settings),
        str(settings.model_dump()),
        settings.model_dump_json(),
        str(auths),
        "\n".join(problems(EXAMPLE, GATEWAY_SERVER__PORT="http")),
    ]
    for text in shown:
        assert "pla1nted" not in text
    assert isinstance(auths[0], CodeArtsToken)
    assert auths[0].token.get_secret_value() == "pla1nted-codearts"


@pytest.mark.parametrize("value", ["", "pla1nted\n", "pla1nted пароль", "pla1nted\udcff"])
def test_code_cannot_pass_an_invalid_secret(value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CodeArtsToken(type="token", token=SecretStr(value))
    assert "pla1nted" not in str(caught.value)


def test_code_cannot_pass_a_reference() -> None:
    with pytest.raises(ValidationError, match="names an environment variable PATH that is not set"):
        CodeArtsToken.model_validate({"type": "token", "token": {"env": "PATH"}})
