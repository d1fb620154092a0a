"""Tables of the documentation that are generated from the code.

A table stands between ``<!-- table: NAME ARGUMENT -->`` and ``<!-- end -->``. Its last columns may
be written by hand; they are preserved, matched by the first cell of the row. ``python -m
tests.docs`` rewrites all tables.
"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import typer.main
import yaml

from gateway.callers import Role
from gateway.errors import ErrorCode
from gateway.events import Event
from gateway.telemetry.instruments import INSTRUMENTS
from gateway.vendors.described.description import json_schema
from tests.docs.pages import ROOT
from tests.docs.product import ENUMS, FAULTS, KEPT, SETTINGS, VENDORS, app

NONE = "\u2013"
DESCRIPTION = json_schema()
"""The JSON schema of descriptions."""
PAGING = DESCRIPTION["$defs"]["ListTable"]["properties"]["paging"]["discriminator"]
_TABLE = re.compile(r"(<!-- table: (.*?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


class Table(NamedTuple):
    """The generated columns and rows; ``by_hand`` names the columns after them."""

    titles: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    by_hand: tuple[str, ...] = ()


def tables_of(text: str) -> list[str]:
    """Return the names of a page's tables, with their arguments."""
    return [found[2] for found in _TABLE.finditer(text)]


def rewritten(text: str) -> str:
    """Return a page with regenerated tables."""

    def write(found: re.Match[str]) -> str:
        return f"{found[1]}{_written(table(found[2]), found[3])}{found[4]}"

    return _TABLE.sub(write, text)


def table(name: str) -> Table:
    """Generate the named table; the words after the name are its argument."""
    kind, _, argument = name.partition(" ")
    return TABLES[kind](argument)


def cells(text: str) -> list[list[str]]:
    """Split the rows of a Markdown table, without its titles."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))] for line in lines[2:]
    ]


def _written(made: Table, before: str) -> str:
    kept = {row[0]: row[len(made.titles) :] for row in cells(before)}
    blank = [""] * len(made.by_hand)
    rows = [(*row, *(kept.get(row[0]) or blank)) for row in made.rows]
    titles = (*made.titles, *made.by_hand)
    lines = [f"| {' | '.join(row)} |\n" for row in (titles, *rows)]
    return "".join([lines[0], f"|{'---|' * len(titles)}\n", *lines[1:]])


def _code(text: object) -> str:
    return f"`{text}`"


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _described(values: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    return [(_code(name), _plain(meaning)) for name, meaning in values]


def _codes(_: str) -> Table:
    rows = _described((code.name, code.value) for code in ErrorCode)
    return Table(("Code", "Meaning"), rows, ("What to do",))


def _user_errors(_: str) -> Table:
    rows = _described(ENUMS["UserErrorCode"].items())
    return Table(("Code", "Meaning"), rows, ("What to do",))


def _enum(name: str) -> Table:
    return Table(("Value", "Meaning"), _described(ENUMS[name].items()))


def _roles(_: str) -> Table:
    return Table(
        ("Role", "What it allows"), _described((role.name.lower(), role.value) for role in Role)
    )


def _faults(_: str) -> Table:
    return Table(("Kind",), [(_code(kind),) for kind in FAULTS], ("Effect",))


def _vendors(_: str) -> Table:
    rows: list[tuple[str, ...]] = []
    for provider, (name, can) in VENDORS.items():
        filters = [it.lower() for it in ("TIME", "STATUS", "EVENT") if f"FILTER_{it}" in can]
        rows.append(
            (
                name,
                _code(provider),
                _mark("LIST" in can),
                "one call" if "GET" in can else "by search",
                _mark("ATTEMPTS" in can),
                _mark("RETRY" in can),
                _mark("DELETE" in can),
                ", ".join(filters) or NONE,
                _mark("COUNT" in can),
                *(text or NONE for text in KEPT[provider]),
            )
        )
    titles = (
        "System",
        "`provider`",
        "List",
        "One log",
        "Attempts",
        "Retry",
        "Delete",
        "Filters that the vendor applies",
        "Count",
        "Kept",
        "Limits",
    )
    return Table(titles, rows)


def _mark(able: bool) -> str:
    return "✓" if able else NONE


def _metrics(_: str) -> Table:
    rows = [
        (
            _code(each.name),
            each.kind,
            ", ".join(map(_code, each.labels)) or NONE,
            _plain(each.meaning),
        )
        for each in INSTRUMENTS
    ]
    return Table(("Metric", "Kind", "Labels", "Meaning"), rows)


def events() -> list[type[Event]]:
    """Return the kinds of events, in the order of their module."""
    found, todo = [], [Event]
    while todo:
        todo += (inner := todo.pop(0).__subclasses__())
        found += inner
    return sorted(found, key=lambda kind: inspect.getsourcelines(kind)[1])


def _events(_: str) -> Table:
    rows = [
        (
            _code(kind.__name__),
            ", ".join(map(_code, kind.__struct_fields__)) or NONE,
            _plain((kind.__doc__ or "").split("\n\n")[0]).replace("``", "`"),
        )
        for kind in events()
    ]
    return Table(("Event", "Fields", "When"), rows)


def _alerts(_: str) -> Table:
    text = (ROOT / ".github/observability/alerts.yml").read_text(encoding="utf-8")
    rows = [
        (
            _code(rule["alert"]),
            rule["labels"]["severity"],
            _plain(rule["annotations"]["summary"]),
        )
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
    ]
    return Table(("Alert", "Severity", "What is wrong"), rows, ("What to do",))


def _commands(_: str) -> Table:
    rows = [
        (
            _code(f"gateway {name}{_operands(command)}"),
            _plain((command.help or "").split("\n\n")[0]),
            ", ".join(map(_code, options(command))) or NONE,
        )
        for name, command in commands().items()
    ]
    return Table(("Command", "What it does", "Options"), rows)


def _operands(command: Any) -> str:
    names = [it.metavar for it in command.params if it.param_type_name == "argument"]
    return "".join(f" {name}" for name in names)


def options(command: Any) -> list[str]:
    """Return the options of a command, without ``--help``."""
    return [it.opts[0] for it in command.params if it.param_type_name == "option"]


def commands() -> dict[str, Any]:
    """Return the commands of ``gateway`` by their words. Typer hides click's classes."""
    return dict(_walk("", typer.main.get_command(app)))


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "commands"):
        yield name, command
        return
    for word, inner in command.commands.items():
        yield from _walk(f"{name} {word}".strip(), inner)


def _settings(argument: str) -> Table:
    """Describe the keys of a table, or those that only one kind of source has."""
    return Table(
        ("Key", "Default", "Meaning"),
        [
            (_code(name), _default(it, required=required), _plain(str(it.get("description", ""))))
            for name, it, required in keys(argument)
        ],
    )


def keys(argument: str) -> list[tuple[str, dict[str, Any], bool]]:
    """Return the keys of a configuration table: name, schema, and whether it is required.

    The argument is the dotted path of the table, ``sources`` for the keys of all sources, or a
    provider for those that only its sources have.
    """
    variants = source_schemas()
    if argument not in {"sources", *variants}:
        schema = _table_at(argument)
        names = list(schema["properties"])
    else:
        common = _common(variants.values())
        schema = variants.get(argument) or common
        properties = common["properties"]
        names = [
            name
            for name, it in schema["properties"].items()
            if argument == "sources" or (name not in _OF_EACH and it != properties.get(name))
        ]
    required = schema.get("required", ())
    return [(name, schema["properties"][name], name in required) for name in names]


_OF_EACH = {"auth", "provider"}
"""Keys that every source has, and that differ for each provider."""


def _common(variants: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the keys that all sources have, each with its most common schema."""
    tables = list(variants)
    properties: dict[str, Any] = {}
    required = []
    for name in tables[0]["properties"]:
        schemas = [it["properties"].get(name) for it in tables]
        if all(schemas):
            properties[name] = usual = max(schemas, key=schemas.count)
            if name in tables[schemas.index(usual)].get("required", ()):
                required.append(name)
    for name in _OF_EACH:
        properties[name] = {"description": properties[name]["description"]}
    return {"properties": properties, "required": required}


def source_schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of the sources of each provider."""
    items = SETTINGS["properties"]["sources"]["items"]
    variants = [_resolved(it) for it in items.get("oneOf", [items])]
    return {it["properties"]["provider"]["const"]: it for it in variants}


def credential_schemas(provider: str) -> dict[str, dict[str, Any]]:
    """Return the schema of each form of ``auth`` of a provider."""
    auth = source_schemas()[provider]["properties"]["auth"]
    variants = [_resolved(it) for it in auth.get("oneOf", [auth])]
    return {it["properties"]["type"]["const"]: it for it in variants}


def _credentials(provider: str) -> Table:
    rows = []
    for name, schema in credential_schemas(provider).items():
        meaning = " ".join(
            f"{_code(key)}: {_plain(str(it.get('description', '')))}"
            for key, it in schema["properties"].items()
            if key != "type"
        )
        rows.append((_code(name), _plain(str(schema.get("description", ""))), meaning))
    return Table(("`auth.type`", "Credential", "Keys"), rows)


def _resolved(schema: dict[str, Any], root: dict[str, Any] = SETTINGS) -> dict[str, Any]:
    """Follow references, lists and tables with free keys to the table inside."""
    if "$ref" in schema:
        return _resolved(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    if "properties" in schema:
        return schema
    for name in ("items", "additionalProperties"):
        if isinstance(schema.get(name), dict):
            return _resolved(schema[name], root)
    inner = [*schema.get("patternProperties", {}).values()]
    for value in (*inner, *schema.get("anyOf", ()), *schema.get("oneOf", ())):
        if "properties" in (found := _resolved(value, root)):
            return found
    return schema


def _table_at(path: str) -> dict[str, Any]:
    schema: dict[str, Any] = SETTINGS
    for name in path.split("."):
        schema = _resolved(schema["properties"][name])
    return schema


def _description(argument: str) -> Table:
    """Describe the keys of a table of descriptions."""
    schema = _resolved(DESCRIPTION, DESCRIPTION)
    for name in argument.split(".") if argument else []:
        schema = _resolved(schema["properties"][name], DESCRIPTION)
    required = schema.get("required", ())
    return Table(
        ("Key", "Default", "Meaning"),
        [
            (
                _code(name),
                "required" if name in required else _default_of_description(it),
                _plain(_meaning(it)),
            )
            for name, it in schema["properties"].items()
        ],
    )


def _meaning(schema: dict[str, Any]) -> str:
    # Where both say the same, only the table itself is described.
    found = schema.get("description") or _resolved(schema, DESCRIPTION).get("description", "")
    return str(found).replace("``", "`")


def _default_of_description(schema: dict[str, Any]) -> str:
    # Tables have defaults of their own.
    default = schema.get("default")
    if default in (None, "", []) or isinstance(default, dict):
        return NONE
    return _default(schema, required=False)


def _paging(_: str) -> Table:
    rows = []
    for kind, reference in PAGING["mapping"].items():
        schema = _resolved({"$ref": reference}, DESCRIPTION)
        meaning = " ".join(
            f"{_code(key)}: {_plain(str(it.get('description', '')))}"
            for key, it in schema["properties"].items()
            if key != "kind"
        )
        rows.append((_code(kind), _plain(str(schema["description"])), meaning or NONE))
    return Table(("`kind`", "Meaning", "Keys"), rows)


def _default(schema: dict[str, Any], *, required: bool) -> str:
    if required:
        return "required"
    if "default" not in schema:
        return NONE
    return _code(json.dumps(schema["default"]))


TABLES: dict[str, Callable[[str], Table]] = {
    "alerts": _alerts,
    "commands": _commands,
    "credentials": _credentials,
    "enum": _enum,
    "description": _description,
    "error-codes": _codes,
    "events": _events,
    "faults": _faults,
    "metrics": _metrics,
    "paging": _paging,
    "roles": _roles,
    "settings": _settings,
    "user-errors": _user_errors,
    "vendors": _vendors,
}
