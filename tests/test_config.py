"""The configuration: its format letter by letter, each mistake's sentence, and no secret shown."""

from __future__ import annotations

import json
import math
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import certifi
import jsonschema_rs
import pytest
from pydantic import SecretStr, ValidationError

from gateway.config import (
    CodeArtsIam,
    CodeArtsSettings,
    CodeArtsToken,
    ElasticPathClientCredentials,
    ElasticPathSettings,
    LanguageWeaverApiKey,
    LanguageWeaverLogin,
    LanguageWeaverSettings,
    Limit,
    LimitSettings,
    ServerSettings,
    Settings,
    TimeLimit,
    YandexTrackerIam,
    YandexTrackerOAuth,
    YandexTrackerSettings,
    is_loopback,
    json_schema,
    load,
)
from gateway.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from gateway.config import SourceSettings

DATA = Path(__file__).parent / "config"
EXAMPLE = (DATA / "example.toml").read_text(encoding="utf-8")
SOURCES = {
    json.loads(keys["name"]): keys
    for keys in (
        dict(line.split(" = ", 1) for line in section.splitlines() if line and line[0] != "#")
        for section in EXAMPLE.split("[[sources]]\n")[1:]
    )
}
SOURCES["translations"].pop("ca_bundle")

# The pla1nted ones must not be shown. Only some secrets may hold what is not ASCII.
SECRETS = {
    "CODEARTS_TOKEN": "pla1nted-codearts",
    "TRACKER_TOKEN": "pla1nted-tracker",
    "LW_KEY": "pla1nted-key",
    "EP_ID": "pla1nted-id",
    "EP_SECRET": "pla1nted-secret",
    "PASSWORD": "pla1nted пароль",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def table(source: str, **changes: str) -> str:
    """Write a source of the example with some keys given other TOML values, or left out by ""."""
    keys = {**SOURCES[source], **changes}
    return "".join(["[[sources]]\n", *(f"{key} = {keys[key]}\n" for key in keys if keys[key])])


def read(document: str, **environ: str) -> Settings:
    Path("gateway.toml").write_text(document, encoding="utf-8")
    return load(None, {**SECRETS, **environ})


def read_source(source: str, **changes: str) -> SourceSettings:
    (settings,) = read(table(source, **changes)).sources
    return settings


def problems(document: str, **environ: str) -> list[str]:
    """Read a document that can't be used."""
    with pytest.raises(ConfigurationError) as caught:
        read(document, **environ)
    assert caught.value.__context__ is None  # a traceback would show its values
    return list(caught.value.problems)


def problems_without_file(environ: Mapping[str, str]) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(None, environ)
    return list(caught.value.problems)


def api_key(reference: str) -> str:
    return f'{{ type = "api-key", key = {reference} }}'


# The format


def test_the_example() -> None:
    document = EXAMPLE.replace("/etc/ssl/controller.pem", certifi.where())
    assert read(document) == Settings(
        server=ServerSettings(host="127.0.0.1", port=8000),
        sources=(
            CodeArtsSettings(
                name="repo-cn",
                provider="codearts",
                base_url="https://codehub-ext.cn-north-4.myhuaweicloud.com",
                projects=("a642c851d4dc4853b595e5c8a5e56df7",),
                hooks=(990085,),
                auth=CodeArtsToken(type="token", token=SecretStr("pla1nted-codearts")),
            ),
            YandexTrackerSettings(
                name="tracker",
                provider="yandex-tracker",
                org_id="12345",
                queues=("DEV",),
                auth=YandexTrackerOAuth(type="oauth", token=SecretStr("pla1nted-tracker")),
            ),
            LanguageWeaverSettings(
                name="translations",
                provider="language-weaver",
                base_url="https://controller-host:8001",
                ca_bundle=Path(certifi.where()),
                auth=LanguageWeaverApiKey(type="api-key", key=SecretStr("pla1nted-key")),
            ),
            ElasticPathSettings(
                name="shop",
                provider="elastic-path",
                auth=ElasticPathClientCredentials(
                    type="client-credentials",
                    client_id=SecretStr("pla1nted-id"),
                    client_secret=SecretStr("pla1nted-secret"),
                ),
            ),
        ),
    )


@pytest.mark.parametrize(
    ("source", "changes", "auth"),
    [
        (
            "repo-cn",
            {
                "auth": '{ type = "iam", url = "https://iam.cn-north-4.myhuaweicloud.com", '
                'domain = "acme", user = "svc", password = { env = "PASSWORD" }, '
                'project = "cn-north-4" }'
            },
            CodeArtsIam(
                type="iam",
                url="https://iam.cn-north-4.myhuaweicloud.com",
                domain="acme",
                user="svc",
                password=SecretStr("pla1nted пароль"),
                project="cn-north-4",
            ),
        ),
        (
            "tracker",
            {
                "org_id": "",
                "cloud_org_id": '"bpf123"',
                "auth": '{ type = "iam", token = { env = "TRACKER_TOKEN" } }',
            },
            YandexTrackerIam(
                type="iam",
                token=SecretStr("pla1nted-tracker"),
                url="https://iam.api.cloud.yandex.net/iam/v1/tokens",
            ),
        ),
        (
            "tracker",
            {
                "org_id": "",
                "cloud_org_id": '"bpf123"',
                "auth": '{ type = "iam", passport_token = { env = "TRACKER_TOKEN" }, '
                'url = "http://127.0.0.1:9/tokens" }',
            },
            YandexTrackerIam(
                type="iam",
                passport_token=SecretStr("pla1nted-tracker"),
                url="http://127.0.0.1:9/tokens",
            ),
        ),
        (
            "translations",
            {"auth": '{ type = "login", username = "ops", password = { env = "PASSWORD" } }'},
            LanguageWeaverLogin(
                type="login", username="ops", password=SecretStr("pla1nted пароль")
            ),
        ),
    ],
    ids=["huawei-iam", "yandex-iam-token", "yandex-iam-passport", "language-weaver-login"],
)
def test_the_other_forms_of_authentication(
    source: str, changes: dict[str, str], auth: object
) -> None:
    assert read_source(source, **changes).auth == auth


def test_defaults() -> None:
    settings = read(table("shop", base_url="") + table("tracker"))
    shop, tracker = settings.sources
    assert settings.server.model_dump() == {
        "host": "127.0.0.1",
        "port": 8000,
        "root_path": "",
        "deadline": 10.0,
        "scan_limit": 2000,
        "batch_size": 0,
        "cors_origins": (),
        "graphiql": True,
        "introspection": True,
        "incremental": False,
    }
    assert shop.base_url == "https://euwest.api.elasticpath.com"
    assert tracker.base_url == "https://api.tracker.yandex.net"
    assert (shop.timeout, shop.concurrency, shop.page_size) == (8.0, 10, 50)
    assert shop.ca_bundle is None


def test_a_limit_is_a_number_or_off_or_both() -> None:
    assert read(table("shop")).limits == LimitSettings()
    assert {limit.mode for _, limit in LimitSettings()} == {"enforce"}
    limits = read(
        """[limits]
        depth = 5
        cost = "off"
        rate = { max = 6, mode = "warn" }
        aliases = { max = 7, mode = "off" }
        """
        + table("shop"),
        GATEWAY_LIMITS__TOKENS="8",
        GATEWAY_LIMITS__BODY="off",
        GATEWAY_LIMITS__DEPTH='{"max": 9, "mode": "enforce"}',
    ).limits
    assert (limits.depth, limits.tokens) == (Limit(9), Limit(8))
    assert (limits.rate, limits.aliases) == (Limit(6, "warn"), Limit(7, "off"))
    assert {limits.cost.mode, limits.body.mode} == {"off"}
    assert limits.root_fields == LimitSettings().root_fields
    dumped = limits.model_dump()
    assert (dumped["depth"], dumped["rate"]) == (9, {"max": 6, "mode": "warn"})
    assert LimitSettings.model_validate(dumped) == limits


def test_the_deadline_is_a_limit_in_seconds() -> None:
    for given, deadline in [
        ("2.5", TimeLimit(2.5)),
        ("3", TimeLimit(3)),
        ('"off"', TimeLimit(10.0, "off")),
        ('{ max = 60, mode = "off" }', TimeLimit(60, "off")),
        ('{ max = 0.5, mode = "warn" }', TimeLimit(0.5, "warn")),
    ]:
        settings = read(f"[server]\ndeadline = {given}\n" + table("shop")).server
        assert settings.deadline == deadline
        assert ServerSettings.model_validate(settings.model_dump()) == settings
        seconds = deadline.max if deadline.mode == "enforce" else math.inf
        assert settings.deadline.seconds == seconds
    form = '"off", or a table such as { max = 10.0, mode = "warn" }'
    for given in ("0", "-1.0", "300.1", "true", "nan", "inf", '"on"', "{ max = 1 }", "[]"):
        with pytest.raises(ConfigurationError, match="must be a number of seconds") as error:
            read(f"[server]\ndeadline = {given}\n" + table("shop"))
        assert form in str(error.value)


def test_scopes_and_choices() -> None:
    repositories = read_source(
        "repo-cn", projects="", groups="[1]", repositories="[2147483647]", hooks=""
    )
    tracker = read_source("tracker", queues="", triggers="{ DEV = [41, 42], 7 = [1] }")
    assert isinstance(repositories, CodeArtsSettings)
    assert isinstance(tracker, YandexTrackerSettings)
    assert (repositories.projects, repositories.groups) == ((), (1,))
    assert repositories.repositories == (2147483647,)
    assert (repositories.hooks, tracker.queues) == ((), ())
    assert tracker.triggers == {"DEV": (41, 42), "7": (1,)}


@pytest.mark.parametrize(
    ("source", "key", "empty"),
    [("repo-cn", "hooks", "[]"), ("tracker", "triggers", "{}"), ("shop", "integrations", "[]")],
)
def test_an_empty_choice_is_as_good_as_none(source: str, key: str, empty: str) -> None:
    assert read_source(source, **{key: empty}) == read_source(source, **{key: ""})


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://Vendor.Example/", "https://vendor.example"),
        ("https://vendor.example:443/api/", "https://vendor.example/api"),
        ("http://localhost:8001/lw/", "http://localhost:8001/lw"),
        ("http://[::1]:80", "http://[::1]"),
        ("http://127.8.0.1", "http://127.8.0.1"),
    ],
)
def test_addresses(written: str, kept: str) -> None:
    assert read_source("shop", base_url=f'"{written}"').base_url == kept


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost", True),
        ("shop.localhost", True),
        ("127.0.0.1", True),
        ("[::1]", True),
        ("::1", True),
        ("192.0.2.1", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_settings_do_not_change() -> None:
    settings = read(table("shop"))
    with pytest.raises(ValidationError):
        settings.server.port = 1
    with pytest.raises(ValidationError):
        settings.sources[0].name = "other"


# Mistakes


def mistakes() -> Iterator[Any]:
    """Take the blocks of the file apart: a document, and the sentence without its file."""
    text = (DATA / "mistakes.txt").read_text(encoding="utf-8")
    for block in text.split("\n\n")[1:]:
        kind, *indented, sentence = block.strip().splitlines()
        lines = [line.removeprefix("    ") for line in indented]
        if kind == "document":
            parts = [table(line[1:]) if line[0] == "@" else f"{line}\n" for line in lines]
            document = "".join(parts)
        else:
            changes = dict(line.split(" =", 1) for line in lines)
            document = table(kind, **{key: value.strip() for key, value in changes.items()})
            if not sentence.startswith("sources["):
                sentence = f'sources[0] "{kind}": {sentence}'
        yield pytest.param(document, sentence, id=" ".join([kind, *lines]))


@pytest.mark.parametrize(("document", "sentence"), list(mistakes()))
def test_one_mistake(folder: Path, document: str, sentence: str) -> None:
    (folder / "blank").write_text(" \n")
    (folder / "binary").write_bytes(b"\xff")
    (folder / "two-lines").write_text("pla1nted\nsecret\n")
    assert problems(document, EMPTY="") == [f"gateway.toml: {sentence}"]


KEYS = f"""
[auth]
methods = ["api-keys"]
keys = [{{ name = "a", role = "viewer", hash = "sha256:{"0" * 64}" }}]
"""
TOKENS = """
[auth]
methods = ["jwt"]
jwt = { issuer = "a", audience = "b", jwks_url = "https://id.example/keys" }
"""


@pytest.mark.parametrize(
    ("auth", "header", "fits"),
    [
        ("", "Authorization", True),
        (KEYS, "authorization", False),
        (KEYS, "X-Api-Key", False),
        (KEYS, "X-Shop-Authorization", True),
        (TOKENS, "Authorization", False),
        (TOKENS, "X-Api-Key", True),
    ],
)
def test_no_vendor_is_sent_what_opens_the_gateway(auth: str, header: str, fits: bool) -> None:
    document = auth + table("shop", auth=f'{{ type = "pass-through", header = "{header}" }}')
    if fits:
        read(document)
        return
    assert problems(document) == [
        'gateway.toml: sources[0] "shop": auth.header is where callers send their key or token'
        " for the gateway, which no vendor may see; name another"
    ]


def test_all_mistakes_at_once() -> None:
    document = (
        "[server]\nprot = 9000\n"
        + table("shop", auth='{ type = "client-credentials", client_id = { env = "EP_ID" } }')
        + table("tracker", org_id="", base_url='"https//tracker"')
        + table("shop", provider='"shopify"')
    )
    assert [problem.split(" ")[:4] for problem in problems(document)] == [
        ["gateway.toml:", "sources[2]", '"shop":', "name"],
        ["gateway.toml:", "server.prot", "is", "unknown:"],
        ["gateway.toml:", "sources[0]", '"shop":', "auth.client_secret"],
        ["gateway.toml:", "sources[1]", '"tracker":', "base_url"],
        ["gateway.toml:", "sources[1]", '"tracker":', "org_id"],
        ["gateway.toml:", "sources[2]", '"shop":', "provider"],
    ]


WRONG = (
    *('"pla1nted"', '""', "-1", "0.5", "nan", "true", "1979-05-27", "[]", "{}", "[{}]", "[[1]]"),
    *('["pla1nted"]', '{ pla1nted = "pla1nted" }', '{ env = "pla1nted" }', '{ file = "pla1nted" }'),
    '"https://pla1nted:pla1nted@host"',
)


@pytest.mark.parametrize("source", SOURCES)
def test_every_key_has_a_sentence_for_every_wrong_value(source: str) -> None:
    forms = [form["properties"] for form in json_schema()["$defs"].values()]
    provider = json.loads(SOURCES[source]["provider"])
    (keys,) = (form for form in forms if form.get("provider", {}).get("const") == provider)
    wrong = [(key, value) for key in keys for value in WRONG]
    wrong += [
        ("auth", f'{{ type = "{form["type"]["const"]}", {key} = {value} }}')
        for form in forms
        for key in form.keys() - {"type"}
        for value in WRONG
        if "type" in form
    ]
    sentences = problems(
        "".join(
            table(source, **{"name": f'"n{index}"', key: value})
            for index, (key, value) in enumerate(wrong)
        )
    )
    assert len(sentences) > len(wrong) / 2
    for sentence in sentences:
        # The name of a source and the keys of tables are all that a sentence repeats.
        said = re.sub(r'(sources\[\d+\] "|triggers\.|auth\.|cache\.)pla1nted', "", sentence)
        assert "pla1nted" not in said
        assert sentence.startswith("gateway.toml: sources[")
        assert not re.search("Input|Value error|pydantic|type=|NoneType", sentence)


# The file


def test_the_file_that_is_given_wins(folder: Path) -> None:
    (folder / "a.toml").write_text("[server]\nport = 1\n" + table("shop"))
    (folder / "b.toml").write_text("[server]\nport = 2\n" + table("shop"))
    (folder / "gateway.toml").write_text("[server]\nport = 3\n" + table("shop"))
    named = {**SECRETS, "GATEWAY_CONFIG": "b.toml"}
    assert load(folder / "a.toml", named).server.port == 1
    assert load(None, named).server.port == 2
    assert load(None, SECRETS).server.port == 3


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    (folder / "latin.toml").write_bytes(b"# \xe9")
    assert problems_without_file({"GATEWAY_CONFIG": "absent.toml"}) == [
        "absent.toml: the file does not exist"
    ]
    assert problems_without_file({"GATEWAY_CONFIG": "latin.toml"}) == [
        "latin.toml: the file is not UTF-8 text"
    ]
    assert problems_without_file({"GATEWAY_CONFIG": str(folder)}) == [
        f"{folder}: the file can't be read"
    ]
    assert problems_without_file({"GATEWAY_CONFIG": ""}) == [
        (
            "there is no configuration: give a file with --config or GATEWAY_CONFIG, "
            "or write gateway.toml in this folder"
        )
    ]


def test_relative_paths_start_at_the_folder_of_the_file(folder: Path) -> None:
    (folder / "etc").mkdir()
    (folder / "etc" / "key").write_text("pla1nted-in-file \n\n")
    (folder / "etc" / "ca.pem").write_bytes(Path(certifi.where()).read_bytes())
    file = folder / "etc" / "gateway.toml"
    file.write_text(table("translations", ca_bundle='"ca.pem"', auth=api_key('{ file = "key" }')))
    (source,) = load(Path("etc/gateway.toml"), {}).sources
    assert isinstance(source.auth, LanguageWeaverApiKey)
    assert source.auth.key.get_secret_value() == "pla1nted-in-file"
    assert source.ca_bundle == Path("etc/ca.pem")
    file.write_text(table("translations", auth=api_key(f'{{ file = "{folder}/etc/key" }}')))
    assert load(file, {}).sources[0].auth == source.auth


# The environment


def test_the_environment_wins() -> None:
    settings = read(
        "[server]\nport = 1\nscan_limit = 7\n" + table("shop"),
        GATEWAY_SERVER__PORT="9000",
        GATEWAY_SERVER__DEADLINE="2.5",
        GATEWAY_SERVER__GRAPHIQL="false",
        gateway_server__host="::1",
        GATEWAY_SERVER__SCAN_LIMIT="",
        GATEWAY_PORT="tcp://10.0.0.1:80",
    )
    assert settings.server == ServerSettings(
        host="::1", port=9000, deadline=TimeLimit(2.5), scan_limit=7, graphiql=False
    )


def test_the_environment_alone_is_enough() -> None:
    source = {
        "name": "translations",
        "provider": "language-weaver",
        "base_url": "https://controller-host:8001",
        "auth": {"type": "api-key", "key": {"env": "LW_KEY"}},
    }
    settings = load(None, {**SECRETS, "GATEWAY_SOURCES": json.dumps([source])})
    assert settings == read(table("translations"))


def test_the_process_environment_has_no_say(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATEWAY_SERVER__PORT", "9000")
    monkeypatch.setenv("GATEWAY_SERVER__HOST", "::1")
    monkeypatch.setenv("LW_KEI", "set")
    assert read(table("shop")).server == ServerSettings()
    assert Settings(sources=read(table("shop")).sources).server == ServerSettings()
    assert len(problems(table("translations", auth=api_key('{ env = "LW_KEI" }')))) == 1


def test_mistakes_in_the_environment_name_the_variable() -> None:
    assert problems(
        table("shop"),
        GATEWAY_SERVER__PORT="http",
        GATEWAY_SERVER__PROT="1",
        GATEWAY_SERVR__PORT="1",
        GATEWAY_SOURCES__0__TIMEOUT="3",
    ) == [
        "GATEWAY_SERVR__PORT: servr is unknown: did you mean server?",
        (
            "GATEWAY_SOURCES__0__TIMEOUT: one key of a source can't be set: "
            "give all sources in GATEWAY_SOURCES"
        ),
        "GATEWAY_SERVER__PORT: server.port must be a whole number from 0 to 65535",
        "GATEWAY_SERVER__PROT: server.prot is unknown: did you mean port?",
    ]
    assert problems(table("shop"), GATEWAY_SERVER="1") == ["GATEWAY_SERVER: server must be a table"]
    assert problems_without_file({"GATEWAY_SOURCES": '[{"name": "pla1nted'}) == [
        "GATEWAY_SOURCES: the value is not JSON"
    ]
    assert problems_without_file({"GATEWAY_SOURCES": '[{"provider": "codearts", "name": "x"}]'})[
        0
    ] == (
        'GATEWAY_SOURCES: sources[0] "x": base_url is missing: it must be an http or https '
        'address, such as "https://vendor.example:8001"'
    )


# Secrets


def test_no_secret_is_printed() -> None:
    settings = read(EXAMPLE.replace("/etc/ssl/controller.pem", certifi.where()))
    auths = [source.auth for source in settings.sources]
    shown = [
        repr(settings),
        str(settings),
        str(settings.model_dump()),
        settings.model_dump_json(),
        str(auths),
        "\n".join(problems(EXAMPLE, GATEWAY_SERVER__PORT="http")),
    ]
    for text in shown:
        assert "pla1nted" not in text
    assert isinstance(auths[0], CodeArtsToken)
    assert auths[0].token.get_secret_value() == "pla1nted-codearts"


@pytest.mark.parametrize("value", ["", "pla1nted\n", "pla1nted пароль", "pla1nted\udcff"])
def test_code_cannot_pass_an_unfit_secret(value: str) -> None:
    with pytest.raises(ValidationError) as caught:
        CodeArtsToken(type="token", token=SecretStr(value))
    assert "pla1nted" not in str(caught.value)


def test_code_cannot_pass_a_reference() -> None:
    with pytest.raises(ValidationError, match="names an environment variable PATH that is not set"):
        CodeArtsToken.model_validate({"type": "token", "token": {"env": "PATH"}})


# The JSON schema


def test_the_example_fits_the_json_schema() -> None:
    validator = jsonschema_rs.Draft202012Validator(json_schema())
    validator.validate(tomllib.loads(EXAMPLE))
    for limit in ("5", '"off"', '{ max = 1, mode = "warn" }'):
        validator.validate(tomllib.loads(f"[limits]\ndepth = {limit}\n" + table("shop")))
    validator.validate(tomllib.loads(table("tracker", queues="", triggers="{ DEV = [41] }")))


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[sever]\n" + table("shop"),
        "[limits]\ndepth = 0\n" + table("shop"),
        "[limits]\ndepth = { max = 1 }\n" + table("shop"),
        table("shop", name=""),
        table("shop", provider='"github"'),
        table("shop", page_size="101"),
        table("shop", hooks="[1]"),
        table("translations", auth=api_key('"pla1nted"')),
        table("translations", auth=api_key('{ env = "A", file = "B" }')),
    ],
)
def test_the_json_schema_refuses(document: str) -> None:
    validator = jsonschema_rs.Draft202012Validator(json_schema())
    assert not validator.is_valid(tomllib.loads(document))


def test_the_json_schema_explains_every_key_and_has_no_null() -> None:
    schema = json_schema()
    jsonschema_rs.meta.validate(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    tables: list[dict[str, Any]] = [schema, *schema["$defs"].values()]
    for form in tables:
        assert form["title"]
        assert form["description"]
        for key, value in form["properties"].items():
            assert value.get("description", "").endswith("."), (form["title"], key)
    assert "null" not in json.dumps(schema)
