"""Revalidation by ETag."""

from __future__ import annotations

from typing import Any

import httpx

from tests.vendors.validators import hooks_twice


async def test_renamed_trigger_is_shown_though_another_is_unchanged() -> None:
    """Configured triggers are read one by one, each with an ETag of its own."""
    names = {"41": "first", "42": "second"}

    def rows(request: httpx.Request) -> tuple[Any, str]:
        id = request.url.path.rpartition("/")[2]
        document = {
            "id": int(id),
            "name": names[id],
            "actions": [{"type": "Webhook", "endpoint": "https://desk.example"}],
        }
        return document, f'"{id}-{names[id]}"'

    def rename() -> None:
        names["42"] = "renamed"

    hooks = await hooks_twice("yandex-tracker", rows, rename, queues=[], triggers={"DEV": [41, 42]})
    assert [hook.name for hook in hooks] == ["first", "renamed"]


async def test_trigger_added_to_the_second_page_is_found_though_the_first_is_unchanged() -> None:
    """The logs of a trigger that is not found are missing from every list."""
    ids = list(range(1, 53))

    def rows(request: httpx.Request) -> tuple[Any, str]:
        after = int(request.url.params.get("id", 0))
        page = [id for id in ids if id > after][:50]
        actions = [{"type": "Webhook", "endpoint": "https://desk.example"}]
        return [{"id": id, "actions": actions} for id in page], f'"{after}-{len(page)}"'

    hooks = await hooks_twice("yandex-tracker", rows, lambda: ids.append(53))
    assert [int(hook.upstream_id) for hook in hooks] == ids
