"""What the demo's pictures say, and that it is what the data say."""

from __future__ import annotations

import random
import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cynic.demo import pictures, policy, trend
from cynic.demo.dataset import DataSet, Task
from cynic.demo.replay import Replayed
from cynic.domains.dogs.pack import DOGS
from cynic.drawing.axis import ticks
from cynic.drawing.svg import fitting, text_width

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from conftest import Done

SVG = "{http://www.w3.org/2000/svg}"
STATUS: dict[str, Any] = {"loops": [{"loop": "dpo", "state": "learning", "data": 3}]}
README_PICTURE = Path(__file__).parents[2] / "docs" / "learned.svg"


def data_of(counts: dict[str, int], dogs: Sequence[str] = DOGS[:2], best: int = 0) -> DataSet:
    """So many tasks of each context, at which one dog always succeeds and the others never."""
    scores = {dog: float(place == best) for place, dog in enumerate(dogs)}
    tasks = [
        Task(context=name, scores=scores) for name, count in counts.items() for _ in range(count)
    ]
    return DataSet(name="data", tasks=tasks, stands_for={dog: dog for dog in dogs})


def texts(drawn: str) -> list[str]:
    return ["".join(one.itertext()) for one in ET.fromstring(drawn).iter(f"{SVG}text")]


def said(rewards: list[float]) -> str:
    return texts(pictures.learned(data_of({"a": len(rewards)}), Replayed(rewards=rewards), STATUS))[
        0
    ]


def test_the_title_says_what_the_first_and_the_last_quarter_allow_to_say() -> None:
    rng = random.Random(1)
    rising = [float(rng.random() < 0.2 + 0.7 * place / 400) for place in range(400)]
    assert said(rising).endswith("the pack gets better while it works")
    assert said(rising[::-1]).endswith("the pack does not get better while it works")
    assert said([0.0] * 400).endswith("the pack does not get better while it works")
    even = [float(place % 2) for place in range(400)]
    assert said(even) == "What the pack earned while it learned"
    assert said([0.0] * 20 + [1.0] * 19) == "What the pack earned while it learned", "39 tasks"
    assert said([0.0] * 20 + [1.0] * 20).endswith("gets better while it works"), "40 tasks"


def test_the_interval_is_that_of_welch() -> None:
    rewards = [0.0, 1.0] * 5 + [0.0] * 20 + [0.0, 1.0, 1.0, 1.0, 1.0] * 2
    found = trend.of(rewards)
    error = ((10 * 0.25 / 9 + 10 * 0.16 / 9) / 10) ** 0.5
    assert found.difference == pytest.approx(0.3)
    assert found.low == pytest.approx(0.3 - 2.101 * error, abs=0.005), "t(0.975, 18)"
    assert found.high == pytest.approx(0.3 + 2.101 * error, abs=0.005)
    assert trend.of(rewards[:39]).low is None


@given(st.lists(st.integers(0, 4).map(lambda number: number / 4), min_size=1, max_size=120))
def test_any_scores_make_a_picture(rewards: list[float]) -> None:
    told = texts(pictures.learned(data_of({"a": len(rewards)}), Replayed(rewards=rewards), STATUS))
    assert ("too few tasks for a curve" in told) == (len(rewards) <= 25)
    assert "nan" not in " ".join(told)


def test_one_task_is_a_dot_and_one_of_a_thing_is_singular() -> None:
    drawn = pictures.learned(data_of({"a": 1}), Replayed(rewards=[0.0]), STATUS)
    assert "data: 1 task in 1 context" in texts(drawn)
    assert len(list(ET.fromstring(drawn).iter(f"{SVG}circle"))) == 2, "the mean and the loop's"
    assert not list(ET.fromstring(drawn).iter(f"{SVG}path"))


def test_the_axis_counts_tasks() -> None:
    told = texts(pictures.learned(data_of({"a": 2400}), Replayed(rewards=[1.0] * 2400), STATUS))
    assert {"0", "500", "1,000", "1,500", "2,000", "tasks done"} <= set(told)


@given(st.floats(0, 1), st.floats(0.04, 1), st.integers(1, 20_000))
def test_ticks_are_few_and_within(low: float, span: float, tasks: int) -> None:
    found = ticks(low, low + span)
    assert 2 <= len(found) <= 8
    assert all(low - 1e-9 <= one <= low + span + 1e-9 for one in found)
    assert all(one == round(one) for one in ticks(0, tasks, least=1))


def test_the_words_above_the_curve_are_not_on_it() -> None:
    drawn = pictures.learned(data_of({"a": 100}), Replayed(rewards=[1.0] * 100), STATUS)
    legend = [one for one in ET.fromstring(drawn).iter(f"{SVG}text") if "blind" in (one.text or "")]
    assert [float(one.get("y", "")) < pictures.CURVE_TOP for one in legend] == [True]


def test_the_moving_mean_is_that_of_each_window() -> None:
    rewards = [float(number % 3) for number in range(60)]
    means = pictures.moving_mean(rewards)
    assert [done for done, _ in means] == list(range(25, 61))
    assert [mean for _, mean in means] == pytest.approx(
        [sum(rewards[at : at + 25]) / 25 for at in range(36)]
    )
    assert pictures.moving_mean([1.0]) == [(1, 1.0)]
    assert pictures.moving_mean([0.5] * 20_000)[-1][0] == 20_000, "thinned, the last is kept"


def test_forty_contexts_are_sixteen_and_say_so() -> None:
    data = data_of({f"c{place:02}": 41 - place for place in range(40)})
    told = texts(pictures.routing(data, {}, Replayed()))
    assert any("16 of 40 contexts, those with the most tasks" in one for one in told)
    assert "c15" in told
    assert "c16" not in told
    assert pictures.drawn_contexts(data_of({"a": 1})) == "1 context"


def rows(drawn: str) -> list[float]:
    return [float(one) for one in texts(drawn) if re.fullmatch(r"\d+\.\d", one)]


def test_a_row_sums_to_a_hundred_over_those_in_the_data() -> None:
    data = data_of({"a": 30, "b": 20, "c": 1}, DOGS[:3])
    weights: dict[str, dict[str, tuple[float, int]]] = {
        "a": {dog: (1 + place / 10, 5) for place, dog in enumerate(DOGS)},
        "b": dict.fromkeys(DOGS, (1 / 11, 5)),
    }
    shares = policy.among(weights, data.dogs)
    assert list(shares) == ["a"], "equal weights are those of the beginning"
    drawn = pictures.routing(data, shares, Replayed())
    assert sum(rows(drawn)) == pytest.approx(100)
    assert texts(drawn).count("not learned") == 2


@given(st.lists(st.floats(0.001, 1), min_size=1, max_size=11))
def test_per_cents_sum_to_a_hundred(weights: list[float]) -> None:
    shares = [weight / sum(weights) for weight in weights]
    found = policy.per_cent(shares)
    assert sum(round(10 * one) for one in found) == 1000
    assert all(
        abs(one - 100 * share) < 0.1 + 1e-9 for one, share in zip(found, shares, strict=True)
    )


def test_few_answers_are_hatched() -> None:
    data = data_of({"a": 20})
    drawn = pictures.routing(
        data, {"a": {DOGS[0]: 0.9, DOGS[1]: 0.1}}, Replayed(chosen={"a": {DOGS[0]: 10, DOGS[1]: 9}})
    )
    hatched = [
        "".join(one.itertext())
        for one in ET.fromstring(drawn).iter(f"{SVG}rect")
        if one.get("fill") == "url(#hatch)"
    ]
    assert hatched == [f"a, {DOGS[1]} ({DOGS[1]}): sent 9 times"]


def test_the_weights_are_worth_what_they_would_have_earned() -> None:
    data = data_of({"a": 30, "b": 10})
    first, second = data.dogs
    weights = {"a": {first: 0.9, second: 0.1}}
    assert policy.would_earn(data, weights) == pytest.approx((30 * 0.9 + 10 * 0.5) / 40)
    assert policy.would_earn(data, policy.heaviest(weights)) == pytest.approx((30 + 10 * 0.5) / 40)
    assert policy.heaviest({"a": {first: 0.5, second: 0.5}}) == {"a": {first: 0.5, second: 0.5}}
    assert policy.would_earn(data, {}) is None
    told = texts(pictures.routing(data, {}, Replayed()))
    assert any("nothing was learned to send by; choosing blindly 0.500" in one for one in told)
    told = texts(pictures.routing(data, weights, Replayed()))
    assert any("sending by these weights would have earned 0.800" in one for one in told)


def test_the_names_of_eleven_dogs_do_not_meet() -> None:
    drawn = pictures.routing(data_of({"a": 1}, DOGS), {}, Replayed())
    names = [one for one in ET.fromstring(drawn).iter(f"{SVG}text") if one.text in DOGS]
    assert len(names) == 11
    assert all("rotate(-40" in one.get("transform", "") for one in names)
    few = pictures.routing(data_of({"a": 1}, DOGS[:3]), {}, Replayed())
    assert "rotate(-40" not in few


def test_a_text_is_cut_to_what_fits() -> None:
    assert fitting("context", 12, 150) == "context"
    assert text_width(fitting("任務" * 30, 12, 150), 12) <= 150
    assert text_width(fitting("x" * 64, 12, 150), 12) <= 150


@pytest.mark.slow
def test_the_picture_in_the_readme_is_what_the_demo_draws(
    cynic: Callable[..., Done], fresh_database: str, tmp_path: Path
) -> None:
    done = cynic("demo", "learning", "--out", str(tmp_path), CYNIC_DATABASE_URL=fresh_database)
    assert done.code == 0, done.err

    def lines(path: Path) -> list[str]:
        """What is said, with any number for any other: those move whenever a loop learns otherwise."""
        masked = [re.sub(r"[-+]?\d[\d,.]*", "#", one) for one in texts(path.read_text("utf-8"))]
        return [one for one in masked if one != "#"]

    assert lines(tmp_path / "learned.svg") == lines(README_PICTURE), (
        "draw it anew: cynic demo learning, then copy its learned.svg to docs/"
    )
