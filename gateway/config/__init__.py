"""The settings of the gateway, from a TOML file and the environment.

:func:`load` is the one door for both; code, such as the demo, builds :class:`Settings` itself.
``os.environ`` has no say here, and no secret leaves its ``SecretStr``: not in a repr, a dump or the
sentence about a mistake.

The docstrings of the models and their attributes are the descriptions in the JSON schema.
"""

from __future__ import annotations

from gateway.config.documents import DocumentSettings, Manifest
from gateway.config.limits import Limit, LimitSettings, TimeLimit
from gateway.config.settings import ServerSettings, Settings, json_schema, load
from gateway.config.sources import (
    CodeArtsIam,
    CodeArtsSettings,
    CodeArtsToken,
    ElasticPathClientCredentials,
    ElasticPathSettings,
    LanguageWeaverApiKey,
    LanguageWeaverLogin,
    LanguageWeaverSettings,
    PassThrough,
    SourceSettings,
    YandexTrackerIam,
    YandexTrackerOAuth,
    YandexTrackerSettings,
)
from gateway.config.values import is_loopback

__all__ = [
    "CodeArtsIam",
    "CodeArtsSettings",
    "CodeArtsToken",
    "DocumentSettings",
    "ElasticPathClientCredentials",
    "ElasticPathSettings",
    "LanguageWeaverApiKey",
    "LanguageWeaverLogin",
    "LanguageWeaverSettings",
    "Limit",
    "LimitSettings",
    "Manifest",
    "PassThrough",
    "ServerSettings",
    "Settings",
    "SourceSettings",
    "TimeLimit",
    "YandexTrackerIam",
    "YandexTrackerOAuth",
    "YandexTrackerSettings",
    "is_loopback",
    "json_schema",
    "load",
]
