"""What is generated is current, and the pieces that generate it do what they should."""

from __future__ import annotations

import re
from dataclasses import fields, replace
from importlib import import_module
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

import pytest

from generator import diagram, model, rows, sources
from generator.outputs import ROOT, leftovers, outputs

if TYPE_CHECKING:
    import psycopg


@pytest.fixture
def schema(db: psycopg.Connection) -> model.Schema:
    return model.read(db)


def test_every_generated_file_is_current(db: psycopg.Connection) -> None:
    wanted = outputs(db, "public")
    stale = [
        str(path.relative_to(ROOT))
        for path, text in wanted.items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    assert stale == [], "run make generate"
    assert leftovers(wanted) == []


def test_the_same_schema_gives_the_same_files(db: psycopg.Connection) -> None:
    assert outputs(db, "public") == outputs(db, "public")


@pytest.mark.parametrize("domain", model.DOMAINS)
def test_rows_have_the_fields_of_their_table(schema: model.Schema, domain: str) -> None:
    module = import_module(f"cynic.domains.{domain}.rows")
    for table in schema.of_domain(domain):
        kind = getattr(module, rows.class_name(table.name))
        assert [field.name for field in fields(kind)] == [column.name for column in table.columns]


def column(kind: str, *, not_null: bool = True) -> model.Column:
    return model.Column("c", kind, not_null, None, generated=False, comment=None)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("numeric", "Decimal"),
        ("bigint", "int"),
        ("real", "float"),
        ("timestamp with time zone", "datetime"),
        ("text[]", "list[str]"),
        ("uuid[]", "list[UUID]"),
        ("vector(1536)", "str"),
        ("jsonb", "JSON"),
    ],
)
def test_a_column_type_has_a_python_type(kind: str, expected: str) -> None:
    assert rows.python_type(column(kind)) == expected
    assert rows.python_type(column(kind, not_null=False)) == f"{expected} | None"


def test_a_type_that_nobody_chose_a_python_type_for_is_refused() -> None:
    with pytest.raises(rows.UnknownTypeError, match="point"):
        rows.python_type(column("point"))


TABLES = {"a", "b", "c", "blocks"}


@pytest.mark.parametrize(
    ("text", "writes", "reads"),
    [
        ("SELECT * FROM a AS x JOIN b ON true", set(), {"a", "b"}),
        ("SELECT * FROM a, b AS y, LATERAL (SELECT 1 FROM c) AS z", set(), {"a", "b", "c"}),
        ("INSERT INTO a (x) SELECT x FROM b", {"a"}, {"b"}),
        ("INSERT INTO a VALUES (1) ON CONFLICT (id) DO UPDATE SET x = 1", {"a"}, set()),
        ("UPDATE a SET x = b.x FROM b WHERE a.id = b.id", {"a"}, {"b"}),
        ("UPDATE ONLY a SET x = 1", {"a"}, set()),
        ("DELETE FROM a USING b WHERE a.id = b.id", {"a"}, {"b"}),
        ("TRUNCATE a", {"a"}, set()),
        ("SELECT 1 FROM a FOR UPDATE OF b", set(), {"a"}),
        ("SELECT 1 FROM a WHERE x IN (SELECT y FROM b) AND c", set(), {"a", "b"}),
        ("WITH a AS (SELECT * FROM b) SELECT * FROM a", set(), {"b"}),
        (
            "WITH x AS MATERIALIZED (SELECT 1), a AS (DELETE FROM c RETURNING *) SELECT * FROM a",
            {"c"},
            set(),
        ),
        ("SELECT extract(epoch FROM blocks.at), x IS DISTINCT FROM blocks.y FROM a", set(), {"a"}),
        ("SELECT 'FROM b' -- FROM c\n FROM a /* JOIN blocks */", set(), {"a"}),
        ("SELECT E'it\\'s FROM b', 'it''s FROM c' FROM a", set(), {"a"}),
        ('SELECT * FROM "a"', set(), {"a"}),
        ("BEGIN DELETE FROM a WHERE true; SELECT b INTO v FROM c; END", {"a"}, {"c"}),
        ("FOR r IN SELECT x FROM a LOOP UPDATE b SET x = 1; END LOOP", {"b"}, {"a"}),
        ("SELECT a, b, c", set(), set()),
    ],
)
def test_writers_and_readers_are_found_in_sql(text: str, writes: set[str], reads: set[str]) -> None:
    found = sources.uses(text, TABLES)
    assert (found.writes, found.reads) == (writes, reads)


def test_functions_that_write_a_table_are_named_with_it(schema: model.Schema) -> None:
    users = sources.users(schema, ROOT / "src" / "cynic")
    assert "cleanup_traces()" in users["traces"].writers
    assert "get_budget_status()" in users["budget_state"].readers
    assert "get_budget_status()" not in users["budget_state"].writers


@pytest.mark.parametrize("domain", model.DOMAINS)
def test_no_box_of_a_diagram_lies_on_another(schema: model.Schema, domain: str) -> None:
    boxes = list(diagram.plan(schema, domain).boxes.values())
    assert len(boxes) >= len(schema.of_domain(domain))
    for one, two in combinations(boxes, 2):
        apart = (
            one.x + one.width < two.x
            or two.x + two.width < one.x
            or one.y + one.height < two.y
            or two.y + two.height < one.y
        )
        assert apart, f"{one.table.name} and {two.table.name}"


@pytest.mark.parametrize("domain", model.DOMAINS)
def test_no_line_of_a_diagram_crosses_a_box(schema: model.Schema, domain: str) -> None:
    found = diagram.plan(schema, domain)
    for edge in found.edges:
        points = diagram.route(found, edge)
        for (x1, y1), (x2, y2) in pairwise(points):
            for box in found.boxes.values():
                left, right = sorted((x1, x2))
                top, bottom = sorted((y1, y2))
                outside = (
                    right <= box.x
                    or left >= box.x + box.width
                    or bottom < box.y
                    or top > box.y + box.height
                )
                assert outside, f"{edge} crosses {box.table.name}"
    assert all(box.x > 0 and box.x + box.width < found.width for box in found.boxes.values())


@pytest.mark.parametrize("domain", model.DOMAINS)
def test_lines_to_different_tables_share_no_piece(schema: model.Schema, domain: str) -> None:
    found = diagram.plan(schema, domain)
    pieces = [
        (edge.parent, *sorted(((x1, y1), (x2, y2))))
        for edge in found.edges
        for points in [diagram.route(found, edge)]
        for (x1, y1), (x2, y2) in pairwise(points)
    ]
    for (parent, a, b), (other, c, d) in combinations(pieces, 2):
        if parent == other:
            continue
        upright = a[0] == b[0] == c[0] == d[0] and max(a[1], c[1]) < min(b[1], d[1])
        level = a[1] == b[1] == c[1] == d[1] and max(a[0], c[0]) < min(b[0], d[0])
        assert not upright, f"lines to {parent} and {other} lie on one another"
        assert not level, f"lines to {parent} and {other} lie on one another"


def test_every_column_stands_in_its_diagram(schema: model.Schema) -> None:
    for domain in model.DOMAINS:
        drawing = diagram.draw(schema, domain)
        for table in schema.of_domain(domain):
            assert f">{table.name}</text>" in drawing
            for entry in table.columns:
                assert f">{entry.name}</text>" in drawing, f"{table.name}.{entry.name}"


def test_a_diagram_of_tables_that_refer_to_one_another_in_a_loop_is_drawn(
    schema: model.Schema,
) -> None:
    users = schema.tables["users"]
    loop = model.Constraint("made", "f", "FOREIGN KEY", "judgments", ("id",))
    looped = replace(users, constraints=(*users.constraints, loop))
    drawing = diagram.draw(replace(schema, tables={**schema.tables, "users": looped}), "core")
    assert re.search(r">users</text>", drawing)
