"""What a replay came to, as pictures: whom to send where, and what the pack earned on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from cynic.demo import policy, trend
from cynic.drawing.axis import ticks
from cynic.drawing.svg import (
    AMBER,
    BLUE,
    FAINT,
    GREEN,
    GRID,
    INK,
    PAPER,
    Sheet,
    fitting,
    text_width,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cynic.demo.dataset import DataSet
    from cynic.demo.policy import Weights
    from cynic.demo.replay import Replayed

WIDTH: Final = 760
LEFT: Final = 30
MARGIN: Final = 60
MOVING_SHARE: Final = 0.05
"""The moving mean is over so much of the tasks, at least 25 of them."""
MOVING_MIN: Final = 25
POINTS_MAX: Final = 400
FULL_FROM: Final = 0.5
"""A weight of at least this is drawn in full colour; a row in which none stands out stays light."""
DARK_FROM: Final = 0.55
"""Cells from this share of the strongest on take white letters."""
ANSWERS_MIN: Final = 10
"""A cell with fewer answers is hatched: its weight says little."""
CURVE_TOP: Final = 122
CURVE_HIGH: Final = 220
AIR: Final = 0.04
"""Between the curve and the edge of its field, as a score."""
CONTEXTS_MAX: Final = 16
"""Rows of the picture of weights: the contexts with the most tasks."""
SLANT: Final = -40
SLANTED_MAX: Final = 112
"""Pixels of a slanted name; the last one must stay on the sheet."""
TITLES: Final[Mapping[trend.Says, str]] = {
    "better": "What was learned: the pack gets better while it works",
    "not better": "What was learned: the pack does not get better while it works",
    "cannot be told": "What the pack earned while it learned",
}


def counted(count: int, name: str) -> str:
    """A number and what it counts, in the plural where it is one."""
    return f"{count:,} {name}" if count == 1 else f"{count:,} {name}s"


def drawn_contexts(data: DataSet) -> str:
    """Which contexts the picture of weights shows."""
    if len(data.contexts) <= CONTEXTS_MAX:
        return counted(len(data.contexts), "context")
    return f"{CONTEXTS_MAX} of {len(data.contexts)} contexts, those with the most tasks"


def routing(data: DataSet, weights: Weights, chosen: Replayed) -> str:
    """Routing weights by dog and context, darker the heavier; the small number is how often the dog was sent there."""
    contexts = data.contexts[:CONTEXTS_MAX]
    slanted = _needs_slant(data)
    room = 48 + _slanted_height(data) if slanted else 40
    left, top, cell = 190, 160 + room, 40
    wide = (WIDTH - left - (90 if slanted else LEFT)) / len(data.dogs)
    sheet = Sheet(
        WIDTH, round(top + cell * len(contexts) + LEFT), "routing weights by dog and context"
    )
    _draw_caption(sheet, data, weights)
    for column, dog in enumerate(data.dogs):
        x = left + wide * (column + 0.5)
        _draw_name(sheet, (x, top - 10), (dog, data.stands_for[dog]), wide, slanted=slanted)
    for line, context in enumerate(contexts):
        y = top + cell * line
        sheet.text((left - 12, y + cell / 2 + 4), fitting(context, 12, 150), anchor="end")
        row = weights.get(context)
        cells = [
            _Cell(
                share=row[dog] if row else None,
                sent=chosen.chosen.get(context, {}).get(dog, 0),
                of=f"{context}, {dog} ({data.stands_for[dog]})",
            )
            for dog in data.dogs
        ]
        _draw_row(sheet, (left, y), (wide, cell), cells)
    return sheet.document()


def _draw_caption(sheet: Sheet, data: DataSet, weights: Weights) -> None:
    sheet.text(
        (LEFT, 34), "Whom to send where: routing weights by dog and context", size=17, bold=True
    )
    worth = policy.would_earn(data, weights)
    earned = (
        "nothing was learned to send by"
        if worth is None
        else f"sending by these weights would have earned {worth:.3f}"
    )
    ends = f"choosing blindly {data.random_mean():.3f}, the best of each context {data.best_mean():.3f}"
    lines = (
        f"{earned}; {ends}",
        f"{fitting(data.name, 12, 300)}: {drawn_contexts(data)}",
        "large: learned weight, what preferences (DPO) say now, in per cent over the dogs in the data",
        "small: how often it was sent while learning, by the values of Q-learning",
        f"hatched: fewer than {ANSWERS_MIN} answers, a weight says little there; not learned: counted as blind choice",
    )
    for place, words in enumerate(lines):
        sheet.text((LEFT, 58 + 19 * place), words, fill=INK if place == 0 else FAINT)


def _needs_slant(data: DataSet) -> bool:
    """Whether a name is wider than its column when the columns are as wide as can be."""
    wide = (WIDTH - 190 - LEFT) / len(data.dogs) - 4
    widths = [text_width(dog, 12) for dog in data.dogs]
    widths += [text_width(name, 9.5) for name in data.stands_for.values()]
    return max(widths) > wide


def _slanted_height(data: DataSet) -> float:
    names = [text_width(dog, 12) for dog in data.dogs]
    names += [text_width(name, 9.5) for name in data.stands_for.values()]
    return min(SLANTED_MAX, max(names)) * math.sin(math.radians(-SLANT)) - 20


def _draw_name(
    sheet: Sheet, at: tuple[float, float], names: tuple[str, str], wide: float, *, slanted: bool
) -> None:
    """The dog, and whom it stands for where that is another name."""
    dog, stands_for = names
    other = stands_for != dog
    if slanted:
        x, y = at
        sheet.text((x - 4, y), dog, size=11, bold=True, slant=SLANT)
        if other:
            name = fitting(stands_for, 9.5, SLANTED_MAX)
            sheet.text((x + 10, y + 4), name, size=9.5, fill=FAINT, slant=SLANT)
        return
    sheet.text((at[0], at[1] - 16 * other), dog, size=11, anchor="middle", bold=True)
    if other:
        name = fitting(stands_for, 9.5, wide)
        sheet.text(at, name, size=9.5, fill=FAINT, anchor="middle")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Cell:
    share: float | None
    """Of the context's weight; None where nothing was learned."""
    sent: int
    of: str


def _draw_row(
    sheet: Sheet, at: tuple[float, float], size: tuple[float, float], cells: Sequence[_Cell]
) -> None:
    """The cells of one context; without learned weights they are empty but for how often each dog was sent."""
    wide, high = size
    shares = [cell.share for cell in cells if cell.share is not None]
    most = max([FULL_FROM, *shares])
    shown = [f"{value:.1f}" for value in policy.per_cent(shares)] or [""] * len(cells)
    for column, (cell, words) in enumerate(zip(cells, shown, strict=True)):
        corner = (at[0] + wide * column + 1.5, at[1] + 1.5)
        note = f"{cell.of}: sent {counted(cell.sent, 'time')}"
        few = cell.sent < ANSWERS_MIN
        strength = 0.0 if few or cell.share is None else cell.share / most
        if few:
            sheet.hatched_box(corner, (wide - 3, high - 3), note=note)
        else:
            opacity = 0.05 + 0.9 * strength
            sheet.box(corner, (wide - 3, high - 3), fill=BLUE, opacity=opacity, note=note)
        dark = strength >= DARK_FROM
        ink, faint = (PAPER, PAPER) if dark else (FAINT if few else INK, FAINT)
        middle = at[0] + wide * (column + 0.5)
        if words:
            sheet.text((middle, at[1] + 19), words, size=12.5, fill=ink, anchor="middle")
        sheet.text((middle, at[1] + 32), str(cell.sent), size=9, fill=faint, anchor="middle")
    if not shares:
        centre = (at[0] + wide * len(cells) / 2, at[1] + 19)
        sheet.text(centre, "not learned", fill=FAINT, anchor="middle", over_lines=True)


def learned(data: DataSet, done: Replayed, status: Mapping[str, Any]) -> str:
    """The moving mean of what the chosen dogs earned, between blind choice and the best in hindsight; and the loops."""
    loops = status["loops"]
    below = CURVE_TOP + CURVE_HIGH
    sheet = Sheet(WIDTH, below + 90 + 22 * len(loops), "what was learned")
    found = trend.of(done.rewards)
    sheet.text((LEFT, 34), TITLES[found.says], size=17, bold=True)
    counts = f"{counted(len(done.rewards), 'task')} in {counted(len(data.contexts), 'context')}"
    sheet.text((LEFT, 56), f"{fitting(data.name, 12, 420)}: {counts}", fill=FAINT)
    sheet.text((LEFT, 74), found.words(), fill=FAINT)
    _draw_legend(sheet, data, window(len(done.rewards)))
    _draw_curve(sheet, moving_mean(done.rewards), data, len(done.rewards))
    for place, loop in enumerate(loops):
        y = below + 68 + 22 * place
        sheet.dot((38, y - 4), 4, fill=GREEN if loop["state"] == "learning" else GRID)
        sheet.text((52, y), loop["loop"], bold=True)
        sheet.text((170, y), _loop_words(loop), fill=FAINT)
    return sheet.document()


def _draw_legend(sheet: Sheet, data: DataSet, over: int) -> None:
    """Above the field, where no curve is."""
    x, y = float(LEFT), CURVE_TOP - 22
    for words, colour, dash in (
        (f"mean score of the last {counted(over, 'task')}", BLUE, ""),
        (f"blind choice {data.random_mean():.3f}", AMBER, "6 4"),
        (f"best of each context, known afterwards {data.best_mean():.3f}", GREEN, "6 4"),
    ):
        sheet.line((x, y - 4), (x + 22, y - 4), stroke=colour, width=2, dash=dash)
        sheet.text((x + 28, y), words, size=11, fill=colour)
        x += 28 + text_width(words, 11) + 18


def _draw_curve(
    sheet: Sheet, curve: Sequence[tuple[int, float]], data: DataSet, tasks: int
) -> None:
    """The field with both scales; a single mean is a dot."""
    blind, best = data.random_mean(), data.best_mean()
    means = [mean for _, mean in curve]
    low, high = max(0.0, min([blind, *means]) - AIR), min(1.0, max([best, *means]) + AIR)
    left, right, foot = MARGIN, WIDTH - 40, CURVE_TOP + CURVE_HIGH

    def at(done: float, value: float) -> tuple[float, float]:
        x = left + (right - left) * done / tasks
        return x, CURVE_TOP + CURVE_HIGH * (high - value) / (high - low)

    for value in ticks(low, high):
        y = at(0, value)[1]
        sheet.line((left, y), (right, y))
        sheet.text((left - 8, y + 4), f"{value:.2f}", size=11, fill=FAINT, anchor="end")
    for done in ticks(0, tasks, least=1):
        x = at(done, low)[0]
        sheet.line((x, foot), (x, foot + 4), stroke=FAINT)
        sheet.text((x, foot + 18), f"{done:,.0f}", size=11, fill=FAINT, anchor="middle")
    sheet.line((left, foot), (right, foot), stroke=FAINT)
    sheet.text(((left + right) / 2, foot + 36), "tasks done", size=11, fill=FAINT, anchor="middle")
    for value, colour in ((blind, AMBER), (best, GREEN)):
        sheet.line(at(0, value), at(tasks, value), stroke=colour, dash="6 4")
    if len(curve) > 1:
        sheet.path([at(done, mean) for done, mean in curve], stroke=BLUE)
        return
    sheet.dot(at(*curve[0]), 5, fill=BLUE)
    centre = ((left + right) / 2, CURVE_TOP + CURVE_HIGH / 2)
    words = "too few tasks for a curve"
    sheet.text(centre, words, fill=FAINT, anchor="middle", over_lines=True)


def window(tasks: int) -> int:
    """Over how many tasks the moving mean goes."""
    return min(tasks, max(MOVING_MIN, round(MOVING_SHARE * tasks)))


def moving_mean(rewards: Sequence[float]) -> list[tuple[int, float]]:
    """(tasks done, mean of the window that ends there), one for each full window, thinned to some 400; the last is kept."""
    size = window(len(rewards))
    total = math.fsum(rewards[:size])
    means = [(size, total / size)]
    for place, (leaving, coming) in enumerate(zip(rewards, rewards[size:], strict=False), size + 1):
        total += coming - leaving
        means.append((place, total / size))
    thinned = means[:: max(1, len(means) // POINTS_MAX)]
    return thinned if thinned[-1] == means[-1] else [*thinned, means[-1]]


def _loop_words(loop: Mapping[str, Any]) -> str:
    if loop["state"] != "learning":
        return str(loop["state"])
    acts = f"; changes {loop['acts_on']}" if loop.get("acts_on") else ""
    return f"has seen {loop['data']:,}{acts}"
