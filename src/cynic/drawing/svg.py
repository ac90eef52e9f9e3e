"""A few strokes of SVG: text, lines, boxes and paths on a sheet that reads on light and dark pages alike."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal
from xml.sax.saxutils import escape, quoteattr

if TYPE_CHECKING:
    from collections.abc import Sequence

INK: Final = "#1f2328"
FAINT: Final = "#59636e"
GRID: Final = "#d8dee4"
BLUE: Final = "#0969da"
AMBER: Final = "#bc4c00"
GREEN: Final = "#1a7f37"
PAPER: Final = "#ffffff"
FONT: Final = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"

Anchor = Literal["start", "middle", "end"]
Point = tuple[float, float]
LETTERS_MIN: Final = 4
"""So many of a text that is cut are left."""
_HATCH: Final = (
    '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
    f'<rect width="2" height="6" fill="{GRID}"/></pattern></defs>'
)


def text_width(words: str, size: float) -> float:
    """About how many pixels a line of text takes: letters some 0.56 of its size, ideographs all of it."""
    return size * sum(1 if unicodedata.east_asian_width(one) in "WF" else 0.56 for one in words)


def fitting(words: str, size: float, pixels: float) -> str:
    """As much of a line of text as fits, at least four letters."""
    if text_width(words, size) <= pixels:
        return words
    kept = words
    while len(kept) >= LETTERS_MIN and text_width(kept + "…", size) > pixels:
        kept = kept[:-1]
    return kept.rstrip() + "…"


@dataclass(slots=True)
class Sheet:
    """A drawing in pixels, the origin at the top left."""

    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list[str])
    hatched: bool = False
    """Whether any box is."""

    def text(
        self,
        at: Point,
        words: str,
        *,
        size: float = 12,
        fill: str = INK,
        anchor: Anchor = "start",
        bold: bool = False,
        over_lines: bool = False,
        slant: float = 0,
    ) -> None:
        """One line of text; `at` is the foot of its first, middle or last letter, `slant` its turn in degrees, clockwise."""
        weight = ' font-weight="600"' if bold else ""
        halo = f' paint-order="stroke" stroke="{PAPER}" stroke-width="4"' if over_lines else ""
        turn = f' transform="rotate({slant:g} {at[0]:.1f} {at[1]:.1f})"' if slant else ""
        self.parts.append(
            f'<text x="{at[0]:.1f}" y="{at[1]:.1f}" font-size="{size:g}" fill="{fill}"'
            f' text-anchor="{anchor}"{weight}{halo}{turn}>{escape(words)}</text>'
        )

    def line(
        self, start: Point, end: Point, *, stroke: str = GRID, width: float = 1, dash: str = ""
    ) -> None:
        """A straight line."""
        dashed = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
            f' stroke="{stroke}" stroke-width="{width:g}"{dashed}/>'
        )

    def box(self, at: Point, size: Point, *, fill: str, opacity: float = 1, note: str = "") -> None:
        """A filled box; a note is shown where the pointer rests."""
        told = f"<title>{escape(note)}</title>" if note else ""
        self.parts.append(
            f'<rect x="{at[0]:.1f}" y="{at[1]:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}"'
            f' rx="2" fill="{fill}" fill-opacity="{opacity:.3f}">{told}</rect>'
        )

    def hatched_box(self, at: Point, size: Point, *, note: str = "") -> None:
        """A box of thin slanted lines: what it stands for is doubtful."""
        self.hatched = True
        told = f"<title>{escape(note)}</title>" if note else ""
        self.parts.append(
            f'<rect x="{at[0]:.1f}" y="{at[1]:.1f}" width="{size[0]:.1f}" height="{size[1]:.1f}"'
            f' rx="2" fill="url(#hatch)" fill-opacity="0.6">{told}</rect>'
        )

    def dot(self, at: Point, radius: float, *, fill: str, note: str = "") -> None:
        """A filled circle."""
        told = f"<title>{escape(note)}</title>" if note else ""
        self.parts.append(
            f'<circle cx="{at[0]:.1f}" cy="{at[1]:.1f}" r="{radius:.1f}" fill="{fill}"'
            f' fill-opacity="0.85">{told}</circle>'
        )

    def path(self, points: Sequence[Point], *, stroke: str, width: float = 2) -> None:
        """A line through points."""
        steps = " ".join(
            f"{'M' if place == 0 else 'L'}{x:.1f} {y:.1f}" for place, (x, y) in enumerate(points)
        )
        self.parts.append(
            f'<path d="{steps}" fill="none" stroke="{stroke}" stroke-width="{width:g}"'
            ' stroke-linejoin="round"/>'
        )

    def document(self) -> str:
        """The whole picture as a file's text."""
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{self.width}" height="{self.height}"'
            f' viewBox="0 0 {self.width} {self.height}" role="img" aria-label={quoteattr(self.title)}'
            f" font-family={quoteattr(FONT)}>"
        )
        paper = f'<rect width="{self.width}" height="{self.height}" rx="8" fill="{PAPER}"/>'
        defined = [_HATCH] if self.hatched else []
        return "\n".join([head, *defined, paper, *self.parts, "</svg>", ""])
