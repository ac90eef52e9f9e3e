"""What a replay came to, as pictures: whom to send where, and how the pack got better."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cynic.drawing.svg import AMBER, BLUE, FAINT, GREEN, GRID, INK, Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cynic.demo.dataset import DataSet
    from cynic.demo.replay import Replayed

WIDTH: Final = 760
MARGIN: Final = 60
MOVING_SHARE: Final = 0.05
"""The moving mean is over so much of the tasks, at least 25 of them."""
FULL_FROM: Final = 0.5
"""A weight of at least this is drawn in full colour; a row in which none stands out stays light."""
DARK_FROM: Final = 0.55
"""Cells from this share of the strongest on take white letters."""
CURVE_TOP: Final = 80
CURVE_HIGH: Final = 220
CONTEXTS_MAX: Final = 16
"""Rows of the picture of weights: the most frequent contexts."""


def routing(
    data: DataSet, weights: Mapping[str, Mapping[str, tuple[float, int]]], chosen: Replayed
) -> str:
    """Routing weights by dog and context, darker the heavier; the small number is how often the dog was sent there."""
    contexts = data.contexts[:CONTEXTS_MAX]
    dogs = data.dogs
    left, top, cell = 190, 122, 40
    wide = (WIDTH - left - 30) / len(dogs)
    sheet = Sheet(WIDTH, top + cell * len(contexts) + 40, "routing weights by dog and context")
    sheet.text(
        (30, 34), "Whom to send where: routing weights by dog and context", size=17, bold=True
    )
    sheet.text(
        (30, 56), "large: learned weight in per cent; small: how often it was sent", fill=FAINT
    )
    for column, dog in enumerate(dogs):
        x = left + wide * (column + 0.5)
        sheet.text((x, top - 26), dog, size=11, anchor="middle", bold=True)
        if data.stands_for[dog] != dog:
            name = _short(data.stands_for[dog], wide)
            sheet.text((x, top - 10), name, size=9.5, fill=FAINT, anchor="middle")
    for line, context in enumerate(contexts):
        y = top + cell * line
        sheet.text((left - 12, y + cell / 2 + 4), _short(context, 165), anchor="end")
        row = weights.get(context, {})
        most = max([FULL_FROM, *(weight for weight, _ in row.values())])
        for column, dog in enumerate(dogs):
            sent = chosen.chosen.get(context, {}).get(dog, 0)
            weight = row[dog][0] if dog in row else None
            strength = 0.0 if weight is None else weight / most
            at = (left + wide * column, y)
            note = f"{context}, {dog} ({data.stands_for[dog]}): sent {sent} times"
            _draw_cell(sheet, at, (wide, cell), strength, note)
            dark = strength >= DARK_FROM
            middle = at[0] + wide / 2
            large = "none" if weight is None else f"{100 * weight:.1f}"
            ink, faint = ("#ffffff", "#ffffff") if dark else (INK, FAINT)
            sheet.text((middle, y + 19), large, size=12.5, fill=ink, anchor="middle")
            sheet.text((middle, y + 32), str(sent), size=9, fill=faint, anchor="middle")
    return sheet.document()


def _draw_cell(
    sheet: Sheet, at: tuple[float, float], size: tuple[float, float], strength: float, note: str
) -> None:
    """A box with a gap round it, the darker the stronger."""
    corner = (at[0] + 1.5, at[1] + 1.5)
    sheet.box(
        corner, (size[0] - 3, size[1] - 3), fill=BLUE, opacity=0.05 + 0.9 * strength, note=note
    )


def learned(data: DataSet, done: Replayed, status: Mapping[str, Any]) -> str:
    """The moving mean of what the chosen dogs earned, between blind choice and the best in hindsight; and the loops."""
    loops = status["loops"]
    below = CURVE_TOP + CURVE_HIGH
    sheet = Sheet(WIDTH, below + 90 + 22 * len(loops), "what was learned")
    sheet.text(
        (30, 34), "What was learned: the pack gets better while it works", size=17, bold=True
    )
    told = f"{data.name}: {len(done.rewards):,} tasks in {len(data.contexts)} contexts"
    sheet.text((30, 56), told, fill=FAINT)
    _draw_curve(sheet, moving_mean(done.rewards), data)
    quarter = f"moving mean of the score; the last quarter: {done.mean(0.25):.3f}"
    sheet.text((MARGIN, below + 18), quarter, size=11, fill=BLUE)
    sheet.text((WIDTH - 40, below + 18), "tasks →", size=11, fill=FAINT, anchor="end")
    for place, loop in enumerate(loops):
        y = below + 58 + 22 * place
        sheet.dot((38, y - 4), 4, fill=GREEN if loop["state"] == "learning" else GRID)
        sheet.text((52, y), loop["loop"], bold=True)
        sheet.text((170, y), _loop_words(loop), fill=FAINT)
    return sheet.document()


def _draw_curve(sheet: Sheet, curve: Sequence[float], data: DataSet) -> None:
    blind, best = data.random_mean(), data.best_mean()
    low = min([blind, *curve]) - 0.04
    span = max([best, *curve]) + 0.04 - low
    left, right = MARGIN, WIDTH - 40

    def height(value: float) -> float:
        return CURVE_TOP + CURVE_HIGH * (1 - (value - low) / span)

    step = (right - left) / max(1, len(curve) - 1)
    sheet.path(
        [(left + step * place, height(value)) for place, value in enumerate(curve)], stroke=BLUE
    )
    for value, name, colour in (
        (blind, "blind choice", AMBER),
        (best, "best of each context, known afterwards", GREEN),
    ):
        y = height(value)
        sheet.line((left, y), (right, y), stroke=colour, dash="6 4")
        sheet.text((left - 8, y + 4), f"{value:.2f}", size=11, fill=FAINT, anchor="end")
        sheet.text(
            (right, y - 6),
            f"{name} {value:.3f}",
            size=11,
            fill=colour,
            anchor="end",
            over_lines=True,
        )
    sheet.line((left, CURVE_TOP + CURVE_HIGH), (right, CURVE_TOP + CURVE_HIGH), stroke=GRID)


def moving_mean(rewards: Sequence[float]) -> list[float]:
    """Means over a window that moves, one for each full window, at most 400 of them."""
    window = min(len(rewards), max(25, round(MOVING_SHARE * len(rewards))))
    total = sum(rewards[:window])
    means = [total / window]
    for leaving, coming in zip(rewards, rewards[window:], strict=False):
        total += coming - leaving
        means.append(total / window)
    return means[:: max(1, len(means) // 400)]


def _loop_words(loop: Mapping[str, Any]) -> str:
    if loop["state"] != "learning":
        return str(loop["state"])
    acts = f"; changes {loop['acts_on']}" if loop.get("acts_on") else ""
    return f"has seen {loop['data']:,}{acts}"


def _short(words: str, pixels: float) -> str:
    """As many letters as fit, at some 6 pixels each."""
    room = max(4, int(pixels / 6))
    return words if len(words) <= room else words[: room - 1] + "…"
