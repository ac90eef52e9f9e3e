"""Templates to HTML: everything that is filled in is escaped, and nothing is loaded from anywhere."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from cynic.base import quantities
from cynic.base.errors import UnavailableError
from cynic.base.version import __version__

if TYPE_CHECKING:
    from fastapi import Request

RETRY_AFTER_SECONDS: Final = "1"
_TEMPLATES: Final = Path(__file__).with_name("templates")
_STYLE: Final = Markup((_TEMPLATES / "style.css").read_text(encoding="utf-8"))  # noqa: S704  # our own file
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS: Final = {
    # The style stands in the page and is allowed by its hash; the only image is the icon, inside the page too.
    "Content-Security-Policy": (
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; img-src data:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # Addresses hold judgment ids and filters: they are nobody else's business.
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def page(request: Request, template: str, status: int = 200, /, **values: object) -> HTMLResponse:
    """One page with its security headers; links begin where the application is mounted."""
    root = str(request.scope.get("root_path", ""))
    shared = {"root": root, "style": _STYLE, "version": __version__}
    text = _ENVIRONMENT.get_template(template).render(shared, **values)
    waits = {"Retry-After": RETRY_AFTER_SECONDS} if status == UnavailableError.http_status else {}
    return HTMLResponse(text, status, HEADERS | waits)


def number(value: float, places: int = 2, least: int = 0) -> str:
    """A number to at most `places` and at least `least` places: 61.8, 50, 0.494, and 0.50 with two at least."""
    whole, _, rest = f"{value:.{places}f}".partition(".")
    rest = rest.rstrip("0").ljust(least, "0")
    return f"{whole}.{rest}" if rest else whole


def moment(at: str | datetime, timespec: str = "seconds") -> str:
    """A time in UTC as people read it; the page says that it is UTC."""
    found = datetime.fromisoformat(at) if isinstance(at, str) else at
    return found.astimezone(UTC).isoformat(" ", timespec)[:-6]


def segment(text: str) -> str:
    """Text as one segment of a path, whatever it holds."""
    return quote(text, safe="")


def _environment() -> Environment:
    found = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    found.filters.update(
        number=number,
        moment=moment,
        segment=segment,
        compact=quantities.compact,
        span=quantities.span,
        usd=quantities.usd,
    )
    return found


_ENVIRONMENT: Final = _environment()
