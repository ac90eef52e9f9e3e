"""`cynic demo learning`: a data set replayed, and what is drawn of it."""

from __future__ import annotations

import json
import random
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING, Any

import pytest

from cynic.demo import dataset
from cynic.demo.dataset import BadDataSetError
from cynic.demo.replay import Replayed

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from conftest import Done

HEAD = "task,context,score:red,score:blue\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "data.csv"
    path.write_text(text, encoding="utf-8")
    return path


def tasks(count: int) -> str:
    rng = random.Random(0)
    rows = [
        f"{number},{'a b<&>'[number % 2 :]},{int(rng.random() < 0.8)},{int(rng.random() < 0.3)}"
        for number in range(count)
    ]
    return HEAD + "\n".join(rows) + "\n"


def test_a_data_set_is_replayed_learned_from_and_drawn(
    cynic: Callable[..., Done], fresh_database: str, tmp_path: Path
) -> None:
    data = written(tmp_path, tasks(240))
    out = tmp_path / "pictures"
    where = {"CYNIC_DATABASE_URL": fresh_database}

    def replayed() -> dict[str, Any]:
        done = cynic("demo", "learning", str(data), "--out", str(out), "--json", **where)
        return json.loads(done.out)

    found = replayed()
    assert found["tasks"] == found["learned"]["learned"] == 240
    assert found["stands_for"] == {"CYNIC": "red", "Analyst": "blue"}
    assert found["blind"] < found["weights"]["would_earn"] <= found["best_known_afterwards"]
    assert found["earned"] > found["blind"] + 0.1, "the better one was chosen more often"
    assert found["learned"]["q_updates"] == 240
    assert found["calibration"]["n"] == 240
    for name in ("calibration", "routing", "learned"):
        drawn = ET.parse(out / f"{name}.svg")
        assert drawn.getroot().tag.endswith("svg")
    assert "b&lt;&amp;&gt;" in (out / "routing.svg").read_text()
    assert replayed()["earned"] == found["earned"], "the same data and seed, the same replay"
    assert cynic("--schema", "cynic_demo", "learn", "status", **where).code == 0
    assert json.loads(cynic("judgments", "--json", **where).out)["judgments"] == [], "own records"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no column context"),
        ("context,score:red\nx,1\n", "a pack takes 2 to 11"),
        (HEAD, "no tasks"),
        (HEAD + "1,x,1,nan\n", "score:blue lies in"),
        (HEAD + "1,x,1,\n", "score:blue is no number"),
        (HEAD + "1,x,1,1.5\n", "lies in [0, 1]"),
        (HEAD + "1,,1,1\n", "line 2: a context"),
        ("context,score:a,score:a\nx,1,1\n", "names a column twice"),
        ("context,score:a,score:b,dim:NOISE\nx,1,1,3\n", "no dimension"),
        (HEAD + "1,a\x01b,1,1\n", "line 2: 'a\\x01b' holds control characters"),
        (HEAD + "1,a,1,1\n1,a,1,1,7\n", "line 3: 5 cells for 4 columns"),
        (HEAD + "1,a,1\n", "line 2: score:blue is no number"),
        ("context,score:,score:b\nx,1,1\n", "line 1: a column score: without a name"),
        ("context,score: ,score:b\nx,1,1\n", "line 1: a column score: without a name"),
        (HEAD + f"1,{'x' * 65},1,1\n", "line 2: a context has 1 to 64 characters"),
        (HEAD + "1,a,1,1\n" * 20_001, "line 20002: more than 20,000 tasks"),
        (HEAD + "1," + "x" * 200_000 + ",1,1\n", "is no CSV in UTF-8"),
    ],
)
def test_a_file_that_is_no_data_set_is_refused(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(BadDataSetError) as caught:
        dataset.read(written(tmp_path, text))
    assert says in str(caught.value)


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.csv"
    path.write_bytes(HEAD.encode() + b"1,\xe9,1,1\n")
    with pytest.raises(BadDataSetError, match="is no CSV in UTF-8"):
        dataset.read(path)


def test_the_generated_data_are_the_same_each_time_and_have_something_to_find() -> None:
    found = dataset.generated()
    assert found == dataset.generated()
    assert found.best_mean() > found.random_mean() + 0.1


def test_what_is_just_within_the_limits_is_read(tmp_path: Path) -> None:
    found = dataset.read(written(tmp_path, HEAD + f"1,{'x' * 64},1,1\n" * 20_000))
    assert len(found.tasks) == 20_000


@pytest.mark.parametrize(
    ("separator", "name"), [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")]
)
def test_another_separator_is_named(tmp_path: Path, separator: str, name: str) -> None:
    text = "context,score:a,score:b\nx,1,1\n".replace(",", separator)
    with pytest.raises(BadDataSetError, match="no column context") as caught:
        dataset.read(written(tmp_path, text))
    assert name in (caught.value.hint or "")


def test_the_help_names_the_limits(cynic: Callable[..., Done]) -> None:
    told = " ".join(cynic("demo", "learning", "--help").out.split())
    assert f"at most {dataset.TASKS_MAX:,} tasks" in told
    assert f"at most {dataset.CONTEXT_CHARACTERS_MAX} characters" in told


def test_the_last_quarter_is_the_last_quarter() -> None:
    assert Replayed(rewards=[0.0, 0.0, 0.0, 1.0]).mean(0.25) == 1
