"""Aggregated votes against crowd-kit: file consensus."""

from __future__ import annotations

from typing import Any

import pytest
from vectors import cases, ids, near

from cynic.domains.learning.crowd import (
    Ballot,
    Vote,
    accuracy,
    agreement,
    ballot,
    majority,
    weighted_majority,
)
from cynic.domains.learning.dawid_skene import Truth, dawid_skene

CASES = pytest.mark.parametrize("case", cases("consensus"), ids=ids("consensus"))


def votes(case: Any) -> Ballot:
    return ballot(Vote(*vote) for vote in case.input["votes"])


def model(case: Any, name: str) -> Truth:
    """After exactly as many rounds as the library took, as a note of the file asks."""
    rounds = case.expected[name]["iterations"]
    found = dawid_skene(votes(case), one_coin=name == "one_coin", rounds=rounds)
    assert found is not None
    return found


@CASES
def test_majority(case: Any):
    found = majority(votes(case))
    expected = case.expected["majority"]
    assert {item: one.label for item, one in found.items()} == expected["label"]
    assert near(
        {item: one.shares for item, one in found.items()}, expected["share"], case.tolerance
    )


@CASES
def test_wawa(case: Any):
    given, expected = votes(case), case.expected["wawa"]
    skill = agreement(given)
    assert near(skill, expected["skill"], case.tolerance)
    found = weighted_majority(given, skill)
    assert {item: one.label for item, one in found.items()} == expected["label"]


@CASES
def test_dawid_skene(case: Any):
    found, expected = model(case, "dawid_skene"), case.expected["dawid_skene"]
    assert near(found.prior, expected["prior"], case.tolerance)
    assert near(found.posterior, expected["posterior"], case.tolerance)
    assert near(found.confusion, expected["confusion"], case.tolerance)
    assert found.labels == expected["label"]


@CASES
def test_one_coin(case: Any):
    found, expected = model(case, "one_coin"), case.expected["one_coin"]
    assert near(found.prior, expected["prior"], case.tolerance)
    assert near(found.posterior, expected["posterior"], case.tolerance)
    assert near(found.skills, expected["skill"], case.tolerance)
    assert found.labels == expected["label"]


@pytest.mark.parametrize("name", ["dawid_skene", "one_coin"])
@CASES
def test_when_it_stops(case: Any, name: str):
    found = dawid_skene(votes(case), one_coin=name == "one_coin")
    assert found is not None
    assert found.rounds == case.expected[name]["iterations"]


@CASES
def test_how_often_each_is_right(case: Any):
    given, truth, expected = votes(case), case.input["truth"], case.expected["accuracy"]
    labels = {
        "majority": {item: one.label for item, one in majority(given).items()},
        "wawa": {item: m.label for item, m in weighted_majority(given, agreement(given)).items()},
        "dawid_skene": model(case, "dawid_skene").labels,
        "one_coin": model(case, "one_coin").labels,
    }
    found = {name: accuracy(answer, truth) for name, answer in labels.items()}
    assert near(found, {name: expected[name] for name in labels}, case.tolerance)
