"""The claims of a token, as the common issuers write them (RFC 7519, RFC 9068).

``.github/docs/tokens.md`` has the settings for each issuer, and links to their documentation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Claims = Mapping[str, Any]

_HEADER_TYPES = frozenset({"jwt", "at+jwt"})
_ACCESS, _ID = "access", "id"
_USES = {
    "bearer": _ACCESS,
    "access": _ACCESS,
    "access_token": _ACCESS,
    "at+jwt": _ACCESS,
    "jwt": None,
    "id": _ID,
}
"""Uses of tokens by the claims typ (Keycloak) and token_use (Cognito), in lower case."""
_CLIENT_CLAIMS = frozenset({"azp", "appid", "cid", "client_id"})


def is_acceptable(header: Claims, claims: Claims, *, id_tokens: bool) -> bool:
    """Return whether a token is an access token, or an ID token where those are accepted.

    An ID token identifies the signed-in user to a client. It gives no access to other services,
    although some issuers write the same audience into both (RFC 9068, 5; RFC 8725, 2.8). Tokens
    that do not show their use count as access tokens. Logout and other security event tokens are
    never accepted.
    """
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str):
        return False
    kind = kind.lower().removeprefix("application/")
    if kind not in _HEADER_TYPES or "events" in claims:
        return False
    uses = {kind: _USES[kind]}
    for name in ("typ", "token_use"):
        if name in claims:
            value = str(claims[name]).lower()
            if value not in _USES:
                return False
            uses[name] = _USES[value]
    if _ID in uses.values():
        return id_tokens and _ACCESS not in uses.values()
    return _ACCESS in uses.values() or id_tokens or not _looks_like_id_token(claims)


def _looks_like_id_token(claims: Claims) -> bool:
    """Detect an ID token by claims that access tokens lack, or the other way round."""
    if "at_hash" in claims or "c_hash" in claims:
        return True
    # Keycloak before version 25 has the nonce in access tokens, too; those have typ Bearer.
    if "nonce" in claims and "scope" not in claims and "scp" not in claims:
        return True
    # Entra ID and Okta have ver in both kinds, but the client in access tokens only.
    by_entra_or_okta = "ver" in claims and ("tid" in claims or "idp" in claims)
    return by_entra_or_okta and _CLIENT_CLAIMS.isdisjoint(claims)


def audience_of(claims: Claims) -> Any:
    """Return the audience of a token.

    Access tokens of Cognito have no aud. They name the client that they were issued to, which is
    the aud of its ID tokens.
    """
    if "aud" not in claims and claims.get("token_use") == "access":
        return claims.get("client_id")
    return claims.get("aud")


def roles_of(claims: Claims, path: str) -> Iterator[str]:
    """Yield the values of the claim at ``path``, whether it is a list, a text or an object.

    A text separates its values by spaces. Zitadel has an object whose keys are the role names.
    """
    if path == "email" and str(claims.get("email_verified")).lower() != "true":
        return
    found = _find(claims, path)
    match found:
        case str():
            yield from found.split(" ")
        case list():
            yield from (value for value in found if isinstance(value, str))
        case dict():
            yield from (role for role, value in found.items() if _are_organisations(value))


def _are_organisations(value: object) -> bool:
    """Return whether a value has Zitadel's form for a role: domains by organisation."""
    return (
        isinstance(value, dict)
        and bool(value)
        and all(isinstance(domain, str) for domain in value.values())
    )


def _find(claims: Any, path: str) -> Any:
    """Return the claim at a dotted path, or None; the names of claims may contain dots themselves.

    For example, ``https://acme.example/claims.roles`` is that claim, or else the claim ``roles``
    in ``https://acme.example/claims``.
    """
    if not isinstance(claims, dict):
        return None
    if path in claims:
        return claims[path]
    for end, character in enumerate(path):
        if character == "." and path[:end] in claims:
            found = _find(claims[path[:end]], path[end + 1 :])
            if found is not None:
                return found
    return None
