"""cynic: the memory of a pack of AI agents, kept in one PostgreSQL.

import cynic

with cynic.connect() as memory:
    judged = memory.judge(item_type="code", item_content=text, votes=[{"dog": "Guardian", "score": 0.9}])
    memory.feedback(judged.judgment_id, "correct")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cynic.base.version import __version__

__all__ = ["Memory", "__version__", "connect"]

if TYPE_CHECKING:
    from cynic.memory import Memory, connect


def __getattr__(name: str) -> object:
    """Import what is asked for when it is: a bare `import cynic` loads no database driver."""
    if name in {"Memory", "connect"}:
        from cynic import memory

        return getattr(memory, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
