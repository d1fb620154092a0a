"""The case of a vendor that is described, made of its description and its sample documents.

The folder ``samples`` of a described vendor has

- ``list.json``, a page of its list, and ``records.json``, what the rows become,
- ``hooks.json``, ``detail.json``, ``attempts.json`` and ``retry.json``, as far as it has these
  calls,
- ``errors.json``, refusals: their status, body, code and message,
- ``case.json``, which may have ``settings``, the keys of a source; ``sandbox``, those of one at its
  simulator; ``secrets``, which stand in the samples; ``counts_all``, of ``VendorCase``; and what
  becomes of ``detail``, ``attempts`` and ``retry``.
"""

from __future__ import annotations

import base64
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from gateway.sandbox import Sandbox
from gateway.vendors import VENDORS
from gateway.vendors.described.compiled import Compiled
from gateway.vendors.described.parsing import is_id
from gateway.vendors.described.paths import value_at
from gateway.vendors.described.settings import auth_forms
from gateway.vendors.described.vendor import DescribedVendor
from tests.vendors.case import (
    BASE,
    ODD,
    PLAIN,
    SANDBOX,
    SECRET,
    CredentialForm,
    Place,
    Row,
    Settings,
    TokenRequest,
    VendorCase,
)

FOLDER = Path(__file__).parent


def compiled_of(provider: str) -> Compiled:
    """Return the description of a provider."""
    kit = VENDORS[provider]
    assert issubclass(kit, DescribedVendor)
    return kit.compiled


class Samples:
    """The sample documents of a vendor."""

    def __init__(self, provider: str) -> None:
        self._folder = FOLDER / provider.replace("-", "_") / "samples"

    def __contains__(self, name: str) -> bool:
        return (self._folder / f"{name}.json").exists()

    def read(self, name: str, default: Any = None) -> Any:
        """Return a document, or the default if there is none."""
        if name not in self:
            return default
        return json.loads((self._folder / f"{name}.json").read_text(encoding="utf-8"))


def set_at(document: Any, path: str, value: Any) -> Any:
    """Set the value at a path of names and dots; the path ``""`` is the document itself."""
    if not path:
        return value
    *parents, name = path.split(".")
    parent = document
    for step in parents:
        parent = parent.setdefault(step, {})
    parent[name] = value
    return document


def auth_of(form: str, secret: str) -> Settings:
    """Return the settings of a form of authentication."""
    keys: dict[str, Settings] = {
        "basic": {"username": "svc", "password": SecretStr(secret)},
        "client-credentials": {"client_id": SecretStr("cl-1"), "client_secret": SecretStr(secret)},
    }
    return {"auth": {"type": form, **keys.get(form, {"token": SecretStr(secret)})}}


def case_of(provider: str) -> VendorCase:
    """Return the case of a described vendor."""
    compiled, samples = compiled_of(provider), Samples(provider)
    description = compiled.description
    own = samples.read("case", {})
    forms = auth_forms(description.auth)
    settings = {**auth_of(forms[0], "vendor-1"), "rate_limit": 1000, **own.get("settings", {})}
    listed, hooked = description.list, description.hooks
    rows = value_at(listed.items)(samples.read("list"))
    hooks = value_at(hooked.items)(samples.read("hooks")) if hooked else []
    scope = _scope(compiled, settings)
    hook = str(value_at(hooked.id.path[0])(hooks[0])) if hooked and compiled.by_hook else None
    stream = (*scope, *([hook] if hook else []))
    place = (
        *stream,
        *(str(value_at(path)(rows[0])) for path in description.log.place.values()),
        str(value_at(description.log.id.path[0])(rows[0])),
    )
    errors = samples.read("errors")
    triggered_at = description.log.triggered_at
    return VendorCase(
        settings=settings,
        on_sandbox=functools.partial(_on_sandbox, provider, forms[0], own.get("sandbox")),
        named=own.get("sandbox") or {key: settings[key] for key in own.get("settings", {})},
        names_hooks=False,
        stream=compiled.stream(stream, None),
        place=place,
        unknown_id="999999999" if description.log.id.kind == "number" else "unknown-9",
        places_outside=functools.partial(_outside, scope),
        may_be_read=functools.partial(_may_exist, compiled, scope),
        calls_per_log=1 + bool(description.attempts and description.attempts.completes),
        only_single=["duration_ms", "failure"],
        rows=rows,
        log_id=description.log.id.path[0],
        essential=_essential(compiled, rows[0]),
        hooks=hooks,
        hook_id=hooked.id.path[0] if hooked else "id",
        list_path=listed.path.rpartition("/")[2].join(("/", "")),
        log_envelope=listed.items or None,
        hook_envelope=(hooked.items or None) if hooked else None,
        timed=lambda time: set_at({}, triggered_at.path[0] if triggered_at else "time", time),
        streams_by_hook=compiled.by_hook,
        errors=[(it["status"], it["body"], (it["code"], it["message"])) for it in errors],
        error_with=lambda text: _with_text(errors[0]["body"], text),
        credentials={f"{provider} {form}": _credential(compiled, form) for form in forms},
        token_request=_token_request(compiled) if "client-credentials" in forms else None,
        secrets=own.get("secrets", []),
        counts_all=own.get("counts_all", True),
        page_max=listed.size.max if listed.size else 1000,
    )


def _scope(compiled: Compiled, settings: Settings) -> Place:
    description = compiled.description
    if not description.scopes:
        return ()
    return next(
        ((key, settings[key][0]) for key in description.scopes if settings.get(key)), ("", "")
    )


def _on_sandbox(provider: str, form: str, own: Settings | None, sandbox: Sandbox) -> Settings:
    secret = getattr(sandbox.credentials, f"{provider.replace('-', '_')}_token")
    return {
        "base_url": f"{SANDBOX}/{provider}",
        "rate_limit": 1000,
        **auth_of(form, secret),
        **(own or {}),
    }


def _essential(compiled: Compiled, row: Row) -> Row:
    found: Row = {}
    for path in compiled.description.log.place.values():
        set_at(found, path, value_at(path)(row))
    return found


def _outside(scope: Place, place: Place) -> Sequence[Place]:
    """Return places in scopes that no source of the case covers."""
    if not scope:
        return [(text, *place[1:]) for text in ("", "..", "a/b")]
    return [(scope[0], "elsewhere", *place[2:]), ("elsewhere", *place[1:])]


def _may_exist(compiled: Compiled, scope: Place, place: Place) -> bool:
    if len(place) != compiled.place_length or (scope and place[:2] != scope):
        return False
    description = compiled.description
    ids = [(place[-1], description.log.id)]
    if compiled.by_hook and description.hooks:
        ids.append((place[compiled.scope_length], description.hooks.id))
    ids += [(text, compiled.own_id) for text in place[compiled.stream_length : -1]]
    return all(is_id(text, spec) for text, spec in ids)


def _with_text(document: Any, text: str) -> Any:
    """Put a text into all texts of a document."""
    if isinstance(document, dict):
        return {name: _with_text(item, text) for name, item in document.items()}
    if isinstance(document, list):
        return [_with_text(item, text) for item in document]
    return f"key {text}" if isinstance(document, str) else document


def _credential(compiled: Compiled, form: str) -> CredentialForm:
    if form in {"basic", "client-credentials"}:
        return CredentialForm(auth_of(form, SECRET), (SECRET, PLAIN))
    token = compiled.description.auth.token
    as_user = form == "token" and token is not None and token.as_user
    encoded = (base64.b64encode(f"{PLAIN}:".encode()).decode(),) if as_user else ()
    return CredentialForm(auth_of(form, PLAIN), (PLAIN, *encoded))


def _token_request(compiled: Compiled) -> TokenRequest:
    table = compiled.description.auth.client_credentials
    assert table is not None
    return TokenRequest(
        auth_of("client-credentials", "p&=+ä"),
        f"{BASE}{table.path}",
        {"grant_type": "client_credentials", "client_id": "cl-1", "client_secret": "p&=+ä"},
        {"authorization": "Bearer t0"},
        {"error": "invalid_client", "error_description": "unknown client"},
        ("invalid_client", "unknown client"),
    )


__all__ = ["ODD", "Samples", "case_of", "compiled_of", "set_at"]
