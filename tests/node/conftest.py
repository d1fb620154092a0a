"""Fixtures for third-party tools that check the gateway: installation, runs and input."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import httpx
import pytest

from gateway.cli.demo_configuration import write_configuration
from gateway.sandbox import Sandbox
from gateway.settings import load
from gateway.web.app import create_app
from tests.docs.pages import FILES
from tests.support.npm import install

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.types import ASGIApp

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
SCHEMA = ROOT / "schema.graphql"
URL = "http://127.0.0.1:8000/graphql"
"""The endpoint of the gateway in the documentation."""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def run(absent: Callable[[str], NoReturn], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Install the tools beside their package.json if needed; return a function that runs one.

    The tool must succeed, or fail if ``fails`` is true. By default it runs in the folder of the
    scripts.
    """
    install(HERE, absent)
    environ = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path_factory.mktemp("home")),
        "NPM_CONFIG_OFFLINE": "true",
    }

    def run(
        *words: str, folder: Path = HERE, fails: bool = False
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(  # noqa: S603
            words, cwd=folder, env=environ, capture_output=True, text=True, check=False, timeout=120
        )
        assert bool(done.returncode) is fails, done.stdout + done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def url(serve: Callable[[ASGIApp], str], tmp_path_factory: pytest.TempPathFactory) -> str:
    """Serve a gateway over the sandbox; return the URL of its endpoint."""
    return serve(gateway(tmp_path_factory.mktemp("gateway"))) + "/graphql"


def gateway(folder: Path, **environ: str) -> Starlette:
    """Create a gateway over the sandbox, with some settings from environment variables."""
    sandbox = Sandbox(logs=500)
    settings = load(write_configuration(folder, sandbox, "http://127.0.0.1:1", port=0), environ)
    return create_app(settings, transport=httpx.ASGITransport(sandbox.app))


@pytest.fixture
def frontend(tmp_path: Path, url: str) -> Path:
    """Create a project with the files of the documentation and all tools."""
    (tmp_path / "node_modules").symlink_to(HERE / "node_modules")
    (tmp_path / "package.json").write_text('{ "type": "module" }')
    shutil.copy(SCHEMA, tmp_path)
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace(URL, url), encoding="utf-8")
    return tmp_path
