"""What was found around the service: nodes, plugins, MCP servers and new dimensions of judgment.

Each find is an event with a confidence; what is accepted gets a row of its own with its state. The 36
dimensions that judgments are scored by are rows here, too: 5 axioms with 7 each, and THE_UNNAMEABLE.

Invariants: a confidence is at most 0.618; a node, a plugin, a server and a dimension are unique by their
identifiers; a node is active, inactive or unreachable.

Retention: permanent.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "discovered_dimensions",
    "discovered_mcp_servers",
    "discovered_nodes",
    "discovered_plugins",
    "discovery_events",
)
