"""Paths of an API, with the templates that they were made from."""

from __future__ import annotations

import re
from typing import Self

_VARIABLE = re.compile(r"\{\w+\}")


class ApiPath(str):
    """A path such as ``/hooks/7/logs``, whose ``template`` is ``/hooks/{hook}/logs``.

    Calls are counted by template, since there are few of those. Without one, the path is taken for
    a path without variables, and so is a text in its place.
    """

    __slots__ = ("template",)
    template: str

    def __new__(cls, path: str, template: str | None = None) -> Self:
        """Return a path, of which the template is known if it has variables."""
        self = super().__new__(cls, path)
        self.template = path if template is None else template
        return self

    @classmethod
    def of(cls, template: str, *values: str) -> Self:
        """Return the path with the values, which are escaped already, in place of variables."""
        remaining = iter(values)
        return cls(_VARIABLE.sub(lambda _: next(remaining), template), template)

    def __add__(self, following: str) -> Self:
        """Return a path that continues this one."""
        return type(self)(super().__add__(following), self.template + template_of(following))


def template_of(path: str) -> str:
    """Return the template of a path."""
    return path.template if isinstance(path, ApiPath) else path
