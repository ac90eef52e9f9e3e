"""What a pass over the queue of learning did, or several of them together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(slots=True, kw_only=True)
class Pass:
    """What one pass, or several, did."""

    taken: int = 0
    """Rows out of the queue."""
    learned: int = 0
    corrected: int = 0
    """Of those learned: that took the same person's former answer back."""
    skipped: int = 0
    """Rows whose feedback is gone, was learned before, or was superseded by one that was."""
    refused: int = 0
    """Rows whose data could not be learned from; `learning_events` says why."""
    updates: int = 0
    """Of Q-values."""
    cycles: int = 0
    consolidations: int = 0
    changes: Counter[str] = field(default_factory=Counter[str])
    """Loop → answers that moved it, or cycles in which it adjusted something."""
    waiting: int = 0
    """Rows that wait for a transaction that is still open; known after a whole run."""
    busy: bool = False
    """Another learner is at it; nothing was done."""

    @property
    def worked(self) -> bool:
        """Whether there may be more to do at once."""
        return bool(self.taken or self.consolidations)

    def add(self, other: Pass) -> None:
        """Add up what another pass did."""
        self.taken += other.taken
        self.learned += other.learned
        self.corrected += other.corrected
        self.skipped += other.skipped
        self.refused += other.refused
        self.updates += other.updates
        self.cycles += other.cycles
        self.consolidations += other.consolidations
        self.changes += other.changes
        self.busy = other.busy

    def document(self) -> dict[str, object]:
        """The pass as JSON values."""
        return {
            "taken": self.taken,
            "learned": self.learned,
            "corrected": self.corrected,
            "skipped": self.skipped,
            "refused": self.refused,
            "waiting": self.waiting,
            "q_updates": self.updates,
            "cycles": self.cycles,
            "consolidations": self.consolidations,
            "changes": dict(sorted(self.changes.items())),
            "busy": self.busy,
        }
