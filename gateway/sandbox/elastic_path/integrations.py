"""The simulated store's integrations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.sandbox.streams import Stream

if TYPE_CHECKING:
    from collections.abc import Mapping


class Integration(Stream, frozen=True, kw_only=True):
    """An integration; ``configuration`` is what its type requires in addition to the URL."""

    name: str
    observes: tuple[str, ...]
    configuration: dict[str, str]
    integration_type: str = "webhook"


def integrations(secrets: Mapping[str, str]) -> tuple[Integration, ...]:
    """Return the integrations."""
    return (
        Integration(
            id="2f2f0f9e-6f5c-4a0b-8f4e-8a7c5b0a1d22",
            name="Orders to ERP",
            url="https://erp.nordwind.example/commerce/orders",
            observes=("order.paid",),
            configuration={"secret_key": secrets["orders_secret_key"]},
            share=1400,
        ),
        Integration(
            id="71c0de5a-90b3-4c1f-a2d6-3e4f5a6b7c8d",
            name="Catalog to search",
            url="https://search.kestrel.example/index/catalog",
            observes=("catalog-release.updated", "product.updated", "product.deleted"),
            configuration={"secret_key": secrets["catalog_secret_key"]},
            share=1100,
        ),
        Integration(
            id="a8b64c1e-57d2-4f3a-9e0b-1c2d3e4f5a6b",
            name="Accounts to CRM",
            url="https://crm.shopper.example/inbound/accounts",
            observes=("account.created", "account.updated"),
            configuration={"secret_key": secrets["accounts_secret_key"]},
            share=700,
        ),
        Integration(
            id="d35e7f90-1a2b-4c3d-8e4f-5a6b7c8d9e0f",
            name="Payments to ledger",
            url="https://ledger.kestrel.example/events/payments",
            observes=("transaction.updated",),
            configuration={"secret_key": secrets["payments_secret_key"]},
            share=600,
        ),
        Integration(
            id="f6a7b8c9-0d1e-4f2a-b3c4-d5e6f7a8b9c0",
            name="Stock queue",
            url="https://sqs.eu-west-1.cloud.test/401877/stock",
            observes=("stock.updated",),
            integration_type="aws_sqs",
            configuration={
                "aws_access_key_id": "AKIAEXAMPLE401877",
                "aws_secret_access_key": secrets["aws_secret_access_key"],
                "region": "eu-west-1",
            },
            share=500,
        ),
    )
