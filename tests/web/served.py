"""The real application over a real database, served on loopback."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message  # noqa: TC003  # a dataclass field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from cynic.api.app import create_app
from cynic.db.connect import Database
from running import running

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    status: int
    text: str
    headers: Message


class Site:
    """The pages at a URL, and the API beside them to fill them."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str) -> Answer:
        try:
            with urllib.request.urlopen(self.url + path, timeout=WAIT_SECONDS) as answer:
                return Answer(answer.status, answer.read().decode(), answer.headers)
        except urllib.error.HTTPError as error:
            with error:
                return Answer(error.code, error.read().decode(), error.headers)

    def post(self, path: str, **fields: Any) -> dict[str, Any]:
        return self.post_raw(path, json.dumps(fields))

    def post_raw(self, path: str, body: str) -> dict[str, Any]:
        url = self.url + path
        with urllib.request.urlopen(url, body.encode(), timeout=WAIT_SECONDS) as answer:
            return json.load(answer)

    def judge(self, **fields: Any) -> str:
        given = {"item_type": "code", "item_content": "return a + b"} | fields
        if "votes" not in given and "dimensions" not in given:
            given["dimensions"] = {"ACCURACY": 61.8}
        return self.post("/api/v1/judgments", **given)["judgment_id"]

    def feedback(self, judgment_id: str, outcome: str, **fields: Any) -> None:
        path = f"/api/v1/judgments/{quote(judgment_id, safe='')}/feedback"
        self.post(path, outcome=outcome, **fields)


@contextmanager
def serving(conninfo: str, root_path: str = "") -> Iterator[Site]:
    """Serve the application without its worker: pages do not need one."""
    app = create_app(Database(conninfo=conninfo, source="test"), with_worker=False)
    app.root_path = root_path
    with running(app) as url:
        yield Site(url)
