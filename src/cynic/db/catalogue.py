"""What a schema consists of, as lines to compare: the live schema against the one the migrations make.

`schema.txt` beside this module is the picture of a schema right after the last migration, generated and
reviewed with them. A live schema that gives another picture has drifted: somebody changed it by hand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, LiteralString, cast

from cynic.base.errors import CynicError, UnavailableError
from cynic.db import sqlfile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import psycopg

ROLES = ("cynic_owner", "cynic_app", "cynic_reader")

_HERE = Path(str(files("cynic.db")))
SNAPSHOT = _HERE / "schema.txt"

_BREAK = re.compile(r"\s*\n\s*")

_KINDS = (
    "table",
    "column",
    "constraint",
    "index",
    "trigger",
    "function",
    "view",
    "sequence",
    "type",
    "rule",
    "policy",
    "statistics",
    "other",
    "comment",
)
_RIGHTS = ("owner", "grant", "default_privileges")
"""Kinds that depend on roles, which belong to the cluster and may be missing."""

_TEXT_CAST = re.compile(r"::(?:character varying|text)(?:\[\])?")
_EXPRESSIONS = frozenset({"constraint", "index"})


class NoSuchSchemaError(UnavailableError):
    """The database has no schema of that name."""

    code = "no-such-schema"


class SnapshotMissingError(CynicError):
    """The expected picture is not where it was installed; the installation is damaged."""

    code = "snapshot-missing"


@dataclass(frozen=True, slots=True)
class Change:
    """An object that is there, but otherwise than it should be."""

    object: str
    expected: str
    live: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How the live schema differs from the expected one; warnings alone are no difference."""

    schema: str
    objects: int
    """How many objects the live schema has."""
    missing: tuple[str, ...] = ()
    extra: tuple[str, ...] = ()
    changed: tuple[Change, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def ok(self) -> bool:
        """Whether the live schema is the expected one."""
        return not (self.missing or self.extra or self.changed)

    def lines(self) -> Iterator[str]:
        """Tell the differences to a reader: `-` missing, `+` extra, `~` changed, `!` a warning."""
        for line in self.missing:
            yield f"- {line}"
        for line in self.extra:
            yield f"+ {line}"
        for change in self.changed:
            yield f"~ {change.object}"
            yield f"    expected  {change.expected}"
            yield f"    live      {change.live}"
        for line in self.warnings:
            yield f"! {line}"

    def summary(self) -> str:
        """One sentence."""
        counts = (len(self.missing), len(self.extra), len(self.changed))
        found = (
            f"{self.objects} objects as expected"
            if self.ok
            else "{} missing, {} extra, {} changed".format(*counts)
        )
        noun = "warning" if len(self.warnings) == 1 else "warnings"
        tail = f", {len(self.warnings)} {noun}" if self.warnings else ""
        return f"schema {self.schema}: {found}{tail}"

    def as_document(self) -> dict[str, object]:
        """Give the report as JSON values."""
        return {
            "ok": self.ok,
            "schema": self.schema,
            "objects": self.objects,
            "missing": list(self.missing),
            "extra": list(self.extra),
            "changed": [
                {"object": change.object, "expected": change.expected, "live": change.live}
                for change in self.changed
            ],
            "warnings": list(self.warnings),
        }


def picture(conn: psycopg.Connection, schema: str | None = None) -> list[str]:
    """One line `kind name: definition` per object of `schema` (default: the connection's), sorted.

    Names no schema, so that the same migrations give the same picture in every schema, and is equal on
    every supported major version of the server. Leaves the session's settings as they are.
    """
    pairs = _objects(conn, schema or _current_schema(conn))
    return sorted(f"{name}: {definition}" for name, definition in pairs.items())


def expected() -> dict[str, str]:
    """Read the installed snapshot: every object with its definition."""
    try:
        text = SNAPSHOT.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise SnapshotMissingError(
            f"{SNAPSHOT} is missing", hint="install cynic again; in a checkout, run make generate"
        ) from error
    return parse(text.splitlines())


def parse(lines: Sequence[str]) -> dict[str, str]:
    """Read lines of a picture; those that begin with `#` are for people."""
    pairs = (line.partition(": ") for line in lines if line and not line.startswith("#"))
    return {name: definition for name, _, definition in pairs}


def verify(conn: psycopg.Connection, schema: str | None = None) -> Report:
    """Compare the live schema with the snapshot; data, sequence values and the ledger are not looked at.

    Rights are compared only where the three roles exist; a role that could not be made is a warning.
    """
    name = schema or _current_schema(conn)
    live, wanted = _objects(conn, name), expected()
    missing_roles = _missing_roles(conn)
    warnings = [
        f"role {role} does not exist: rights are not compared; "
        "let a role that may create roles run cynic db migrate once"
        for role in missing_roles
    ]
    owners = {owner for thing, owner in live.items() if thing.startswith("owner ")}
    if missing_roles:
        live, wanted = _without(live, _RIGHTS), _without(wanted, _RIGHTS)
    elif owners and ROLES[0] not in owners and len(owners) == 1:
        warnings.append(f"the objects are owned by {owners.pop()}, not by {ROLES[0]}")
        live, wanted = _without(live, ("owner",)), _without(wanted, ("owner",))
    return Report(
        schema=name,
        objects=len(live),
        missing=tuple(sorted(f"{key}: {wanted[key]}" for key in wanted.keys() - live.keys())),
        extra=tuple(sorted(f"{key}: {live[key]}" for key in live.keys() - wanted.keys())),
        changed=tuple(
            Change(key, wanted[key], live[key])
            for key in sorted(wanted.keys() & live.keys())
            if wanted[key] != live[key]
        ),
        warnings=tuple(warnings),
    )


@cache
def _statements() -> Mapping[str, LiteralString]:
    return cast("Mapping[str, LiteralString]", sqlfile.load(_HERE / "catalogue.sql"))


def _objects(conn: psycopg.Connection, schema: str) -> dict[str, str]:
    statements = _statements()
    # Rolled back, so that the settings made for the duration of the reading leave no trace.
    with conn.transaction(force_rollback=True):
        conn.execute(statements["fix_output"])
        row = conn.execute(statements["namespace"], {"schema": schema}).fetchone()
        if row is None:
            raise NoSuchSchemaError(f"there is no schema {schema}", details={"schema": schema})
        namespace, ident, extension = cast("tuple[int, str, str | None]", row)
        path = ident if extension in {None, ident} else f"{ident}, {extension}"
        conn.execute(statements["set_path"], {"path": path})
        parameters = {
            "namespace": namespace,
            "schema_ident": ident,
            "extension_ident": extension,
            "roles": list(ROLES),
        }
        return {
            f"{kind.replace('_', ' ')} {name}": _settled(_one_line(cast("str", definition)), kind)
            for kind in (*_KINDS, *_RIGHTS)
            for name, definition in conn.execute(statements[kind], parameters)
        }


def _one_line(definition: str) -> str:
    """Undo the line breaks that the server's pretty printer puts into long expressions."""
    return _BREAK.sub(" ", definition)


def _settled(definition: str, kind: str) -> str:
    """Without the casts between varchar and text that the server writes into an expression.

    `x IN ('a', 'b')` over a varchar is printed with casts in one place when it was parsed from the migration and
    in another after a dump and restore; the rule is the same. Types of columns are not touched.
    """
    return _TEXT_CAST.sub("", definition) if kind in _EXPRESSIONS else definition


def _current_schema(conn: psycopg.Connection) -> str:
    row = conn.execute(_statements()["current_schema"]).fetchone()
    if row is None or row[0] is None:
        raise NoSuchSchemaError("the connection's search_path names no existing schema")
    return cast("str", row[0])


def _missing_roles(conn: psycopg.Connection) -> list[str]:
    present = {row[0] for row in conn.execute(_statements()["roles"], {"roles": list(ROLES)})}
    return [role for role in ROLES if role not in present]


def _without(objects: Mapping[str, str], kinds: Sequence[str]) -> dict[str, str]:
    heads = tuple(f"{kind.replace('_', ' ')} " for kind in kinds)
    return {name: definition for name, definition in objects.items() if not name.startswith(heads)}
