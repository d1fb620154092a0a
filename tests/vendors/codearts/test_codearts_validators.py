"""Revalidation by ETag."""

from __future__ import annotations

from typing import Any

import httpx

from tests.vendors.validators import hooks_twice
from tests.vendors.vendors import PROJECT


async def test_hook_renamed_on_the_first_page_is_shown_though_the_second_is_unchanged() -> None:
    """The 304 for the second page must not bring back the old name."""
    names = {number: f"hook {number}" for number in range(1, 131)}
    version = [1]

    def rows(request: httpx.Request) -> tuple[Any, str]:
        offset, limit = (int(request.url.params[name]) for name in ("offset", "limit"))
        page = [{"id": n, "name": names[n]} for n in list(names)[offset : offset + limit]]
        return page, f'"{offset}-{version[0] if offset == 0 else 0}"'

    def rename() -> None:
        names[1] = "renamed"
        version[0] = 2

    hooks = await hooks_twice("codearts", rows, rename, projects=[PROJECT])
    assert len(hooks) == 130
    assert hooks[0].name == "renamed"
