"""`make bench [ARGS=name…]`: run the benchmarks and print one line each; exit 1 when a bar is missed."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks import help_start, migrations, pack, up

if TYPE_CHECKING:
    from benchmarks.measure import Result

ALL = {"migrations": migrations.run, "up": up.run, "help": help_start.run, "pack": pack.run}


def main() -> int:
    """Run the named benchmarks, or all."""
    names = sys.argv[1:] or list(ALL)
    results: list[Result] = []
    print(f"{'what':44} {'ours':>9} {'limit':>9} {'ratio':>6} {'more':>8}  bar")
    for name in names:
        for result in ALL[name]():
            results.append(result)
            print(result.line(), flush=True)
    return 0 if all(result.reached for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
