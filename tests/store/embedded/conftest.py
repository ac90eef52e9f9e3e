from __future__ import annotations

from conftest_embedded import home, made_home, new_user, ready_home

__all__ = ["home", "made_home", "new_user", "ready_home"]
