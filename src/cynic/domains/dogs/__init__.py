"""The eleven dogs: how each voted, what they signalled, and what the pack agreed on.

A dog is a specialised judge with a name of its own. `dog_votes` is the lasting record of single votes;
`consensus_votes` are the votes of one judgment side by side; signals and events are the pack's talk; snapshots
show the whole pack at a moment.

Invariants: a dog's name is one of eleven, spelled one way, by CHECK; a vote's score lies in [0, 1] and its
confidence is at most 0.618; `dog_votes` is append-only, and only the reasoning about an erased person may be
emptied. Guardian alone may veto, which withholds approval and never changes a verdict.

Retention: `dog_votes` for ever; signals, events and snapshots 30 days; consensus votes 90 days.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "collective_snapshots",
    "consensus_votes",
    "dog_events",
    "dog_signals",
    "dog_votes",
)
