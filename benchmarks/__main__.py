"""`make bench [ARGS="name… [--full]"]`: run the benchmarks and print one line each; exit 1 when a bar is missed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks import (
    batch,
    budget,
    help_start,
    hooks,
    judge,
    learning_control,
    learning_flow,
    learning_judgement,
    learning_preferences,
    learning_visible,
    migrations,
    otlp,
    otlp_priced,
    over_http,
    pack,
    recent,
    trace_reads,
    transcripts,
    up,
)
from benchmarks.measure import HEADER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from benchmarks.measure import Measured

ALL: dict[str, Callable[[], Iterator[Measured]]] = {
    "migrations": migrations.run,
    "up": up.run,
    "help": help_start.run,
    "judge": judge.run,
    "http": over_http.run,
    "batch": batch.run,
    "recent": recent.run,
    "trace-reads": trace_reads.run,
    "budget": budget.run,
    "transcripts": transcripts.run,
    "hooks": hooks.run,
    "otlp": otlp.run,
    "otlp-priced": otlp_priced.run,
    "pack": pack.run,
    "learning-judgement": learning_judgement.run,
    "learning-control": learning_control.run,
    "learning-visible": learning_visible.run,
    "learning-flow": learning_flow.run,
    "learning-preferences": learning_preferences.run,
}


def main() -> int:
    """Run the named benchmarks, or all."""
    names = [name for name in sys.argv[1:] if not name.startswith("-")] or list(ALL)
    results: list[Measured] = []
    print(HEADER)
    for name in names:
        for result in ALL[name]():
            results.append(result)
            print(result.line(), flush=True)
    return 0 if all(result.reached for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
