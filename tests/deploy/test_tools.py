"""The linters of the extra deploy-test, without which the tests beside this one are skipped."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import NoReturn

import pytest


@pytest.mark.parametrize(
    "module", ["check_jsonschema", "cyclonedx", "hatchling", "kubernetes_validate", "yaml"]
)
def test_linter_is_installed(module: str, absent: Callable[[str], NoReturn]) -> None:
    if importlib.util.find_spec(module) is None:
        absent(f"{module} is not installed; the extra deploy-test has it")
