"""A pack that judges without a model: each of the eleven dogs has one deterministic reading of code or text.

The tools run in processes of their own (`worker`), so that a file which crashes or stalls one of them costs the
votes of the dogs that rest on it, and nothing else. `judge_text` starts them and gathers what they saw.

Laws: a dog that cannot see an item does not vote on it; a dog whose tool failed gives an error vote, and nothing is
approved then; a dimension that was not measured stays absent. The judged text cannot tell its judges what to
overlook: its `nosec` and `noqa` marks are ignored. The same text gives the same reading with the same versions of
the tools.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

__all__ = ["PackReading", "judge_text"]

if TYPE_CHECKING:
    from cynic.pack.run import PackReading, judge_text


def __getattr__(name: str) -> object:
    """Import the starting half when it is asked for: the processes that read do not need it."""
    if name in {"PackReading", "judge_text"}:
        from cynic.pack import run

        return getattr(run, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
