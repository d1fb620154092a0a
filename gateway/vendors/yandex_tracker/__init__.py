"""The kit of Yandex Tracker."""

from gateway.vendors.yandex_tracker.vendor import YandexTracker

KIT = YandexTracker
