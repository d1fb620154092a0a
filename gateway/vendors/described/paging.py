"""The tables of a description that say how a list is read page by page."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.config.values import Table, Text
from gateway.vendors.described.terms import Parameters, Path, Place, Size, Template


class NoPaging(Table):
    """The list has one page."""

    kind: Literal["none"]
    """The kind of paging."""


class PagePaging(Table):
    """Pages have numbers."""

    kind: Literal["page"]
    """The kind of paging."""
    param: Text
    """The parameter with the number of a page."""
    first: Annotated[int, Field(strict=True, ge=0, le=1)] = 1
    """The number of the first page."""
    size: Place | None = None
    """Where the answer says how many rows a page has, if that may be fewer than requested."""


class OffsetPaging(Table):
    """Pages begin after a number of rows."""

    kind: Literal["offset"]
    """The kind of paging."""
    param: Text
    """The parameter with the number of rows before the page."""


class CursorPaging(Table):
    """Each page says which token leads to the next."""

    kind: Literal["cursor"]
    """The kind of paging."""
    param: Text
    """The parameter with the token."""
    next: Place
    """Where the token is; if it is an address, the parameter is taken out of that."""


class LinkPaging(Table):
    """The header ``Link`` of each page has the address of the next (RFC 8288)."""

    kind: Literal["link"]
    """The kind of paging."""
    param: Text
    """The parameter of that address that is the token; nothing else of it is used."""


class LastIdPaging(Table):
    """The next page follows the last row."""

    kind: Literal["last-id"]
    """The kind of paging."""
    param: Text
    """The parameter with the id of the last row."""
    field: Path = "id"
    """The field of a row with that id."""


Paging = Annotated[
    NoPaging | PagePaging | OffsetPaging | CursorPaging | LinkPaging | LastIdPaging,
    Field(discriminator="kind"),
]


class SizeTable(Table):
    """The number of rows of a page."""

    param: Text
    """The parameter with it."""
    max: Size = 100
    """The most that the vendor allows."""


class PagesTable(Table):
    """A list that is read page by page."""

    path: Template
    """The path of the list."""
    items: Path = ""
    """Where the rows are in the document; "" if it is the list itself."""
    params: Parameters = Field(default_factory=dict)
    """Parameters of every page. One whose variable has no value is left out."""
    size: SizeTable | None = None
    """How the number of rows is requested."""
    paging: Paging = NoPaging(kind="none")
    """How the next page is found."""
    more: Place | None = None
    """Where the answer says whether more rows follow: a boolean, or any text but an empty one."""
