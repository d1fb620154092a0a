"""The simulator of Yandex Tracker."""

from gateway.sandbox.yandex_tracker.api import YandexTracker

__all__ = ["YandexTracker"]
