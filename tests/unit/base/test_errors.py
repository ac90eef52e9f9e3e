from __future__ import annotations

import importlib
import pkgutil
import re

import cynic
from cynic.base.errors import CynicError

EXIT_CODES = {1, 2, 3, 4, 5, 6, 69, 75}


def every_error() -> list[type[CynicError]]:
    for module in pkgutil.walk_packages(cynic.__path__, "cynic."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    found: list[type[CynicError]] = [CynicError]
    for kind in found:
        found.extend(one for one in kind.__subclasses__() if one not in found)
    return found


def test_every_error_has_a_code_of_its_own_in_kebab_case() -> None:
    codes = [kind.code for kind in every_error()]
    assert len(codes) == len(set(codes)), sorted(codes)
    assert [code for code in codes if not re.fullmatch(r"[a-z]+(-[a-z]+)*", code)] == []


def test_every_error_has_an_exit_code_of_the_list_and_says_what_it_means() -> None:
    for kind in every_error():
        assert kind.exit_code in EXIT_CODES, kind
        assert 400 <= kind.http_status < 600, kind
        assert kind.__doc__, kind
