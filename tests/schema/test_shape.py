"""Documents are measured with their fragments expanded."""

from __future__ import annotations

import pytest
from graphql import parse

from gateway.schema.shape import CEILING, Shape, measure
from tests.schema.execution import answer, chain


@pytest.mark.slow
@pytest.mark.parametrize(
    ("document", "shape"),
    [
        ("{ a }", Shape(1, 0, 1, 0)),
        ("{ a { b { c } d } e }", Shape(3, 0, 2, 0)),
        ("{ a { } }", Shape(1, 0, 1, 0)),
        ("{ x: a y: a { z: b } }", Shape(2, 3, 2, 0)),
        ("{ a a ... { a ... on T { a } } b { a } }", Shape(2, 3, 5, 0)),
        ("query ($x: I @b) @a { c @d ... @e { f @g } ...H @i } fragment H on T @j { k @l }",
         Shape(1, 0, 3, 8)),
        ("{ a { ...F } } fragment F on T { b { ...G } } fragment G on T { c }", Shape(3, 0, 1, 0)),
        ("{ ...F ...F } fragment F on T { x: b c { y: d @e } }", Shape(2, 4, 4, 2)),
        ("{ a ...Missing }", Shape(1, 0, 1, 0)),
        ("query A { a } query B { b { c } }", Shape(2, 0, 1, 0)),
        ("fragment F on T { x: a b c }", Shape(1, 1, 0, 0)),
        ("type T { a: I }", Shape()),
        ("type T { a: I @b } { c }", Shape(1, 0, 1, 0)),
        (chain(20, 2), Shape(1, 2**20, 2**20, 2**20)),
        (chain(60, 2), Shape(1, CEILING, CEILING, CEILING)),
        (chain(3000, 1), Shape(1, 1, 1, 1)),
    ],
)  # fmt: skip
def test_shape_of_a_document(document: str, shape: Shape) -> None:
    assert measure(parse(document))[0] == shape


@pytest.mark.parametrize(
    "document",
    [
        "{ ...A } fragment A on Query { ...A }",
        "{ ...A } fragment A on Query { ...B } fragment B on Query { x: __typename ...A }",
        "{ __typename } fragment A on Query { ...B } fragment B on Query { ...A }",
    ],
)
async def test_fragment_cycle_is_the_only_error(document: str) -> None:
    result = await answer(document)
    assert result.errors
    assert ["within itself" in error.message for error in result.errors] == [True]
