"""Settings from the environment, read once at the edge and passed on as a value."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from cynic.base.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8618
DEFAULT_MODEL_DOG = "Sage"
DEFAULT_DISK_FREE_MIN_MB = 512
_MEGABYTES_MAX = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """One environment variable, as the reference page shows it."""

    name: str
    meaning: str
    default: str


SETTINGS: tuple[Setting, ...] = (
    Setting(
        name="CYNIC_DATABASE_URL",
        meaning="the database to use, as a PostgreSQL URL or keyword string; "
        "the option --database goes before it",
        default="DATABASE_URL, then the PG* variables, then the embedded server",
    ),
    Setting(
        name="DATABASE_URL",
        meaning="the same, under the name that many platforms set",
        default="unset",
    ),
    Setting(
        name="PGHOST, PGSERVICE, PGDATABASE …",
        meaning="libpq's own variables; used when PGHOST, PGHOSTADDR or PGSERVICE is set",
        default="unset",
    ),
    Setting(
        name="CYNIC_HOME",
        meaning="where the embedded server keeps its data",
        default="the user's data directory (XDG_DATA_HOME/cynic)",
    ),
    Setting(
        name="CYNIC_PG_BIN",
        meaning="folder with the PostgreSQL programs to run as the embedded server (16 or later, with pgvector)",
        default="the programs installed with cynic, then those found on the machine",
    ),
    Setting(
        name="CYNIC_SCHEMA",
        meaning="the schema that holds the tables; one tenant is one schema",
        default="the first of the connection's search_path, usually public",
    ),
    Setting(
        name="CYNIC_API_KEYS",
        meaning="API keys that the service takes besides those of cynic keys create: KEY or KEY:SCOPE, separated "
        "by commas; the scope is read, write or admin; setting it turns authentication on",
        default="unset; without a scope a key is admin",
    ),
    Setting(
        name="CYNIC_MODEL_URL",
        meaning="an OpenAI-compatible endpoint, as http://127.0.0.1:11434/v1, whose model votes as one dog in "
        "cynic judge; what is judged is sent there",
        default="unset: nothing is sent anywhere",
    ),
    Setting(
        name="CYNIC_MODEL",
        meaning="the model's name at that endpoint",
        default="unset; needed with CYNIC_MODEL_URL",
    ),
    Setting(
        name="CYNIC_MODEL_KEY",
        meaning="the key sent to that endpoint as a bearer token",
        default="unset: none is sent",
    ),
    Setting(
        name="CYNIC_MODEL_DOG",
        meaning="the dog as which the model votes; any but Guardian",
        default="Sage",
    ),
    Setting(
        name="CYNIC_DISK_FREE_MIN_MB",
        meaning="writes are answered with 503 while less than so many MiB are free on the disk of the embedded server; "
        "0 never refuses. The disk of any other server cannot be seen: there only its own refusal counts",
        default=f"{DEFAULT_DISK_FREE_MIN_MB}",
    ),
)


class BadSettingError(UsageError):
    """An environment variable holds what it cannot mean."""

    code = "bad-setting"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the environment and the command line decided."""

    database: str | None
    """Connection URL or keyword string; "" lets libpq read PG*; None means the embedded server."""
    database_source: str
    """Where `database` came from, for people: "--database", "CYNIC_DATABASE_URL" …"""
    home: Path
    schema: str | None = None
    api_keys: str | None = field(default=None, repr=False)
    """CYNIC_API_KEYS as it was given; read by `cynic.domains.system.keys`."""
    model_url: str | None = None
    model: str | None = None
    model_key: str | None = field(default=None, repr=False)
    model_dog: str = DEFAULT_MODEL_DOG
    disk_free_bytes_min: int = DEFAULT_DISK_FREE_MIN_MB << 20
    """Below it writes are refused; 0 never refuses."""


def load(
    environ: Mapping[str, str] | None = None,
    *,
    database: str | None = None,
    schema: str | None = None,
) -> Settings:
    """Decide the settings; an argument given wins over the environment.

    Order for the database: `database` > CYNIC_DATABASE_URL > DATABASE_URL > PG* > embedded.
    """
    env = os.environ if environ is None else environ
    url, source = _database(env, database)
    return Settings(
        database=url,
        database_source=source,
        home=_home(env),
        schema=schema or env.get("CYNIC_SCHEMA") or None,
        api_keys=env.get("CYNIC_API_KEYS") or None,
        model_url=env.get("CYNIC_MODEL_URL") or None,
        model=env.get("CYNIC_MODEL") or None,
        model_key=env.get("CYNIC_MODEL_KEY") or None,
        model_dog=env.get("CYNIC_MODEL_DOG") or DEFAULT_MODEL_DOG,
        disk_free_bytes_min=_megabytes(env, "CYNIC_DISK_FREE_MIN_MB", DEFAULT_DISK_FREE_MIN_MB),
    )


def _megabytes(env: Mapping[str, str], name: str, default: int) -> int:
    given = env.get(name)
    if not given:
        return default << 20
    if not (given.isascii() and given.isdigit()) or len(given) > len(str(_MEGABYTES_MAX)):
        raise BadSettingError(f"{name} must be a whole number of MiB from 0 on, not {given!r}")
    return int(given) << 20


def _database(env: Mapping[str, str], given: str | None) -> tuple[str | None, str]:
    if given:
        return given, "--database"
    for name in ("CYNIC_DATABASE_URL", "DATABASE_URL"):
        if value := env.get(name):
            return value, name
    for name in ("PGHOST", "PGHOSTADDR", "PGSERVICE"):
        if env.get(name):
            return "", name
    return None, "embedded server"


def _home(env: Mapping[str, str]) -> Path:
    if value := env.get("CYNIC_HOME"):
        return Path(value).expanduser().absolute()
    import platformdirs  # here: the import is not free, and most settings do not need it

    return Path(platformdirs.user_data_dir("cynic"))
