"""The settings as a whole, and the one door to them: :func:`load`."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, StrictBool, ValidationError, field_validator
from pydantic.json_schema import GenerateJsonSchema
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict

from gateway.config.auth import AuthSettings, unknown_sources
from gateway.config.cache import CacheSettings
from gateway.config.documents import DocumentSettings
from gateway.config.journal import JournalSettings
from gateway.config.limits import LimitSettings, TimeLimit
from gateway.config.problems import Problem, problems_of, sentence, unknown
from gateway.config.secret import Surroundings
from gateway.config.sources import SourceSettings
from gateway.config.values import ListOf, Origin, RootPath, Table, Text, or_else
from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pydantic.fields import FieldInfo
    from pydantic.json_schema import JsonSchemaValue
    from pydantic_core import core_schema


class ServerSettings(Table):
    """The gateway's own HTTP server, and the limits of one operation."""

    host: Text = "127.0.0.1"
    """The address to listen on."""
    port: Annotated[int, Field(strict=True, ge=0, le=65535)] = 8000
    """The port to listen on; 0 takes any free one."""
    root_path: RootPath = ""
    """The prefix of all paths that a proxy in front adds and does not strip, such as "/hooks".

    A proxy that strips it needs no setting.
    """
    deadline: TimeLimit = TimeLimit()
    """How long one GraphQL operation may wait for all vendors together, and look for the webhook
    logs of its filters, in seconds; or, as with [limits], "off" or { max = 10.0, mode = "warn" }.

    A caller lowers it for a request by the header X-Request-Timeout. In any mode it is the time
    that is left when the server is stopped, and without a number that is 10 seconds.
    """
    scan_limit: Annotated[int, Field(strict=True, ge=1, le=100_000)] = 2000
    """How many webhook logs one page may look at to find those of its filter, in rows."""
    batch_size: Annotated[int, Field(strict=True, ge=0, le=100)] = 0
    """How many operations one request may hold, as a list; 0 takes no lists."""
    cors_origins: ListOf[Origin] = ()
    """The origins of other sites whose pages may send requests and read the answers."""
    graphiql: StrictBool = True
    """Whether browsers get the GraphiQL explorer at /graphql."""
    introspection: StrictBool = True
    """Whether callers may ask for the schema; when they may not, no message names what they did
    not write, and there is no GraphiQL, which lives on it."""
    incremental: StrictBool = False
    """Whether callers may have parts of an answer later, by the directives @defer and @stream."""


class Settings(Table, title="Configuration of the webhook log gateway"):
    """Where to serve, and the systems whose webhook logs are read."""

    server: ServerSettings = ServerSettings()
    """Where the gateway listens, and what one operation may cost."""
    limits: LimitSettings = Field(default_factory=LimitSettings)
    """How much one request, and one caller, may ask for."""
    documents: DocumentSettings = DocumentSettings()
    """Which documents are executed."""
    auth: AuthSettings = Field(default_factory=AuthSettings)
    """How callers show who they are, and what each may do."""
    cache: CacheSettings = Field(default_factory=CacheSettings)
    """What is kept of what vendors said, and for how long."""
    journal: JournalSettings = Field(default_factory=JournalSettings)
    """Where retries and deletes are recorded."""
    sources: Annotated[
        tuple[SourceSettings, ...], or_else("must be a list of tables, each under [[sources]]")
    ]
    """The systems whose webhook logs are read, at least one."""

    @field_validator("sources")
    @classmethod
    def _is_not_empty(cls, value: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
        if not value:
            raise ValueError("must hold at least one source, under [[sources]]")
        return value


def load(path: Path | None, environ: Mapping[str, str]) -> Settings:
    """Read the settings from a TOML file and from ``GATEWAY_...`` variables, which win over it.

    The file is ``path``, else the one that ``GATEWAY_CONFIG`` names, else ``gateway.toml`` in the
    working directory. Without any, ``GATEWAY_SOURCES`` has to hold the sources, as JSON. The
    references of secrets are looked up in ``environ`` too. An empty variable is as good as none.

    Raises ConfigurationError with every mistake; only text that can't be parsed hides the others.
    """
    variables = {
        name.upper(): value
        for name, value in environ.items()
        if value and name.upper().startswith("GATEWAY_")
    }
    complaints = dict(_misplaced(variables))
    problems = [f"{name}: {complaint}" for name, complaint in complaints.items()]
    variables = {name: value for name, value in variables.items() if name not in complaints}

    file = path or _usual_file(variables)
    if file is None and "GATEWAY_SOURCES" not in variables:
        raise ConfigurationError([_NOTHING, *problems])
    values = _merged(_parsed(file) if file else {}, _Environment(variables)())
    surroundings = Surroundings(environ, file.parent if file else Path())
    found = list(_repeated_names(values.get("sources")))
    try:
        settings = Settings.model_validate(values, context=surroundings)
    except ValidationError as error:
        found += problems_of(error, json_schema())
    else:
        found += unknown_sources(settings.auth, {source.name for source in settings.sources})
        found += _disclosed(settings)
        if not problems and not found:
            return settings
    origin = str(file or "environment")
    problems += [sentence(problem, origin, values, variables) for problem in found]
    raise ConfigurationError(problems)


def _disclosed(settings: Settings) -> Iterator[Problem]:
    """Find the sources whose vendor would be sent a caller's key or token for the gateway."""
    headers = {"api-keys": {"authorization", "x-api-key"}, "jwt": {"authorization"}}
    own = set[str]().union(*(headers.get(method, ()) for method in settings.auth.methods))
    for index, source in enumerate(settings.sources):
        if source.auth.type == "pass-through" and source.auth.header.lower() in own:
            yield Problem(
                ("sources", index, "auth", "header"),
                "is where callers send their key or token for the gateway, which no vendor may"
                " see; name another",
            )


def json_schema() -> dict[str, Any]:
    """Describe the form of the file, for editors: a JSON schema of draft 2020-12."""
    schema = Settings.model_json_schema(schema_generator=_FileForm)
    return {"$schema": _FileForm.schema_dialect, **schema}


class _FileForm(GenerateJsonSchema):
    """Leaves out null, which TOML can't write, and the titles that only repeat a key."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 - pydantic's hook
        return False


_NOTHING = (
    "there is no configuration: give a file with --config or GATEWAY_CONFIG, or write gateway.toml "
    "in this folder"
)


def _usual_file(variables: Mapping[str, str]) -> Path | None:
    if "GATEWAY_CONFIG" in variables:
        return Path(variables["GATEWAY_CONFIG"])
    file = Path("gateway.toml")
    return file if file.exists() else None


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        fault = "the file does not exist"
    except OSError:
        fault = "the file can't be read"
    except UnicodeDecodeError:
        fault = "the file is not UTF-8 text"
    except tomllib.TOMLDecodeError as error:
        fault = f"the file is not TOML: {error}"
    raise ConfigurationError([f"{file}: {fault}"])


class _Variables(Settings, BaseSettings):
    """The settings in the form that pydantic-settings derives the names of variables from.

    Strict, so that it turns "9000" into a number itself: the models do not take text for one.
    """

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", env_nested_delimiter="__", strict=True)


class _Environment(EnvSettingsSource):
    """Reads the variables that it is given, in place of those of the process."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__(_Variables)
        self.env_vars = {name.lower(): value for name, value in variables.items()}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            name = next(name for name, text in self.env_vars.items() if text == value)
        raise ConfigurationError([f"{name.upper()}: the value is not JSON"])


def _misplaced(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Find the nested variables that set nothing, which pydantic-settings passes over.

    Others are left alone: orchestrators set the like of GATEWAY_PORT for a service "gateway".
    """
    for name in variables:
        section, nested, _ = name.removeprefix("GATEWAY_").lower().partition("__")
        if nested and section == "sources":
            yield name, "one key of a source can't be set: give all sources in GATEWAY_SOURCES"
        elif nested and section not in Settings.model_fields:
            yield name, f"{section} {unknown(section, Settings.model_fields)}"


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
