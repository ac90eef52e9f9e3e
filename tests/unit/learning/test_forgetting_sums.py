"""Backward transfer over all kinds of task, kept up to date kind by kind: exact, whatever the order."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.domains.learning.forgetting import Counted, Forgetting, Watched, overview, watch

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn


@st.composite
def watched(draw: DrawFn) -> Watched:
    sides: list[Counted] = []
    for _ in range(2):
        total = draw(st.sampled_from((0, 5, 20, 33, 49, 50)))
        sides.append(Counted(correct=draw(st.integers(0, total)), total=total))
    return watch(*sides)


UNKNOWN = watch(Counted(correct=0, total=0), Counted(correct=0, total=0))


@given(st.lists(st.dictionaries(st.sampled_from("abcdef"), watched(), max_size=4), max_size=12))
def test_what_is_kept_up_to_date_is_what_all_kinds_together_give(
    cycles: list[dict[str, Watched]],
) -> None:
    kept, now = Forgetting(), dict[str, Watched]()
    for moved in cycles:
        kept = kept.exchanged({kind: (now.get(kind, UNKNOWN), one) for kind, one in moved.items()})
        now |= moved
        assert kept == overview(now)
        assert Forgetting.read(kept.document()) == kept


@given(st.dictionaries(st.text(max_size=8), watched(), max_size=20))
def test_the_mean_is_that_of_the_kinds(tasks: dict[str, Watched]) -> None:
    found = overview(tasks)
    known = [one.bwt for one in tasks.values() if one.bwt is not None]
    assert found.task_count == len(known)
    if known:
        assert found.average_bwt == pytest.approx(sum(known) / len(known), abs=1e-12)
        assert -1 <= found.average_bwt <= 1
    else:
        assert found.average_bwt is None
        assert found.total_bwt == Fraction()


@given(watched())
def test_a_kind_is_where_it_was_unless_it_fell_beyond_chance(one: Watched) -> None:
    assert (one.settled is None) == (one.bwt is None)
    if one.catastrophic:
        assert one.settled is False
    if one.bwt is not None and one.bwt >= 0:
        assert one.settled


def test_a_little_worse_is_chance_and_much_worse_is_not() -> None:
    def present(correct: int) -> bool | None:
        return watch(Counted(correct=45, total=50), Counted(correct=correct, total=50)).settled

    assert present(40)
    assert present(33) is False
    assert present(50)
