"""Verifying tokens in tests."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.callers.errors import (
    UnauthenticatedError,
    rejected_credential,
)
from gateway.callers.issuer_keys import IssuerKeys
from gateway.callers.tokens import TokenVerifier
from tests.callers.issuer import (
    NOW,
    RSA,
    Clock,
    Issuer,
    jwt_settings,
)

REFUSED = str(rejected_credential())


def verifier(issuer: Issuer | None = None, now: float = NOW, **changes: Any) -> TokenVerifier:
    keys = IssuerKeys((issuer or Issuer(RSA)).fetch, Clock())
    return TokenVerifier(jwt_settings(**changes), keys, Clock(now))


async def accept(text: str, verifier: TokenVerifier) -> None:
    assert (await verifier.verify(text)).name == "ada"


async def refuse(text: str, verifier: TokenVerifier) -> None:
    """Check that a token is refused, and that the error does not reveal the reason."""
    with pytest.raises(UnauthenticatedError) as caught:
        await verifier.verify(text)
    assert type(caught.value) is UnauthenticatedError
    assert str(caught.value) == REFUSED
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
