"""Learning over HTTP: what the loops know, and how well probabilities agree with what came true."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request  # FastAPI reads them
from fastapi.responses import JSONResponse

from cynic.api import models
from cynic.api.describe import problems
from cynic.api.state import memory_of
from cynic.reads.learning import calibration

router = APIRouter(prefix="/api/v1", tags=["learning"])


@router.get("/learning", responses={200: {"model": models.LearningShown}, **problems(503)})
def show_learning(request: Request) -> JSONResponse:
    """Show the eleven learning loops: what each has seen, knows and changes."""
    return JSONResponse(memory_of(request).learning())


@router.get(
    "/calibration", responses={200: {"model": models.CalibrationShown}, **problems(422, 503)}
)
def show_calibration(
    request: Request,
    days: Annotated[int, Query(ge=1, le=calibration.DAYS_MAX)] = calibration.DAYS_DEFAULT,
) -> JSONResponse:
    """Show how well stated probabilities agree with what came true: curve, ECE and Brier score; null without data."""
    return JSONResponse(memory_of(request).calibration(days=days))
