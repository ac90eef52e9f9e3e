from __future__ import annotations

import hashlib
import re
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cynic.base.settings import load
from cynic.domains.system.keys import (
    RANDOM_BYTES,
    SCOPES,
    BadKeysSettingError,
    among,
    covers,
    digest,
    make,
    read_setting,
)


@given(st.binary(min_size=RANDOM_BYTES, max_size=RANDOM_BYTES))
def test_a_key_is_the_prefix_and_43_characters_that_hold_all_the_randomness(random: bytes) -> None:
    key = make(random)
    assert re.fullmatch(r"cynic_[A-Za-z0-9_-]{43}", key)
    assert make(random) == key
    assert make(bytes([random[0] ^ 1]) + random[1:]) != key
    assert make(random[:-1] + bytes([random[-1] ^ 1])) != key


def test_a_key_of_too_little_randomness_is_refused() -> None:
    with pytest.raises(ValueError, match="32 random bytes, not 16"):
        make(bytes(16))


def test_what_is_kept_of_a_key_is_its_sha256() -> None:
    assert digest("cynic_x") == digest(b"cynic_x") == hashlib.sha256(b"cynic_x").digest()


def test_a_scope_covers_itself_and_those_before_it() -> None:
    assert all(covers(scope, scope) for scope in SCOPES)
    for less, more in pairwise(SCOPES):
        assert covers(more, less)
        assert not covers(less, more)


def test_the_setting_gives_keys_with_their_scopes() -> None:
    found = read_setting("one, two:read ,three:write,cynic_~/+=._-!:admin")
    assert [(key.digest, key.scope) for key in found] == [
        (digest("one"), "admin"),
        (digest("two"), "read"),
        (digest("three"), "write"),
        (digest("cynic_~/+=._-!"), "admin"),
    ]
    assert read_setting(None) == read_setting("") == ()


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (" ", "entry 1 is no key"),
        (",", "entry 1 is no key"),
        ("sesame,", "entry 2 is no key"),
        ("sesame,,other", "entry 2 is no key"),
        ("ses ame", "entry 1 is no key"),
        ("sésame", "entry 1 is no key"),
        ("sesame\x00", "entry 1 is no key"),
        ("s" * 257, "entry 1 is no key"),
        (":read", "entry 1 is no key"),
        ("sesame:", "entry 1 has no scope"),
        ("sesame:root", "entry 1 has no scope"),
        ("sesame:READ", "entry 1 has no scope"),
        ("sesame:read:write", "entry 1 has no scope"),
        ("sesame:read,write", "entry 2 is a scope without its key"),
        ("sesame:read,sesame", "entry 2 repeats"),
    ],
)
def test_a_setting_that_is_malformed_is_refused_without_showing_a_key(
    text: str, fault: str
) -> None:
    with pytest.raises(BadKeysSettingError, match=fault) as caught:
        read_setting(text)
    assert "sesame" not in caught.value.message


@given(st.text())
@example("a:read,b")
def test_any_text_is_read_whole_or_refused(text: str) -> None:
    try:
        found = read_setting(text)
    except BadKeysSettingError:
        return
    assert len(found) == (text.count(",") + 1 if text else 0)


def test_a_given_key_is_found_by_its_digest_alone() -> None:
    given_keys = read_setting("one:read,two:write")
    assert among(given_keys, digest("two")) is given_keys[1]
    assert among(given_keys, digest("three")) is None
    assert among((), digest("one")) is None


def test_neither_settings_nor_given_keys_show_a_key_when_logged() -> None:
    settings = load({"CYNIC_API_KEYS": "sesame"})
    assert settings.api_keys == "sesame"
    (key,) = read_setting(settings.api_keys)
    for shown in (repr(settings), repr(key), key.caller):
        assert "sesame" not in shown
        assert digest("sesame").hex() not in shown


def test_callers_of_different_keys_differ_and_stay_the_same() -> None:
    one, two = read_setting("one,two")
    assert one.caller != two.caller
    assert read_setting("one:read")[0].caller == one.caller
