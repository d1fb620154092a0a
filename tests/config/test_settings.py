"""The settings: the format of each table, and the defaults."""

from __future__ import annotations

import math
import pickle
import subprocess
import sys
from pathlib import Path

import certifi
import pytest
from pydantic import SecretStr, ValidationError

from gateway.config import Limit, LimitSettings, TimeLimit, is_loopback
from gateway.errors import ConfigurationError
from gateway.settings import ServerSettings, Settings
from gateway.vendors import VENDORS
from gateway.vendors.codearts.settings import CodeArtsIam, CodeArtsSettings, CodeArtsToken
from gateway.vendors.elastic_path.settings import ElasticPathClientCredentials, ElasticPathSettings
from gateway.vendors.language_weaver.settings import (
    LanguageWeaverApiKey,
    LanguageWeaverLogin,
    LanguageWeaverSettings,
)
from gateway.vendors.yandex_tracker.settings import (
    YandexTrackerIam,
    YandexTrackerOAuth,
    YandexTrackerSettings,
)
from tests.config.documents import EXAMPLE, read, read_source, table


def test_example() -> None:
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
def test_other_kinds_of_authentication(source: str, changes: dict[str, str], auth: object) -> None:
    assert read_source(source, **changes).auth == auth


def test_defaults_of_every_table() -> None:
    settings = read(table("shop", base_url="") + table("tracker"))
    shop, tracker = settings.sources
    assert settings.server.model_dump() == {
        "host": "127.0.0.1",
        "port": 8000,
        "workers": 1,
        "root_path": "",
        "deadline": 10.0,
        "drain": 0.0,
        "scan_limit": 2000,
        "batch_size": 0,
        "cors_origins": (),
        "graphiql": True,
        "console": True,
        "introspection": True,
        "compiled": True,
        "incremental": False,
    }
    assert shop.base_url == "https://euwest.api.elasticpath.com"
    assert tracker.base_url == "https://api.tracker.yandex.net"
    assert (shop.timeout, shop.concurrency, shop.page_size) == (8.0, 10, 50)
    assert shop.ca_bundle is None


def test_limit_is_a_number_or_off_or_a_table() -> None:
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


@pytest.mark.slow
def test_deadline_is_a_limit_in_seconds() -> None:
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
def test_empty_choice_equals_none(source: str, key: str, empty: str) -> None:
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
        ("LOCALHOST", True),
        ("localhost.", True),
        (" 127.0.0.1 ", True),
        ("::ffff:127.0.0.1", True),
        ("::ffff:10.0.0.1", False),
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


def test_workers_get_settings_of_all_vendors() -> None:
    """A worker gets them by pickle, and some vendors have a class that is made at run time."""
    pickled = pickle.dumps([vendor.settings for vendor in VENDORS.values()])
    worker = [sys.executable, "-c", "import pickle, sys; pickle.load(sys.stdin.buffer)"]
    subprocess.run(worker, input=pickled, check=True)  # noqa: S603 - its command is above
