"""`/learning`: what the eleven loops know, and how well probabilities agree with what came true."""

from __future__ import annotations

from fastapi import APIRouter, Request  # FastAPI reads them
from fastapi.responses import HTMLResponse
from markupsafe import Markup

from cynic.drawing import reliability
from cynic.web import frame, render

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)


@router.get("/learning")
def learning(request: Request) -> HTMLResponse:
    """Show the loops and the calibration curve."""
    return frame.answered(request, lambda: _page(request))


def _page(request: Request) -> HTMLResponse:
    memory = frame.memory(request)
    status, calibration = memory.learning(), memory.calibration()
    return render.page(
        request,
        "learning.html",
        state=frame.state(request),
        waiting=status["waiting"],
        set_aside=status["set_aside"],
        loops=status["loops"],
        calibration=calibration,
        # Drawn from numbers by our own code, which escapes its words.
        curve=Markup(reliability.diagram(calibration)),  # noqa: S704
        figures=reliability.figures(calibration),
        hint=" ".join(reliability.HINTS),
    )
