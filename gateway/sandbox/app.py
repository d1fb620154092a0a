"""The sandbox: all simulated vendors in one ASGI application."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar

from starlette.applications import Starlette
from starlette.exceptions import HTTPException

from gateway.sandbox.codearts import CodeArts
from gateway.sandbox.codearts.hooks import GROUP, PROJECTS, REPOSITORY
from gateway.sandbox.control import Control
from gateway.sandbox.credentials import Credentials
from gateway.sandbox.deliveries import Traffic, seeded
from gateway.sandbox.elastic_path import ElasticPath
from gateway.sandbox.etags import ETags
from gateway.sandbox.github import GitHub, GitHubApp
from gateway.sandbox.github.hooks import ORGANIZATION, REPOSITORIES
from gateway.sandbox.gitlab import GitLab
from gateway.sandbox.gitlab.hooks import GROUP as GITLAB_GROUP
from gateway.sandbox.gitlab.hooks import PROJECT as GITLAB_PROJECT
from gateway.sandbox.hookdeck import Hookdeck
from gateway.sandbox.language_weaver import LanguageWeaver
from gateway.sandbox.middleware import FaultMiddleware, Record
from gateway.sandbox.planted import plant
from gateway.sandbox.svix import Svix
from gateway.sandbox.vendor import Vendor, answer, vendor_at
from gateway.sandbox.yandex_tracker import YandexTracker
from gateway.sandbox.yandex_tracker.triggers import CLOUD_ORG_ID, ORG_ID, QUEUES

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp

    from gateway.sandbox.faults import Fault

_VENDORS = (
    *(CodeArts, YandexTracker, LanguageWeaver, ElasticPath),
    *(GitHub, GitLab, Svix, Hookdeck, GitHubApp),
)
"""All vendors. New ones come last, so that the history of those before them stays the same."""
_BY_DEFAULT = [vendor.name for vendor in _VENDORS if vendor is not GitHubApp]
"""One source of each system. An app's webhook can't share one with repositories."""


class Sandbox:
    """The vendors' REST APIs, with at least ``logs`` webhook logs of the last two weeks.

    ``app`` serves each vendor below its own prefixes, and also ``/control``. It needs no lifespan.
    Sandboxes with the same seed, clock and number of logs are equal. ``latency`` is the shortest
    and longest response time of a vendor in seconds. Logs arrive as the clock advances. With
    ``etags``, responses have an ``ETag`` and may be revalidated. ``vendors`` names those that there
    are.
    """

    codearts_projects: ClassVar[tuple[str, ...]] = PROJECTS
    codearts_group: ClassVar[int] = GROUP
    codearts_repository: ClassVar[int] = REPOSITORY
    tracker_org_id: ClassVar[str] = ORG_ID
    tracker_cloud_org_id: ClassVar[str] = CLOUD_ORG_ID
    tracker_queues: ClassVar[tuple[str, ...]] = tuple(QUEUES)
    github_repositories: ClassVar[tuple[str, ...]] = tuple(REPOSITORIES)
    github_organization: ClassVar[str] = ORGANIZATION
    gitlab_project: ClassVar[str] = GITLAB_PROJECT
    gitlab_group: ClassVar[str] = GITLAB_GROUP

    app: ASGIApp
    credentials: Credentials
    vendors: list[Vendor]

    def __init__(
        self,
        seed: int = 7,
        *,
        clock: Callable[[], float] = time.time,
        arrivals_per_second: float = 0.0,
        latency: tuple[float, float] = (0.0, 0.0),
        logs: int = 20_000,
        etags: bool = False,
        vendors: Collection[str] = _BY_DEFAULT,
    ) -> None:
        self.credentials = Credentials()
        secrets = plant(seeded(seed, "secrets"))
        if unknown := set(vendors) - {make.name for make in _VENDORS}:
            raise ValueError(f"unknown vendors: {', '.join(sorted(unknown))}")
        self.vendors: list[Vendor] = [
            make(seed, secrets, self.credentials, clock)
            for make in _VENDORS
            if make.name in vendors
        ]
        traffic = Traffic(
            [vendor.archive for vendor in self.vendors],
            seed=seed,
            clock=clock,
            arrivals_per_second=arrivals_per_second,
            logs=logs,
        )
        faults: dict[str, Fault] = {}
        record = Record()
        control = Control(self.vendors, traffic, secrets, faults, record)

        async def refuse(request: Request, error: Exception) -> Response:
            if not isinstance(error, HTTPException):
                raise error
            vendor = vendor_at(request.scope["path"], self.vendors)
            if vendor is None:
                return answer({"error": error.detail}, error.status_code)
            return vendor.error(error.status_code, error.detail)

        app = Starlette(
            routes=[
                *control.routes(),
                *(route for vendor in self.vendors for route in vendor.routes()),
            ],
            exception_handlers={HTTPException: refuse},
        )
        app.router.redirect_slashes = False
        self.app = FaultMiddleware(
            ETags(app) if etags else app,
            seed=seed,
            vendors=self.vendors,
            traffic=traffic,
            faults=faults,
            record=record,
            latency=latency,
            clock=clock,
        )
