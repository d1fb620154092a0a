"""The vendors: a kit each, and this registry of them."""

from __future__ import annotations

from typing import Any

from gateway.vendors.base import Vendor
from gateway.vendors.codearts import CodeArts
from gateway.vendors.elastic_path import ElasticPath
from gateway.vendors.language_weaver import LanguageWeaver
from gateway.vendors.yandex_tracker import YandexTracker

__all__ = ["VENDORS"]

VENDORS: dict[str, type[Vendor[Any]]] = {
    kit.provider: kit for kit in (CodeArts, YandexTracker, LanguageWeaver, ElasticPath)
}
"""The kits by the name of their provider in the configuration."""
