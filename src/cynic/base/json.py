"""The shape of a JSON value, as a jsonb column gives it and takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

JSON: TypeAlias = "bool | int | float | str | Sequence[JSON] | Mapping[str, JSON] | None"
JSONObject: TypeAlias = Mapping[str, JSON]
JSONArray: TypeAlias = Sequence[JSON]
