"""The demo's configuration: the sandbox's four vendors, set up like a real installation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.sandbox import Sandbox


def write_configuration(folder: Path, sandbox: Sandbox, url: str, *, port: int) -> Path:
    """Write ``gateway.toml``, and the secrets that it refers to, into an existing folder.

    ``url`` is where the sandbox is served, ``port`` where the gateway is to listen. Nobody but the
    user can read what is written.
    """
    accepted = sandbox.credentials
    secrets = {
        "codearts-password": accepted.iam_password,
        "tracker-token": accepted.tracker_oauth_token,
        "language-weaver-key": accepted.language_weaver_key,
        "elastic-path-id": accepted.elastic_path_client_id,
        "elastic-path-secret": accepted.elastic_path_client_secret,
    }
    (folder / "secrets").mkdir(mode=0o700)
    for name, secret in secrets.items():
        _write(folder / "secrets" / name, f"{secret}\n")
    return _write(
        folder / "gateway.toml",
        f"""\
[server]
port = {port}

[journal]
url = "sqlite:///journal.sqlite3"

[[sources]]
name = "repo-cn"
provider = "codearts"
base_url = "{url}/codearts"
projects = {json.dumps(sandbox.codearts_projects)}
groups = [{sandbox.codearts_group}]
repositories = [{sandbox.codearts_repository}]

[sources.auth]
type = "iam"
url = "{url}/iam"
domain = "{accepted.iam_domain}"
user = "{accepted.iam_user}"
password = {{ file = "secrets/codearts-password" }}
project = "{accepted.iam_project}"

[[sources]]
name = "tracker"
provider = "yandex-tracker"
base_url = "{url}/tracker"
org_id = "{sandbox.tracker_org_id}"
queues = {json.dumps(sandbox.tracker_queues)}
auth = {{ type = "oauth", token = {{ file = "secrets/tracker-token" }} }}

[[sources]]
name = "translations"
provider = "language-weaver"
base_url = "{url}/language-weaver"
auth = {{ type = "api-key", key = {{ file = "secrets/language-weaver-key" }} }}

[[sources]]
name = "shop"
provider = "elastic-path"
base_url = "{url}/elastic-path"

[sources.auth]
type = "client-credentials"
client_id = {{ file = "secrets/elastic-path-id" }}
client_secret = {{ file = "secrets/elastic-path-secret" }}
""",
    )


def _write(path: Path, text: str) -> Path:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
    return path
