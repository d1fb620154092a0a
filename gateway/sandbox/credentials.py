"""The credentials that the simulated vendors accept."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import msgspec

from gateway.sandbox.app_key import PRIVATE_KEY

if TYPE_CHECKING:
    from collections.abc import Callable


class Credentials(msgspec.Struct, frozen=True, kw_only=True):
    """Fixed credentials, and those that are exchanged for tokens."""

    codearts_token: str = "MIIPAgYJKoZIhvcNAQcCoIIO8zCCDu8CAQExDTALBglghkgBZQMEAgEwggzQBgkqhkiG-Kq7"
    iam_user: str = "svc-webhook-log"
    iam_password: str = "qV7-tern-Lattice-40"
    iam_domain: str = "kestrel-cn"
    iam_project: str = "cn-north-4"
    tracker_oauth_token: str = "y0_AgAAAABkq7ZpAAhX3wAAAADn5Lw2RbYtQ0sWcVh1JpXzKd8uMfEoGiA"
    yandex_passport_token: str = "y0_AgAAAAD1m4NvAATuwQAAAADsT9cJxE7rBnGyLq2HkPfVzWaUo5iMdSg"
    language_weaver_key: str = "u_gateway@blueharbor.example_k3ZqVtYc8XwN"
    language_weaver_username: str = "gateway@blueharbor.example"
    language_weaver_password: str = "oat-Harbour-77-sail"
    elastic_path_client_id: str = "nKx4WvUq0ZtLr8YbMc2HsDfJg6PaEi9oTy1QwRu5Xe"
    elastic_path_client_secret: str = "Gz7TbNq3VxLk9RfWm1HcPd5YsJu8EaKo0ZiXt4Qw6B"
    github_token: str = "ghp_Vt7mQzL2xRwK9bYcN4sHdJ8fEuGaPo3Xi5Ty"
    github_app_id: str = "1287734"
    github_app_key: str = PRIVATE_KEY
    gitlab_token: str = "glpat-Wm4ZxQ7nRt2KvLb9YcHs"
    svix_token: str = "testsk_pR3vXw8LzQ1nKt6YbM4cHs9D.eu"
    hookdeck_key: str = "1kq8Zr5TnW2yXc7VbL0mJp4Gs9HdFe3Au6Ri"


class Tokens:
    """The tokens that one vendor has issued; ``lifetime`` is in seconds."""

    def __init__(self, prefix: str, size: int, lifetime: float, clock: Callable[[], float]) -> None:
        self._prefix = prefix
        self._size = size
        self._lifetime = lifetime
        self._clock = clock
        self._expiries: dict[str, float] = {}
        self._count = 0

    def issue(self) -> tuple[str, float, float]:
        """Return a new token with the times of its issue and expiry in epoch seconds."""
        self._count += 1
        noise = hashlib.shake_256(f"{self._prefix}{self._count}".encode()).digest(self._size)
        token = self._prefix + base64.urlsafe_b64encode(noise).decode().rstrip("=")
        now = self._clock()
        self._expiries[token] = now + self._lifetime
        return token, now, now + self._lifetime

    def accepts(self, token: str) -> bool:
        """Return whether the token was issued here and has not expired."""
        return self._clock() < self._expiries.get(token, 0)

    def forget(self) -> None:
        """Revoke all tokens."""
        self._expiries.clear()
