"""Every block of the README and of the reference pages runs and shows a real response."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from graphql import OperationDefinitionNode, parse

from gateway.callers.keys import KeyRing
from gateway.config import LimitSettings
from gateway.config.cache import CacheSettings
from gateway.errors import ConfigurationError
from tests.docs.pages import FILES, PAGES, ROOT, USER_PAGES, Page
from tests.docs.product import SHIPPED, SOURCES, VENDORS, settings
from tests.docs.run import Runner

README = PAGES["README.md"]
COMPILED = {
    "codegen.ts",
    "relay.config.json",
    "src/Logs.ts",
    "src/apollo.js",
    "src/urql.js",
    "tests/node/incidents.graphql",
    "trusted.codegen.ts",
    "trusted/newest.graphql",
}
"""The files that ``tests/node`` writes and runs or compiles."""
BY_NODE = {".github/docs/supergraphs.md", ".github/docs/trusted-documents.md"}
"""The pages whose ``bash`` blocks ``tests/node`` runs."""
RUN = {"console", "graphql", "json", "toml"}
"""The languages of the blocks that the runner supports."""


@pytest.mark.slow
@pytest.mark.parametrize("path", USER_PAGES)
def test_blocks_run_and_show_real_responses(path: str, tmp_path: Path) -> None:
    """Readers copy what they see; ``python -m tests.docs`` updates the responses."""
    runner = Runner(USER_PAGES[path], tmp_path)
    runner.run()
    for shown in runner.shown:
        assert shown.is_true, f"shown:\n{shown.shown}\nreal:\n{shown.real}"


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "```graphql\n{ sources { title } }\n```\n",
        '```graphql\n{ source(name: "shop") { name } }\n```\n```json\n{"data": {}}\n```\n',
        "```toml\n[server]\nports = 1\n```\n",
        "```toml gateway.toml\n[server]\nports = 1\n```\n",
        "```console\n$ gateway list\n```\n",
        "```console\n$ gateway logs --colour\n```\n",
        "```console\n$ gateway config schema\nA schema.\n```\n",
        "```console\n$ rm -rf build\n```\n",
    ],
)
def test_wrong_block_is_detected(text: str, tmp_path: Path) -> None:
    runner = Runner(Page("untrue.md", text), tmp_path)
    try:
        runner.run()
    except (AssertionError, ConfigurationError):
        return
    assert not all(shown.is_true for shown in runner.shown)


def test_every_block_has_a_runner() -> None:
    for path, page in USER_PAGES.items():
        for block in page.blocks:
            if block.name and block.name != "gateway.toml":
                assert block.name in COMPILED, f"{path}: nothing runs {block.name}"
            elif block.language == "bash":
                assert path in BY_NODE
            elif block.language == "sh":
                # Those of deployment are checked in tests/deploy.
                assert path in {"README.md", ".github/docs/deployment.md"}
            else:
                assert block.language in RUN, f"{path}: nothing runs {block.language!r}"
    assert FILES.keys() - {"gateway.toml"} == COMPILED


def test_runner_finds_every_command() -> None:
    """A command that the pattern misses would go unnoticed."""
    for page in USER_PAGES.values():
        for text in page.block_texts("console"):
            assert text.startswith("$ ")


def test_names_of_operations_are_unique() -> None:
    """Compilers process all documents of a project together."""
    names = [
        definition.name.value if definition.name else ""
        for page in USER_PAGES.values()
        for text in page.block_texts("graphql")
        for definition in parse(text).definitions
        if isinstance(definition, OperationDefinitionNode)
    ]
    assert len(names) >= 12
    assert all(names)
    assert len(set(names)) == len(names)


def test_every_vendor_has_an_example(tmp_path: Path) -> None:
    shown: set[str] = set()
    alternatives: set[str] = set()
    for text in PAGES[".github/docs/configuration.md"].block_texts("toml"):
        configured = settings(tmp_path / "gateway.toml", text)
        if "[[sources]]" in text:
            shown |= {source.provider for source in configured.sources}
        # The commented-out alternatives are valid, too.
        swapped = _OTHER_AUTH.sub(r"\1", text)
        swapped = swapped.replace('org_id = "12345"', 'cloud_org_id = "12345"')
        if swapped != text:
            (source,) = settings(tmp_path / "gateway.toml", swapped).sources
            alternatives.add(source.provider)
    assert VENDORS.keys() - SHIPPED <= shown <= VENDORS.keys()
    assert alternatives == {"codearts", "yandex-tracker", "language-weaver"}


_OTHER_AUTH = re.compile(r"^auth = .*\n# (auth = .*)$", re.MULTILINE)


def test_example_credentials_grant_no_access(tmp_path: Path) -> None:
    """Readers may copy an example unchanged, with its key."""
    for page in USER_PAGES.values():
        for block in page.blocks:
            if block.language == "toml":
                configured = settings(tmp_path / "gateway.toml", block.text)
                keys = KeyRing(configured.auth.keys)
                likely = ("", "dashboard", "support", "key", "password", "secret", "test")
                assert not any(map(keys.find, likely))


def test_examples_change_something(tmp_path: Path) -> None:
    """An example that only repeats the defaults says so in its table."""
    usual = settings(tmp_path / "gateway.toml", SOURCES)
    for page in USER_PAGES.values():
        for block in page.blocks:
            if block.language == "toml":
                configured = settings(tmp_path / "gateway.toml", block.text)
                assert (configured != usual) is ("[limits]" not in block.text), block.text


def test_cache_example_has_the_defaults() -> None:
    [text] = PAGES[".github/docs/cache.md"].block_texts("toml")
    shown = tomllib.loads(text)["cache"]
    usual = CacheSettings()
    assert shown.pop("url") != usual.url.get_secret_value()
    assert shown == {
        name: getattr(usual, name) for name in CacheSettings.model_fields if name != "url"
    }


def test_limits_example_has_the_defaults() -> None:
    text = PAGES[".github/docs/limits.md"].block_texts("toml")[0]
    assert tomllib.loads(text)["limits"] == LimitSettings().model_dump()


def test_quick_start_commands_match_ci() -> None:
    install, tests = README.block_texts("sh")
    script = (ROOT / ".ci" / "run").read_text()
    assert "pip install --editable '.[test]'" in install
    assert tests.strip() == ".venv/bin/pytest"
    assert "pip install --quiet --editable '.[test,deploy-test]'" in script
    assert "pytest" in script
    workflow = (ROOT / ".github/workflows/ci.yml").read_text()
    assert "bash .ci/run" in workflow


@pytest.mark.slow
def test_demo_fault_shows_in_the_responses(tmp_path: Path) -> None:
    page = PAGES[".github/docs/command-line.md"]
    begin, end = re.findall(r"^\$ (curl -X .*)$", page.text, re.MULTILINE)
    logs = "$ curl http://127.0.0.1:8001/elastic-path/v2/integrations/logs"
    for commands, is_ill in (([begin], True), ([begin, end], False)):
        lines = "\n".join([*(f"$ {command}" for command in commands), logs, "?"])
        runner = Runner(Page("trouble.md", f"```console\n{lines}\n```\n"), tmp_path / str(is_ill))
        runner.run()
        assert ("Sign in" in runner.shown[-1].real) is is_ill


def test_contributing_commands_match_ci() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    marks = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["markers"]
    known = {mark.partition(":")[0] for mark in marks}
    for text in PAGES[".github/CONTRIBUTING.md"].block_texts("sh"):
        for line in text.splitlines():
            words = shlex.split(line, comments=True)
            match words:
                case ["pytest", *rest]:
                    for word in rest:
                        if word.startswith("tests"):
                            assert (ROOT / word).exists(), word
                        elif not word.startswith("-"):
                            assert set(word.split()) - {"and", "not", "or"} <= known
                case ["gateway", "schema", ">", "schema.graphql"] | ["bash", ".ci/run"] | []:
                    pass
                case ["python", "-m", module]:
                    assert (ROOT / module.replace(".", "/")).exists()
                case ["python3", "-m", "venv", ".venv"] | [".", ".venv/bin/activate"]:
                    pass
                case ["pip", "install", *_]:
                    assert "pip install --editable '.[test]'" in line
                case _:
                    assert line in script, line
    assert all(f"`{mark}`" in PAGES[".github/CONTRIBUTING.md"].text for mark in known - {"slow"})
