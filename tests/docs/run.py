"""Runs the blocks of a page from top to bottom, as a reader would.

- ``graphql`` is sent to the gateway.
- ``json`` after it is the response, or that of the last ``curl``.
- ``console`` holds commands after ``$``, with their output where it is shown.
- ``toml gateway.toml`` is the configuration of the gateway from there on.
- Any other ``toml`` is loaded.
"""

from __future__ import annotations

import contextlib
import json
import re
import shlex
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from typer.testing import CliRunner

from tests.docs.pages import Block, Page
from tests.docs.product import Client, app, demo, settings

STARTING = """{
  translations: webhookLogs(first: 1, filter: { source: { eq: "translations" } }) { nodes { id } }
  all: webhookLogs { pageInfo { startCursor endCursor } }
  failureGroups(first: 1) { groups { id } }
}"""

_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)
"""A command, which may continue after a backslash, and its output."""


class Shown(NamedTuple):
    """A response as shown, between ``start`` and ``end`` of the page, and as received."""

    start: int
    end: int
    shown: str
    real: str
    is_true: bool


class Runner:
    """Runs one page; ``shown`` are the responses that it shows."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.shown: list[Shown] = []
        self.commands: list[list[str]] = []
        self._page = page
        self._folder = folder
        self._stack = contextlib.ExitStack()
        self._made = 0
        self._answer: Any = None
        self._clients: dict[int, Client] = {}
        self._variables: dict[str, str] = {}

    def run(self) -> None:
        """Run all blocks; AssertionError if one fails."""
        with self._stack:
            for block in self._page.blocks:
                match block.language, block.name:
                    case "graphql", "":
                        self._ask(block)
                    case "json", "":
                        self._compare_json(block)
                    case "console", "":
                        self._run_console(block)
                    case "toml", "":
                        self._made += 1
                        settings(self._new_folder() / "gateway.toml", block.text)
                    case "toml", "gateway.toml":
                        self._serve(block.text)

    def _new_folder(self) -> Path:
        self._made += 1
        folder = self._folder / str(self._made)
        folder.mkdir(parents=True)
        return folder

    def _serve(self, tables: str) -> None:
        self._stack.close()
        gateway, sandbox = self._stack.enter_context(demo(self._new_folder(), tables))
        self._clients = {8000: gateway, 8001: sandbox}

    def _client(self, port: int) -> Client:
        if not self._clients:
            self._serve("")
        return self._clients[port]

    def _ask(self, block: Block) -> None:
        declared = re.findall(r"\$(\w+):", block.text)
        variables = self._values() if declared else {}
        given = {name: variables[name] for name in declared}
        self._answer = self._client(8000).ask(block.text, given)

    def _values(self) -> dict[str, str]:
        if not self._variables:
            data = self._client(8000).ask(STARTING)["data"]
            page = data["all"]["pageInfo"]
            self._variables = {
                "id": data["translations"]["nodes"][0]["id"],
                "key": "of the page",
                "after": page["endCursor"],
                "before": page["startCursor"],
                "group": data["failureGroups"]["groups"][0]["id"],
            }
        return self._variables

    def _compare_json(self, block: Block) -> None:
        assert self._answer is not None, f"{block.text} is the answer to nothing"
        shown = json.loads(block.text)
        real = laid_out(self._answer) + "\n"
        self.shown.append(Shown(block.start, block.end, block.text, real, shown == self._answer))

    def _run_console(self, block: Block) -> None:
        self._client(8000)
        for found in _COMMAND.finditer(block.text):
            words = shlex.split(found[1].replace("\\\n", ""), comments=True)
            self.commands.append(words)
            printed = self._run(words)
            if found[2]:
                start, end = (block.start + place for place in found.span(2))
                same = found[2].rstrip() == printed.rstrip()
                self.shown.append(Shown(start, end, found[2], printed, same))

    def _run(self, words: list[str]) -> str:
        match words:
            case ["gateway", *rest]:
                result = CliRunner().invoke(app, rest)
                assert result.exit_code == 0, result.output
                return _trimmed(result.stdout)
            case ["curl", *rest]:
                response = self._curl(rest)
                with contextlib.suppress(ValueError):
                    self._answer = response.json()
                return response.text
            case ["export", assignment]:
                assert assignment.partition("=")[0].startswith("GATEWAY_")
                return ""
        raise AssertionError(f"{words} is no command that a page may show")

    def _curl(self, words: list[str]) -> httpx.Response:
        """Send the request of a curl command; supports the options that the pages use."""
        method, url, content = "", "", None
        headers: dict[str, str] = {}
        parameters: dict[str, str] = {}
        rest = iter(words)
        for word in rest:
            match word:
                case "-X":
                    method = next(rest)
                case "-H":
                    name, _, value = next(rest).partition(": ")
                    headers[name] = value
                case "-d":
                    content = next(rest)
                case "-G":
                    method = "GET"
                case "--data-urlencode":
                    name, _, value = next(rest).partition("=")
                    parameters[name] = value
                case _:
                    assert word.startswith("http://127.0.0.1:"), f"curl {word} is not known here"
                    url = word
        address = httpx.URL(url)
        client = self._client(address.port or 80)
        headers = {"User-Agent": "curl/8", "Accept": "*/*"} | headers
        method = method or ("POST" if content is not None else "GET")
        return client.request(
            method, address, content=content, headers=headers, params=parameters or None
        )


def _trimmed(text: str) -> str:
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines())


def laid_out(value: Any, column: int = 0, indent: int = 0) -> str:
    """Format JSON for people: a value that fits into 100 characters stays on one line.

    The value begins at ``column``; its own lines are indented by ``indent`` spaces.
    """
    flat = json.dumps(value, ensure_ascii=False)
    if column + len(flat) < 100 or not isinstance(value, dict | list):
        return flat
    inner = indent + 2
    if isinstance(value, dict):
        names = [f"{json.dumps(name)}: " for name in value]
        parts = zip(names, value.values(), strict=True)
        lines = [name + laid_out(it, inner + len(name), inner) for name, it in parts]
    else:
        lines = [laid_out(it, inner, inner) for it in value]
    body = ",\n".join(" " * inner + line for line in lines)
    opening, closing = "{}" if isinstance(value, dict) else "[]"
    return f"{opening}\n{body}\n{' ' * indent}{closing}"
