"""The bill of materials (PEP 770) of the wheel."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import pytest

from gateway import __version__
from gateway.web.assets import ASSETS, STATIC, missing
from tests.deploy.test_constraints import PINS
from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def wheel(absent: Callable[[str], NoReturn], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel of this tree, with the build's own files in place."""
    if importlib.util.find_spec("hatchling") is None:
        absent("hatchling is not installed; the extra deploy-test has it")
    if missing(STATIC):
        absent("GraphiQL is not built in")
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)  # noqa: S603
    (file,) = folder.glob("*.whl")
    return file


@pytest.fixture(scope="module")
def bill(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        folder = f"webhook_log_gateway-{__version__}.dist-info/sboms/"
        (name,) = (name for name in archive.namelist() if name.startswith(folder))
        assert name == f"{folder}webhook-log-gateway.cdx.json"
        return archive.read(name).decode()


@pytest.mark.slow
def test_bill_lists_what_is_installed_and_what_is_inside(wheel: Path, bill: str) -> None:
    document = json.loads(bill)
    own = document["metadata"]["component"]
    assert (own["name"], own["version"]) == ("webhook-log-gateway", __version__)
    listed = {each["purl"] for each in document["components"]}
    assert {f"pkg:pypi/{name}@{pin.version}" for name, pin in PINS.items()} < listed
    assert {f"pkg:npm/{asset.package}" for asset in ASSETS} < listed
    assert set(document["dependencies"][0]["dependsOn"]) == listed
    files = {file["name"] for each in document["components"] for file in each.get("components", ())}
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if "/static/" in name}
    assert files == inside


@pytest.mark.slow
def test_bill_has_the_form_of_cyclonedx(bill: str) -> None:
    schema = pytest.importorskip("cyclonedx.schema", reason="the extra deploy-test is missing")
    validation = pytest.importorskip("cyclonedx.validation.json")
    validator = validation.JsonStrictValidator(schema.SchemaVersion.V1_6)
    found = validator.validate_str(bill)
    assert found is None, found
