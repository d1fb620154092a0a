"""The pinned packages of a deployment: complete, hashed, and those that the gateway asks for."""

from __future__ import annotations

import re
import tomllib
from importlib import metadata
from typing import NamedTuple

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.docs.pages import ROOT

TEXT = (ROOT / ".github/deploy/constraints.txt").read_text(encoding="utf-8")
AGAIN = "make .github/deploy/constraints.txt anew, as its first lines say"


class Pin(NamedTuple):
    """A version with the hashes of its files."""

    version: str
    marker: Marker | None
    hashes: tuple[str, ...]


def pins() -> dict[str, Pin]:
    """Return the pinned packages by name."""
    found: dict[str, Pin] = {}
    lines = [line for line in TEXT.splitlines() if not line.startswith("#")]
    for entry in "\n".join(lines).replace("\\\n", " ").splitlines():
        text, *hashes = entry.split(" --hash=")
        requirement = Requirement(text)
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", text
        each = tuple(it.strip() for it in hashes)
        found[canonicalize_name(requirement.name)] = Pin(
            specifier.version, requirement.marker, each
        )
    return found


PINS = pins()


def test_each_package_is_pinned_with_hashes_and_without_an_address() -> None:
    assert "://" not in TEXT
    assert len(PINS) > 40
    for name, pin in PINS.items():
        assert pin.hashes, name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", it) for it in pin.hashes), name


def test_pins_are_versions_that_the_gateway_accepts() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    own = (text for name in ("postgres", "redis", "traces") for text in extras[name])
    for text in (*project["dependencies"], *own):
        requirement = Requirement(text)
        pin = PINS.get(canonicalize_name(requirement.name))
        assert pin is not None, f"{requirement.name} is not pinned; {AGAIN}"
        assert requirement.specifier.contains(pin.version), f"{text} is not met; {AGAIN}"


def test_packages_of_the_packages_are_pinned() -> None:
    for name, pin in PINS.items():
        if pin.marker and not pin.marker.evaluate():
            continue
        for text in metadata.requires(name) or ():
            requirement = Requirement(text)
            if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
                continue
            needed = canonicalize_name(requirement.name)
            assert needed in PINS, f"{name} needs {needed}, which is not pinned; {AGAIN}"
