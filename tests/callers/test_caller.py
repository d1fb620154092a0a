"""The roles of callers."""

from __future__ import annotations

import pytest

from gateway.callers.caller import ANONYMOUS, Caller, Grant, Method, Role

VIEWER, READER, OPERATOR, ADMIN = Role


def caller(*grants: Grant) -> Caller:
    return Caller("ada", Method.JWT, grants)


def test_roles_are_in_order() -> None:
    assert VIEWER < READER < OPERATOR < ADMIN
    assert sorted([ADMIN, VIEWER, OPERATOR, READER]) == list(Role)
    assert caller(Grant(READER)).may(READER, "shop")
    assert [role.name for role in Role] == ["VIEWER", "READER", "OPERATOR", "ADMIN"]


def test_limited_grant() -> None:
    one = caller(Grant(OPERATOR, frozenset({"shop", "hub"})))
    assert one.role_on("shop") is OPERATOR
    assert one.role_on("tracker") is None
    assert (one.sees("hub"), one.sees("tracker")) == (True, False)
    assert one.may(OPERATOR, "shop")
    assert one.may(VIEWER, "shop")
    assert not one.may(ADMIN, "shop")
    assert not one.may(VIEWER, "tracker")


@pytest.mark.parametrize("order", [1, -1])
def test_highest_grant_on_a_source_counts(order: int) -> None:
    grants = [Grant(VIEWER), Grant(ADMIN, frozenset({"shop"})), Grant(READER, frozenset({"shop"}))]
    one = caller(*grants[::order])
    assert (one.role_on("shop"), one.role_on("hub")) == (ADMIN, VIEWER)
    assert one.may(ADMIN, "shop")
    assert not one.may(READER, "hub")


@pytest.mark.parametrize("grants", [(), (Grant(ADMIN, frozenset()),)])
def test_caller_without_a_source_sees_nothing(grants: tuple[Grant, ...]) -> None:
    one = caller(*grants)
    assert one.role_on("shop") is None
    assert not one.sees("shop")
    assert not one.may(VIEWER, "shop")


def test_anonymous_caller_may_do_everything() -> None:
    assert ANONYMOUS.may(ADMIN, "any")
    assert ANONYMOUS.method is Method.NONE
