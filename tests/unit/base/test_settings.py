from __future__ import annotations

from pathlib import Path

import pytest

from cynic.base.settings import load

EVERYTHING = {
    "CYNIC_DATABASE_URL": "postgresql:///one",
    "DATABASE_URL": "postgresql:///two",
    "PGHOST": "/tmp/three",
}


@pytest.mark.parametrize(
    ("environ", "given", "database", "source"),
    [
        (EVERYTHING, "postgresql:///zero", "postgresql:///zero", "--database"),
        (EVERYTHING, None, "postgresql:///one", "CYNIC_DATABASE_URL"),
        (
            {"DATABASE_URL": "postgresql:///two", "PGHOST": "h"},
            None,
            "postgresql:///two",
            "DATABASE_URL",
        ),
        ({"PGHOST": "h"}, None, "", "PGHOST"),
        ({"PGSERVICE": "s"}, None, "", "PGSERVICE"),
        ({"PGUSER": "somebody", "PGPORT": "5432"}, None, None, "embedded server"),
        ({"CYNIC_DATABASE_URL": ""}, None, None, "embedded server"),
    ],
)
def test_the_order_in_which_the_database_is_decided(
    environ: dict[str, str], given: str | None, database: str | None, source: str
) -> None:
    settings = load(environ, database=given)
    assert (settings.database, settings.database_source) == (database, source)


def test_home_is_absolute_and_knows_the_tilde() -> None:
    assert load({"CYNIC_HOME": "~/somewhere"}).home == Path.home() / "somewhere"
    assert load({"CYNIC_HOME": "relative"}).home == Path.cwd() / "relative"


def test_a_schema_given_wins_over_the_environment() -> None:
    assert load({"CYNIC_SCHEMA": "env"}, schema="given").schema == "given"
    assert load({"CYNIC_SCHEMA": "env"}).schema == "env"
    assert load({}).schema is None
