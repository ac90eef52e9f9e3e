from __future__ import annotations

import pytest

from cynic.web.session_show import brief


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", ""),
        ("short", "short"),
        ("a\nb\nc", "a\nb"),
        ("one two th four", "one two th"),
        ("one two three", "one two th"),
        ("one two-- three", "one two--"),
        ("x" * 12, "x" * 10),
        ("it is " + "x" * 12, "it is xxxx"),
    ],
)
def test_a_beginning_ends_with_a_word_where_words_are_short(text: str, kept: str) -> None:
    assert brief(text, characters=10, lines=2) == kept
