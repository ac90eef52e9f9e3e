"""The reliability diagram (Murphy & Winkler 1977): the share that came true over the probability that was told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from cynic.drawing.svg import BLUE, FAINT, Sheet

if TYPE_CHECKING:
    from collections.abc import Mapping

WIDTH: Final = 760
MARGIN: Final = 60


def calibration(found: Mapping[str, Any]) -> str:
    """The reliability diagram of `GET /calibration`: the share that was right over the probability that was told."""
    sheet = Sheet(WIDTH, 460, "calibration curve")
    sheet.text((MARGIN, 34), "How well probabilities agree with what came true", size=17, bold=True)
    side, left, top = 320, MARGIN + 20, 70
    for step in range(6):
        share = step / 5
        x, y = left + side * share, top + side * (1 - share)
        sheet.line((left, y), (left + side, y))
        sheet.line((x, top), (x, top + side))
        sheet.text((left - 8, y + 4), f"{share:.1f}", size=11, fill=FAINT, anchor="end")
        sheet.text((x, top + side + 18), f"{share:.1f}", size=11, fill=FAINT, anchor="middle")
    sheet.line((left, top + side), (left + side, top), stroke=FAINT, dash="4 4")
    bins = [one for one in found["curve"] if one["count"]]
    most = max((one["count"] for one in bins), default=1)
    points: list[tuple[float, float]] = []
    for one in bins:
        at = (left + side * one["mean_p"], top + side * (1 - one["hit_rate"]))
        points.append(at)
        note = f"told {one['mean_p']:.3f}, came true {one['hit_rate']:.3f}, n {one['count']}"
        sheet.dot(at, 4 + 10 * (one["count"] / most) ** 0.5, fill=BLUE, note=note)
    if len(points) > 1:
        sheet.path(points, stroke=BLUE, width=1.5)
    sheet.text((left + side / 2, top + side + 40), "probability told", fill=FAINT, anchor="middle")
    sheet.text((left, top - 10), "share that was right", fill=FAINT)
    _calibration_words(sheet, found, left + side + 40, top)
    return sheet.document()


def _calibration_words(sheet: Sheet, found: Mapping[str, Any], x: float, y: float) -> None:
    ece, brier = found["ece"], found["brier"]
    lines = [("answers", f"{found['n']:,}")]
    if ece is not None:
        lines.append(("calibration error (ECE)", f"{ece['value']:.4f}"))
        if ece["low"] is not None:
            lines.append(("its 95 % interval", f"{ece['low']:.4f} to {ece['high']:.4f}"))
    if brier is not None:
        lines.append(("Brier score", f"{brier['score']:.4f}"))
        lines.append(("miscalibration", f"{brier['miscalibration']:.4f}"))
        lines.append(("discrimination", f"{brier['discrimination']:.4f}"))
        lines.append(("uncertainty", f"{brier['uncertainty']:.4f}"))
    for place, (name, value) in enumerate(lines):
        sheet.text((x, y + 22 + 30 * place), name, fill=FAINT)
        sheet.text((x + 290, y + 22 + 30 * place), value, anchor="end", bold=True)
    for place, words in enumerate(
        (
            "dots on the dashed line are calibrated; a larger",
            "dot stands for more answers; until 30 answers of a",
            "kind are known, the share of the votes is told",
        )
    ):
        sheet.text((x, y + 268 + 16 * place), words, size=11, fill=FAINT)
