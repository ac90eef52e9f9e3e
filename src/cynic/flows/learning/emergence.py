"""Emergence: what answered judgments of a category have in common, again and again.

A pattern is one or two tags (task, type of item, verdict, low and high dimensions, dissenting dogs) under a category, which
is the context, else the type of item. It says that such items should pass, as the answers have it; partial ones say
nothing. Patterns are looked for in the last 200 answers, and counted from then on, answer by answer: each cycle counts its
own, and an answer that is taken back is counted no more.

A pattern that says little any more, is merged into another, or is one of too many, is forgotten here; its row in `patterns`
stays, with the confidence it was left with, and the pack's shared set has it no longer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.db import sqlfile
from cynic.domains.learning.emergence import (
    PATTERNS_A_CATEGORY_MAX,
    PRUNED_BELOW,
    Q_MIN,
    SOURCES_MIN,
    Source,
)
from cynic.domains.learning.emergence_window import Counted, Window, similar
from cynic.domains.learning.residual import WEAK_BELOW
from cynic.flows.edge import to_json
from cynic.flows.learning import consolidation, patterns, seen, state
from cynic.flows.learning.patterns import LOOP, Category, pattern_id, pattern_row
from cynic.flows.learning.turn import Parts, Turn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cynic.flows.learning.cycle import Answered, Cycle

WINDOW_ANSWERS: Final = 200
HIGH_FROM: Final = 80.0
DIMENSIONS_TAGGED: Final = 3
"""Of the low, and of the high ones."""
WRITTEN_FROM: Final = 0.02
"""A pattern's row is written again when its confidence has moved by so much."""
SETTLED_BELOW: Final = 0.02
OUTCOMES_SURE: Final = 0.309
"""Half of 0.618: from here on a pattern foretells that an item passes."""
SOURCES_NAMED_MAX: Final = 34

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("emergence.sql")))


@dataclass(slots=True)
class Work:
    """What a cycle does to patterns."""

    locked: Mapping[str, float]
    """Pattern id → since when."""
    now: float
    """Of the newest answer, in seconds."""
    rows: dict[str, dict[str, object]] = field(default_factory=dict[str, "dict[str, object]"])
    merged: list[dict[str, object]] = field(default_factory=list["dict[str, object]"])
    gone: list[Counted] = field(default_factory=list[Counted])
    hits: list[tuple[int, bool]] = field(default_factory=list[tuple[int, bool]])
    converged: dict[str, bool] = field(default_factory=dict[str, bool])


def turn(cycle: Cycle) -> Turn:
    """Count this cycle's answers, look for new patterns, and consolidate when it is time."""
    answers = [one for one in cycle.answers if one.right_side is not None]
    gone = [one for one in seen.taken_back_once(cycle, LOOP) if one.right_side is not None]
    names = sorted({one.kind for one in (*answers, *gone)})
    if not names:
        return Turn()
    rows = cycle.conn.execute(_SQL["categories"], {"names": names})
    known = {name: Category.read(name, weights) for name, weights in rows}
    categories = {name: known.get(name) or Category(name=name, since=cycle.since) for name in names}
    before = {"patterns": sum(len(one.patterns) for one in categories.values())}
    work = Work(
        locked=patterns.locked(cycle.conn),
        now=max(one.answered_at for one in (*answers, *gone)).timestamp(),
    )
    for one in gone:
        _take_back(categories[one.kind], one)
    _count(cycle, categories, work)
    _write(cycle, work)
    state.save_loops(cycle.conn, [one.row() for one in categories.values()], cycle.now)
    consolidation.consolidate(cycle)
    after = {"patterns": sum(len(one.patterns) for one in categories.values())}
    live = [one for category in categories.values() for one in category.patterns.values()]
    return Turn(
        patterns_updated=len(work.rows),
        patterns_merged=len(work.merged),
        before=before,
        after=after,
        parts=Parts(
            outcomes={one.key: one.frequency for one in live},
            cells=len(live),
            converged=work.converged or None,
            hits=[hit for _, hit in sorted(work.hits)],
        ),
    )


def tags_of(one: Answered) -> frozenset[str]:
    """What an answered judgment is known by; at most 20 tags."""
    tags = {f"verdict:{one.verdict}"}
    if one.task is not None:
        tags.add(f"task:{one.task}")
    if one.context is not None:
        tags.add(f"item:{one.item}")
    ordered = sorted(one.dimensions.items(), key=lambda pair: (pair[1], pair[0]))
    tags |= {f"low:{name}" for name, score in ordered[:DIMENSIONS_TAGGED] if score < WEAK_BELOW}
    tags |= {f"high:{name}" for name, score in ordered[-DIMENSIONS_TAGGED:] if score >= HIGH_FROM}
    return frozenset(tags | {f"dissent:{dog}" for dog, side in one.votes if side != one.passed})


def _source(one: Answered) -> Source:
    # Whether the item should have passed is all that an answer says of it, so its score is the best or the worst.
    q = 100.0 if one.right_side else 0.0
    return Source(one.judgment_id, one.kind, tags_of(one), q, one.answered_at.timestamp())


def _take_back(category: Category, one: Answered) -> None:
    source = _source(one)
    if one.place > category.since:
        category.judgments = max(0, category.judgments - 1)
        category.passes = min(category.judgments, max(0, category.passes - (source.q >= Q_MIN)))
    for pattern in category.patterns.values():
        if one.place > pattern.since and source.tags.issuperset(pattern.tags):
            pattern.unsighted(source)


def _count(cycle: Cycle, categories: Mapping[str, Category], work: Work) -> None:
    """Fold the cycle's answers into their categories, and mine the window for what is new."""
    whole = cycle.until - cycle.since >= WINDOW_ANSWERS or cycle.since == 0
    seen = cycle.answers if whole else cycle.window(WINDOW_ANSWERS)
    by_kind: dict[str, list[Answered]] = {}
    for one in seen:
        if one.right_side is not None and one.kind in categories:
            by_kind.setdefault(one.kind, []).append(one)
    begin = max(0, min(cycle.since, cycle.until - WINDOW_ANSWERS))
    for name, answers in sorted(by_kind.items()):
        category = categories[name]
        window = Window([_source(one) for one in answers])
        new = sum(1 << at for at, one in enumerate(answers) if one.place > cycle.since)
        masks = {key: window.mask(one.tags) for key, one in category.patterns.items()}
        _foretell(category, answers, window, (masks, new), work)
        for key, mask in masks.items():
            before = category.patterns[key].confidence
            category.patterns[key].sighted(_at(window.sources, mask & new))
            moved = abs(category.patterns[key].confidence - before)
            work.converged[key] = moved < SETTLED_BELOW
        category.answers = new.bit_count()
        category.judgments += category.answers
        category.passes += (new & window.passing).bit_count()
        category.until = cycle.until
        _merge(category, masks, work)
        _mine(category, window, masks, begin)
        _trim(category, work)
        _note(category, window, masks, cycle, work)


def _at(sources: Sequence[Source], mask: int) -> list[Source]:
    return [source for place, source in enumerate(sources) if mask >> place & 1]


def _foretell(
    category: Category,
    answers: Sequence[Answered],
    window: Window,
    masks: tuple[Mapping[str, int], int],
    work: Work,
) -> None:
    """Whether the new answers that a sure pattern speaks of are as it says."""
    by_key, new = masks
    spoken = 0
    for key, mask in by_key.items():
        if category.patterns[key].confidence >= OUTCOMES_SURE:
            spoken |= mask & new
    for place, one in enumerate(answers):
        if spoken >> place & 1:
            work.hits.append((one.place, bool(window.passing >> place & 1)))


def _merge(category: Category, masks: dict[str, int], work: Work) -> None:
    """Of two known patterns that the window shows for mostly the same judgments, the surer takes the other in."""
    kept: list[str] = []
    for key in sorted(masks, key=lambda key: _sureness(category.patterns[key])):
        into = None
        if masks[key].bit_count() >= SOURCES_MIN and pattern_id(key) not in work.locked:
            into = next((other for other in kept if similar(masks[key], masks[other])), None)
        if into is None:
            kept.append(key)
            continue
        work.merged.append({"category": category.name, "key": key, "child": into})
        del category.patterns[key], masks[key]
        category.written.pop(key, None)


def _mine(category: Category, window: Window, masks: dict[str, int], begin: int) -> None:
    # A full category takes one newcomer a cycle: what a few judgments say for sure is mostly chance.
    room = max(1, PATTERNS_A_CATEGORY_MAX - len(category.patterns))
    for one in window.mined(masks.values())[:room]:
        pattern = Counted(category=category.name, tags=one.tags, since=begin)
        if pattern.key not in category.patterns:
            pattern.sighted(_at(window.sources, one.mask))
            category.patterns[pattern.key] = pattern
            masks[pattern.key] = one.mask


def _trim(category: Category, work: Work) -> None:
    """Keep the locked ones, and of the others the surest."""
    ordered = sorted(
        category.patterns.values(),
        key=lambda one: (pattern_id(one.key) not in work.locked, *_sureness(one)),
    )
    for place, one in enumerate(ordered):
        locked = pattern_id(one.key) in work.locked
        if not locked and (one.confidence < PRUNED_BELOW or place >= PATTERNS_A_CATEGORY_MAX):
            del category.patterns[one.key]
            if category.written.pop(one.key, None) is not None:
                work.gone.append(one)


def _sureness(one: Counted) -> tuple[float, int, int, str]:
    return -one.confidence, -one.frequency, len(one.tags), one.key


def _note(
    category: Category, window: Window, masks: Mapping[str, int], cycle: Cycle, work: Work
) -> None:
    """The rows of the patterns that are new or have moved."""
    for key, one in sorted(category.patterns.items()):
        written = category.written.get(key)
        if written is not None and abs(one.confidence - written) < WRITTEN_FROM:
            continue
        seen = _at(window.sources, masks.get(key, 0))
        judgments = list(dict.fromkeys(source.judgment_id for source in seen))[-SOURCES_NAMED_MAX:]
        if not judgments:
            continue  # taken back only: the counts are right, and the row follows with the next sighting
        category.written[key] = one.confidence
        work.rows[key] = pattern_row(
            one, is_locked=pattern_id(key) in work.locked, now_seconds=work.now
        ) | {"judgments": judgments}
        if written is None:
            cycle.log(
                LOOP,
                "emerged",
                action=pattern_id(key),
                category=category.name,
                tags=one.tags,
                confidence=one.confidence,
                judgments=judgments,
            )


def _write(cycle: Cycle, work: Work) -> None:
    if work.rows:
        rows = to_json(list(work.rows.values()))
        cycle.conn.execute(_SQL["patterns"], {"rows": rows, "now": cycle.now})
    if work.merged:
        cycle.conn.execute(_SQL["merged"], {"rows": to_json(work.merged), "now": cycle.now})
    if work.gone:
        rows = to_json(
            [{"id": pattern_id(one.key), "confidence": one.confidence} for one in work.gone]
        )
        cycle.conn.execute(_SQL["gone"], {"rows": rows})
    for one in work.merged:
        key, into = cast("str", one["key"]), cast("str", one["child"])
        cycle.log(LOOP, "merged", action=pattern_id(key), into=pattern_id(into))
    for one in work.gone:
        cycle.log(LOOP, "pruned", action=pattern_id(one.key), confidence=one.confidence)
    if work.rows or work.merged or work.gone:
        left = [cast("str", one["key"]) for one in work.merged] + [one.key for one in work.gone]
        patterns.share(cycle.conn, work.rows.values(), left=map(pattern_id, left))
