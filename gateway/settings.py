"""The whole configuration: its tables, `load` and the JSON schema."""

from __future__ import annotations

import functools
import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Union, get_args

from pydantic import Field, StrictBool, ValidationError, field_validator
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError

from gateway.config.auth import AuthSettings, unknown_sources
from gateway.config.cache import CacheSettings
from gateway.config.documents import DocumentSettings
from gateway.config.file_form import FileForm
from gateway.config.files import BYTE_ORDER_MARK, UnreadableFileError, read_text
from gateway.config.journal import JournalSettings
from gateway.config.limits import LimitSettings, TimeLimit
from gateway.config.log import LogSettings
from gateway.config.metrics import MetricsSettings
from gateway.config.mistakes import Problem, problems_of, sentence, unknown_key
from gateway.config.network import network_mistakes
from gateway.config.secret import ReferenceContext
from gateway.config.source import SourceTable
from gateway.config.traces import TracesSettings
from gateway.config.values import ListOf, Origin, RootPath, Table, Text, Workers, error_message
from gateway.errors import ConfigurationError
from gateway.vendors import VENDORS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo


if TYPE_CHECKING:
    SourceSettings = SourceTable
else:
    SourceSettings = Annotated[
        Union[tuple(kit.settings for kit in VENDORS.values())],  # noqa: UP007 - made at run time
        Field(discriminator="provider"),
    ]
    """The settings of a source of any vendor, distinguished by ``provider``."""


class ServerSettings(Table):
    """The HTTP server, and the time and rows that one operation may take."""

    host: Text = "127.0.0.1"
    """The address to listen on."""
    port: Annotated[int, Field(strict=True, ge=0, le=65535)] = 8000
    """The port to listen on; 0 takes any free one."""
    workers: Workers = 1
    """The processes that share the port; "auto" starts one for each core."""
    root_path: RootPath = ""
    """The prefix of all paths that a proxy in front adds and does not strip, such as "/hooks".

    A proxy that strips it needs no setting.
    """
    deadline: TimeLimit = TimeLimit()
    """Seconds that one GraphQL operation may take, with all calls to vendors; or, as in [limits],
    "off" or { max = 10.0, mode = "warn" }.

    A caller can lower it with the header X-Request-Timeout. After a stop of the server, operations
    in flight have this time to end, in any mode; 10 seconds if there is no number.
    """
    drain: Annotated[float, Field(strict=True, ge=0, le=300)] = 0.0
    """Seconds after a SIGTERM in which connections are still accepted, while /readyz says that the
    gateway stops: for load balancers that find out by asking it."""
    scan_limit: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 2000
    """Webhook logs that are read for one page at most to find those that match its filter."""
    batch_size: Annotated[int, Field(strict=True, ge=0, le=100)] = 0
    """Operations that one request may hold as a list; 0 refuses lists."""
    cors_origins: ListOf[Origin] = ()
    """Origins of other sites whose pages may send requests and read the responses."""
    graphiql: StrictBool = True
    """Serve the GraphiQL explorer to browsers at /graphql."""
    console: StrictBool = True
    """Serve the console, a page for people, to browsers at /. Its documents are trusted."""
    introspection: StrictBool = True
    """Let callers read the schema. Without it, error messages suggest no names of the schema, and
    GraphiQL, which needs it, is off."""
    compiled: StrictBool = True
    """Write lists of webhook logs as JSON by functions that are compiled once per document, where
    the result is the same as that of graphql-core, which executes everything else."""
    incremental: StrictBool = False
    """Deliver parts of a response later, where a query has the directives @defer and @stream."""


class Settings(Table, title="Configuration of the webhook log gateway"):
    """The server, its callers, and the systems whose webhook logs are read."""

    server: ServerSettings = ServerSettings()
    """The HTTP server."""
    limits: LimitSettings = Field(default_factory=LimitSettings)
    """Limits of one request and of one caller."""
    documents: DocumentSettings = DocumentSettings()
    """Persisted and trusted documents."""
    auth: AuthSettings = Field(default_factory=AuthSettings)
    """Authentication and roles of callers."""
    cache: CacheSettings = Field(default_factory=CacheSettings)
    """The cache of vendors' responses."""
    journal: JournalSettings = Field(default_factory=JournalSettings)
    """The journal, which records retries and deletes."""
    log: LogSettings = LogSettings()
    """The log."""
    metrics: MetricsSettings = Field(default_factory=MetricsSettings)
    """Metrics for Prometheus."""
    traces: TracesSettings = Field(default_factory=TracesSettings)
    """Traces for OpenTelemetry."""
    sources: Annotated[
        tuple[SourceSettings, ...],
        error_message("must be a list of tables, each under [[sources]]"),
    ]
    """The systems whose webhook logs are read; at least one."""

    @field_validator("sources")
    @classmethod
    def _is_not_empty(cls, value: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        if not value:
            raise ValueError("must hold at least one source, under [[sources]]")
        return value


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Load the settings from a TOML file and from ``GATEWAY_...`` variables, which override it.

    The file is ``path``, or the one named by ``GATEWAY_CONFIG``, or ``gateway.toml`` in the working
    directory. Without a file, ``GATEWAY_SOURCES`` must hold the sources as JSON. References to
    secrets are resolved in ``environ``, too. An empty variable counts as not set.

    Raises ConfigurationError with every mistake; only text that can't be parsed hides the others.
    """
    variables = {
        name.upper(): text
        for name, value in environ.items()
        if name.upper().startswith("GATEWAY_")
        and (text := value.lstrip(BYTE_ORDER_MARK).rstrip("\r\n"))
    }
    complaints = dict(_misplaced(variables))
    problems = [f"{name}: {complaint}" for name, complaint in complaints.items()]
    problems += [f"{name}: {complaint}" for name, complaint in network_mistakes(environ)]
    variables = {name: value for name, value in variables.items() if name not in complaints}

    file = path or _default_file(variables)
    if file is None and "GATEWAY_SOURCES" not in variables:
        raise ConfigurationError([_NOTHING, *problems])
    values = _merged(_parse(file) if file else {}, _read_variables(variables))
    context = ReferenceContext(environ, file.parent if file else Path())
    found = list(_repeated_names(values.get("sources")))
    try:
        settings = Settings.model_validate(values, context=context)
    except ValidationError as error:
        found += problems_of(error, json_schema())
    else:
        found += unknown_sources(settings.auth, {source.name for source in settings.sources})
        found += _leaked_headers(settings)
        if not problems and not found:
            return settings
    origin = str(file or "environment")
    problems += [sentence(problem, origin, values, variables) for problem in found]
    raise ConfigurationError(problems)


def _leaked_headers(settings: Settings) -> Iterator[Problem]:
    """Yield the sources whose vendor would be sent a caller's key or token for the gateway."""
    headers = {"api-keys": {"authorization", "x-api-key"}, "jwt": {"authorization"}}
    own = set[str]().union(*(headers.get(method, ()) for method in settings.auth.methods))
    for index, source in enumerate(settings.sources):
        if source.auth.type == "pass-through" and source.auth.header.lower() in own:
            yield Problem(
                ("sources", index, "auth", "header"),
                "is the header of the caller's key or token for the gateway, which no vendor may"
                " see: choose another",
            )


@functools.cache  # making it leaves much to the collector, and a supervisor seldom runs it
def json_schema() -> dict[str, Any]:
    """Return the JSON schema of the file, draft 2020-12, for editors."""
    schema = Settings.model_json_schema(schema_generator=FileForm)
    return {"$schema": FileForm.schema_dialect, **schema}


_NOTHING = (
    "there is no configuration: give a file with --config or GATEWAY_CONFIG, or create gateway.toml"
    " in this folder"
)


_NO_JSON = (
    'the value is not JSON: write a list as ["a", "b"] and a table as {"key": "value"}, with all'
    " texts in double quotes"
)


def _default_file(variables: Mapping[str, str]) -> Path | None:
    if "GATEWAY_CONFIG" in variables:
        return Path(variables["GATEWAY_CONFIG"])
    file = Path("gateway.toml")
    # A link without a target is reported by name; so is a file in a folder without permission.
    return file if os.path.lexists(file) else None


def _parse(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(read_text(file))
    except UnreadableFileError as error:
        fault = str(error)
    except tomllib.TOMLDecodeError as error:
        fault = f"is not TOML: {error}"
        if re.match(r"Invalid hex value|Unescaped|Escaped character", str(error)):
            fault += (
                ". Between double quotes, a backslash begins an escape: put a path between single"
                " quotes"
            )
    except RecursionError:
        fault = "is not TOML: lists or tables lie too deep inside each other"
    except ValueError:
        fault = "is not TOML: a number has too many digits"
    raise ConfigurationError([f"{file}: the file {fault}"])


class _Variables(Settings, BaseSettings):
    """The model from which pydantic-settings derives the names of the variables.

    Strict, so that pydantic-settings turns "9000" into a number: they accept no text for it.
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", env_nested_delimiter="__", strict=True)


class _Environment(EnvSettingsSource):
    """Reads variables from a mapping instead of the process environment."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(_Variables)
        self.env_vars = {name.lower(): value for name, value in variables.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except (ValueError, RecursionError):
            if str in get_args(field.annotation):
                raise  # pydantic-settings then takes the text as it is
            name = next(
                name
                for name, text in self.env_vars.items()
                if text == value and name.endswith(field_name)
            )
        raise ConfigurationError([f"{name.upper()}: {_NO_JSON}"])


def _read_variables(variables: Mapping[str, str]) -> dict[str, Any]:
    try:
        return _Environment(variables)()
    except SettingsError as error:  # numbers of thousands of digits
        section = re.search(r'field "(\w+)"', str(error))
    prefix = f"GATEWAY_{section[1]}".upper() if section else "GATEWAY_"
    names = ", ".join(name for name in variables if name.startswith(prefix))
    raise ConfigurationError([f"{names}: {_NO_JSON}"])


def _misplaced(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield nested variables that set nothing, which pydantic-settings ignores.

    Variables without nesting are not reported: for a service "gateway", orchestrators set
    GATEWAY_PORT and others.
    """
    for name in variables:
        section, nested, _ = name.removeprefix("GATEWAY_").lower().partition("__")
        if nested and section == "sources":
            yield name, "one key of a source can't be set: give all sources in GATEWAY_SOURCES"
        elif nested and section not in Settings.model_fields:
            yield name, f"{section} {unknown_key(section, Settings.model_fields)}"


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    tables = {
        key: _merged(under[key], value)
        for key, value in over.items()
        if isinstance(value, dict) and isinstance(under.get(key), dict)
    }
    return under | over | tables


def _repeated_names(sources: object) -> Iterator[Problem]:
    if not isinstance(sources, list):
        return
    names = [source.get("name") if isinstance(source, dict) else None for source in sources]
    for index, name in enumerate(names):
        if isinstance(name, str) and (first := names.index(name)) < index:
            yield Problem(("sources", index, "name"), f"is the name of sources[{first}] already")
