"""The example agent, a real one under OpenTelemetry's own SDK, pointed here by two variables."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from httpx import Client

AGENT = Path(__file__).parents[2] / "examples" / "traced_agent.py"
LIFE_SECONDS = 120


def test_an_agent_is_seen_with_its_tools_and_tokens(client: Client) -> None:
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "OPENAI_"))
    }
    environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = str(client.base_url).rstrip("/")
    environment["OTEL_EXPORTER_OTLP_PROTOCOL"] = "http/protobuf"
    done = subprocess.run(
        [sys.executable, str(AGENT)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=LIFE_SECONDS,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "There are 42 left."), done.stderr
    (line,) = client.get("/api/v1/traces").json()["traces"]
    assert (line["operation"], line["session_id"]) == (
        "invoke_agent stock-keeper",
        "stock-questions",
    )
    assert (line["span_count"], line["tokens_input"], line["tokens_output"]) == (4, 2400, 170)
    tools = client.get("/api/v1/tables/tool_usage").json()["rows"]
    assert [(row["tool_name"], row["status"]) for row in tools] == [("look_up_stock", "ok")]
    calls = client.get("/api/v1/tables/llm_usage").json()["rows"]
    assert {
        (row["adapter"], row["tokens_cache_read"], row["tokens_reasoning"]) for row in calls
    } == {("openai", 1024, 40)}
