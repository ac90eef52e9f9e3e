"""The reliability diagram (Murphy & Winkler 1977): the share that came true over the probability that was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cynic.drawing.svg import BLUE, FAINT, Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDTH: Final = 760
MARGIN: Final = 60
SIDE: Final = 320
ANSWERS_MIN: Final = 10
"""Of fewer an error says nothing: a single answer that came true as told has an error of 0."""
TOO_FEW: Final = f"too few to say: {ANSWERS_MIN} are needed"
HINTS: Final = (
    "dots on the dashed line are calibrated; a larger",
    "dot stands for more answers; until 30 answers of a",
    "kind are known, the share of the votes is told",
)


def calibration(found: Mapping[str, Any]) -> str:
    """The reliability diagram of `GET /calibration`, with its numbers beside it."""
    sheet = Sheet(WIDTH, 460, "calibration curve")
    sheet.text((MARGIN, 34), "How well probabilities agree with what came true", size=17, bold=True)
    left, top = MARGIN + 20, 70
    _draw(sheet, found, left, top)
    x, y = left + SIDE + 40, top + 22
    for place, (name, value) in enumerate(figures(found)):
        sheet.text((x, y + 30 * place), name, fill=FAINT)
        sheet.text((x + 290, y + 30 * place), value, anchor="end", bold=True)
    for place, words in enumerate(HINTS):
        sheet.text((x, top + 268 + 16 * place), words, size=11, fill=FAINT)
    return sheet.document()


def diagram(found: Mapping[str, Any]) -> str:
    """The diagram alone, narrow enough for a telephone: the page says the numbers."""
    sheet = Sheet(SIDE + 62, SIDE + 86, "calibration curve")
    _draw(sheet, found, 42, 34)
    return sheet.document()


def figures(found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The numbers by their names, as people read them; of too few answers only how many there are."""
    ece, brier = found["ece"], found["brier"]
    lines = [("answers", f"{found['n']:,}")]
    if found["n"] < ANSWERS_MIN:
        return [*lines, ("calibration error", TOO_FEW)]
    if ece is not None:
        lines.append(("calibration error (ECE)", f"{ece['value']:.4f}"))
        if ece["low"] is not None:
            lines.append(("its 95 % interval", f"{ece['low']:.4f} to {ece['high']:.4f}"))
    if brier is not None:
        lines.append(("Brier score", f"{brier['score']:.4f}"))
        lines.append(("miscalibration", f"{brier['miscalibration']:.4f}"))
        lines.append(("discrimination", f"{brier['discrimination']:.4f}"))
        lines.append(("uncertainty", f"{brier['uncertainty']:.4f}"))
    return lines


def _draw(sheet: Sheet, found: Mapping[str, Any], left: float, top: float) -> None:
    """The share that was right over the probability that was told; its upper left corner is at (left, top)."""
    for step in range(6):
        share = step / 5
        x, y = left + SIDE * share, top + SIDE * (1 - share)
        sheet.line((left, y), (left + SIDE, y))
        sheet.line((x, top), (x, top + SIDE))
        sheet.text((left - 8, y + 4), f"{share:.1f}", size=11, fill=FAINT, anchor="end")
        sheet.text((x, top + SIDE + 18), f"{share:.1f}", size=11, fill=FAINT, anchor="middle")
    sheet.line((left, top + SIDE), (left + SIDE, top), stroke=FAINT, dash="4 4")
    bins = [one for one in found["curve"] if one["count"]]
    most = max((one["count"] for one in bins), default=1)
    points: list[tuple[float, float]] = []
    for one in bins:
        at = (left + SIDE * one["mean_p"], top + SIDE * (1 - one["hit_rate"]))
        points.append(at)
        note = f"told {one['mean_p']:.3f}, came true {one['hit_rate']:.3f}, n {one['count']}"
        sheet.dot(at, 4 + 10 * (one["count"] / most) ** 0.5, fill=BLUE, note=note)
    if len(points) > 1:
        sheet.path(points, stroke=BLUE, width=1.5)
    sheet.text((left + SIDE / 2, top + SIDE + 40), "probability told", fill=FAINT, anchor="middle")
    sheet.text((left, top - 10), "share that was right", fill=FAINT)
