from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cynic.domains.telemetry import storable

ANY_TEXT = st.text(st.characters(codec=None), max_size=50)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(ANY_TEXT, inner),
    max_leaves=200,
)


def test_what_cannot_be_stored_is_replaced() -> None:
    assert storable.text("a\0b\ud800c\U0001f415") == "a\u2400b\ufffdc\U0001f415"


def test_what_is_too_long_is_cut_and_says_so() -> None:
    assert storable.text("abcdef", 4) == "abcd… (2 more characters)"


@given(ANY_TEXT)
def test_every_text_becomes_storable(text: str) -> None:
    found = storable.text(text)
    found.encode()
    assert "\0" not in found


@given(ANY_JSON)
def test_every_document_becomes_storable_json(document: Any) -> None:
    written = json.dumps(storable.document(document), ensure_ascii=False, allow_nan=False)
    written.encode()
    assert "\\u0000" not in written


def test_documents_are_bounded() -> None:
    deep: Any = "x"
    for _ in range(50):
        deep = {"a": deep}
    wide = {str(n): ["y" * 5000] * 500 for n in range(500)}
    for document in (deep, wide, ["z" * 10**6] * 10**4):
        assert len(json.dumps(storable.document(document))) < 4 * storable.DOCUMENT_CHARACTERS_MAX
