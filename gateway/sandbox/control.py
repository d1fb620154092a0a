"""The sandbox's own API, for tests: faults, arrivals, and the actual data of the vendors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Route

from gateway.sandbox.faults import Fault
from gateway.sandbox.vendor import answer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request

    from gateway.sandbox.deliveries import Delivery, Traffic
    from gateway.sandbox.middleware import Record
    from gateway.sandbox.vendor import Vendor


class _Arrival(msgspec.Struct, forbid_unknown_fields=True):
    count: int


class Control:
    """The endpoints below ``/control``."""

    def __init__(
        self,
        vendors: Sequence[Vendor],
        traffic: Traffic,
        secrets: Mapping[str, str],
        faults: dict[str, Fault],
        record: Record,
    ) -> None:
        self._vendors = {vendor.name: vendor for vendor in vendors}
        self._traffic = traffic
        self._secrets = secrets
        self._faults = faults
        self._record = record

    def routes(self) -> list[Route]:
        """Return all endpoints."""
        return [
            Route("/control/inventory", self._show_inventory),
            Route("/control/secrets", self._show_secrets),
            Route("/control/calls", self._show_calls),
            Route("/control/calls", self._clear_calls, methods=["DELETE"]),
            Route("/control/faults", self._clear_faults, methods=["DELETE"]),
            Route("/control/faults/{vendor}", self._set_fault, methods=["PUT"]),
            Route("/control/faults/{vendor}", self._clear_fault, methods=["DELETE"]),
            Route("/control/arrive", self._arrive, methods=["POST"]),
        ]

    async def _show_inventory(self, _request: Request) -> Response:
        return answer(
            [
                _entry(vendor, log)
                for vendor in self._vendors.values()
                for log in vendor.archive.listed(self._traffic.now())
            ]
        )

    async def _show_secrets(self, _request: Request) -> Response:
        return answer(list(self._secrets.values()))

    async def _show_calls(self, _request: Request) -> Response:
        record = self._record
        return answer(
            {
                "calls": list(record.calls),
                "counts": record.counts,
                "simultaneous": record.peaks,
                "suffered": record.suffered,
            }
        )

    async def _clear_calls(self, _request: Request) -> Response:
        self._record.clear()
        return Response(status_code=204)

    async def _set_fault(self, request: Request) -> Response:
        vendor = self._vendor(request)
        try:
            fault = msgspec.json.decode(await request.body(), type=Fault)
        except msgspec.DecodeError as error:
            raise HTTPException(400, str(error)) from None
        if not fault.fits(vendor):
            raise HTTPException(400, f"{vendor.name} can't have the fault {fault.kind}")
        if fault.kind == "expired-token":
            vendor.tokens.forget()
        self._faults[vendor.name] = fault
        return Response(status_code=204)

    async def _clear_fault(self, request: Request) -> Response:
        self._faults.pop(self._vendor(request).name, None)
        return Response(status_code=204)

    async def _clear_faults(self, _request: Request) -> Response:
        self._faults.clear()
        return Response(status_code=204)

    async def _arrive(self, request: Request) -> Response:
        try:
            arrival = msgspec.json.decode(await request.body(), type=_Arrival)
        except msgspec.DecodeError as error:
            raise HTTPException(400, str(error)) from None
        vendors = {
            stream.id: vendor
            for vendor in self._vendors.values()
            for stream in vendor.archive.streams
        }
        arrived = self._traffic.arrive(arrival.count)
        return answer([_entry(vendors[log.stream.id], log) for log in arrived])

    def _vendor(self, request: Request) -> Vendor:
        try:
            return self._vendors[request.path_params["vendor"]]
        except KeyError:
            raise HTTPException(404, "no such vendor") from None


def _entry(vendor: Vendor, log: Delivery) -> dict[str, str | None]:
    log_id, time = vendor.identify(log)
    return {"vendor": vendor.name, "stream": log.stream.id, "id": log_id, "time": time}
