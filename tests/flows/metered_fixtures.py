"""The real clients of OpenAI and Anthropic, metered, on a priced database of a test's own."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import psycopg
import pytest
from metered_services import StandIn

from cynic.db.connect import Database
from cynic.flows import prices
from cynic.memory import Memory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def asked() -> list[tuple[str, dict[str, Any]]]:
    return []


@pytest.fixture
def url(asked: list[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    handler = type("Noting", (StandIn,), {"asked": asked})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="session")
def priced(make_database: Callable[..., str], template: str) -> str:
    """The name of a database with the package's prices, to clone: reading them in takes a second."""
    with psycopg.connect(make_database(template), autocommit=True) as conn:
        prices.first_fill(conn, datetime.now(UTC))
        return conn.info.dbname


@pytest.fixture
def memory(make_database: Callable[..., str], priced: str) -> Iterator[Memory]:
    with Memory(Database(conninfo=make_database(priced), source="test")) as memory:
        yield memory


@pytest.fixture
def gpt(memory: Memory, url: str) -> Iterator[Any]:
    import openai

    with openai.OpenAI(api_key="none", base_url=f"{url}/v1", max_retries=0) as client:
        yield memory.metered(client, session_id="s")


@pytest.fixture
def claude(memory: Memory, url: str) -> Iterator[Any]:
    import anthropic

    with anthropic.Anthropic(api_key="none", base_url=url, max_retries=0) as client:
        yield memory.metered(client)
