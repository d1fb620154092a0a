"""Imports between the packages of the gateway go one way."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

import gateway
from gateway.vendors import VENDORS
from gateway.vendors.described import OwnVendor
from gateway.web.assets import STATIC

ROOT = Path(gateway.__file__).parent

LAYERS = [
    {"model", "sandbox", "row_memo", "shared_memory", "__init__"},
    {"errors", "normalise"},
    {"ids", "config", "events", "single_flight"},
    {"limits", "upstream", "cache", "telemetry"},
    {"callers", "journal", "vendors"},
    {"settings"},
    {"sources"},
    {"feed", "actions"},
    {"stats", "resources"},
    {"service"},
    {"schema"},
    {"web"},
    {"cli"},
    {"__main__"},
]
"""A package imports only from packages on a line above its own, and from itself."""

ONLY_IMPORTERS = {
    "httpx": {"upstream", "sources", "resources", "service", "web"},
    "aiocache": {"cache"},
    "joserfc": {"callers", "config", "upstream"},
    "structlog": {"telemetry"},
    "prometheus_client": {"telemetry"},
    "opentelemetry": {"telemetry", "upstream"},
    "sqlalchemy": {"journal"},
    "alembic": {"journal"},
    "strawberry": {"schema", "web"},
    "starlette": {"web", "sandbox", "cli"},
    "jmespath": {"vendors"},
    "typer": {"cli"},
    "rich": {"cli"},
    "watchfiles": {"cli"},
}
RUN_TIME_ONLY = {("httpx", room) for room in ("sources", "resources", "service", "web")}
"""Packages that use types of a library in annotations only."""


@functools.cache
def imports(path: Path, *, run_time: bool = False) -> frozenset[str]:
    """Return the dotted names that a module imports, optionally without those for typing."""
    names: set[str] = set()
    todo: list[ast.AST] = [ast.parse(path.read_text())]
    while todo:
        node = todo.pop()
        if run_time and isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            module = node.module or ""
            names.update(f"{module}.{alias.name}" for alias in node.names)
        todo.extend(ast.iter_child_nodes(node))
    return frozenset(names)


def room(name: str) -> str:
    """Return the subpackage of a dotted name."""
    parts = name.split(".")
    known = set().union(*LAYERS)
    return parts[1] if len(parts) > 1 and parts[1] in known else "__init__"


MODULES = sorted(ROOT.rglob("*.py"))


def package(path: Path) -> str:
    """Return the package of a module, or its own name if it is in none."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def test_imports_go_one_way() -> None:
    for path in MODULES:
        own = package(path)
        level = next((number for number, rooms in enumerate(LAYERS) if own in rooms), None)
        assert level is not None, f"{own} is in no layer; put it on its line in LAYERS"
        allowed = set().union(*LAYERS[:level], {own, "__init__"})
        ours = {room(name) for name in imports(path) if name.split(".")[0] == "gateway"}
        assert ours <= allowed, f"{path} imports {sorted(ours - allowed)}"


@pytest.mark.slow
def test_libraries_are_used_only_in_their_packages() -> None:
    for path in MODULES:
        own = package(path)
        for name in {name.split(".")[0] for name in imports(path)}:
            assert own in ONLY_IMPORTERS.get(name, {own}), f"{path} imports {name}"
        for name in {name.split(".")[0] for name in imports(path, run_time=True)}:
            assert (name, own) not in RUN_TIME_ONLY, f"{path} imports {name} at run time"


def test_sandbox_is_independent_of_the_gateway() -> None:
    for path in (ROOT / "sandbox").rglob("*.py"):
        ours = {name for name in imports(path) if name.split(".")[0] == "gateway"}
        assert all(name.startswith("gateway.sandbox") for name in ours), path


VENDOR_NAMES = re.compile(
    "|".join(
        name
        for kit in VENDORS.values()
        if kit is not OwnVendor
        for name in (
            re.sub("[-_]", "[-_ ]?", kit.provider),
            re.escape(kit.title),
            rf"\b{kit.title.split()[0]}\b",
        )
    ),
    re.IGNORECASE,
)
"""Providers in any spelling, full names, and the names of the companies."""
HOSTED_THERE = re.compile(r"\bgithub\.(?:com|io)\b|\.github/")
"""Hosts of specifications, and the folder of this project's own documents."""
KITS = ("vendors", "sandbox")
"""A vendor's kit and its simulator."""
SECRET_SHAPES = ROOT / "normalise" / "secret_shapes.py"
"""Names the issuers of tokens, which may stand in the documents of any vendor."""


def test_no_file_outside_the_kits_names_a_vendor() -> None:
    """Adding, changing or removing a vendor must not need changes in other files."""
    files = [
        path
        for path in ROOT.rglob("*")
        if path.suffix in {".css", ".graphql", ".html", ".js", ".json", ".md", ".py", ".toml"}
        and package(path) not in KITS
        and path != SECRET_SHAPES
        and STATIC not in path.parents
    ]
    for path in files:
        text = HOSTED_THERE.sub("", path.read_text())
        assert (found := VENDOR_NAMES.search(text)) is None, f"{path} names {found}"
    assert {path.suffix for path in files} >= {".js", ".md", ".py"}
