"""Where one page of a list joins the next, though the first was read anew and the second was not.

Logs that arrive push others from the end of a page onto the next. So a page that is kept goes on
behind one that was read after it only where it is known what has been pushed off since.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from gateway.vendors.pages import Seam

if TYPE_CHECKING:
    from gateway.cache import Entry
    from gateway.vendors.pages import Page


def renewed(page: Page, entry: Entry[Page]) -> Page:
    """Give a page that takes the place of another its ``since`` and ``seams``, as far as known."""
    before = entry.value
    if (page.offset, page.read) != (before.offset, before.read):
        return page
    if not page.marks or page.marks[-1] not in before.marks:
        return page
    pushed = before.logs[before.marks.index(page.marks[-1]) + 1 :]
    since = before.since or entry.stored_at
    if not pushed and page.total == before.total:
        return replace(page, since=since, seams=before.seams)
    seam = Seam(
        since=since,
        total=before.total,
        logs=pushed,
        read_at=entry.stored_at,
        good_until=entry.stale_until,
    )
    found: list[Seam] = []
    # Where nothing was pushed off, something behind the page was deleted, which may go on for ever.
    room = len(page.logs)
    for each in (seam, *before.seams):
        room -= max(1, len(each.logs))
        if room < 0:
            break
        found.append(each)
    return replace(page, since=None, seams=found)
