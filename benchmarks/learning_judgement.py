"""What learning makes of public data: preferences, calibration under the bound, one label from many votes.

The data are not part of the repository: coderouter_train.csv (CodeRouterBench, arXiv 2606.22902, MIT) and adult_content_*.csv
(Get-Another-Label, Apache-2.0), in the directory CYNIC_LEARNING_DATA or in ../shared/data/learning. The peer's number is
printed beside ours; it was measured on the full test set, ours on 3 of 10 parts held out of the training set, ten times.
"""

from __future__ import annotations

import csv
import os
import random
import statistics
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from cynic.base.phi import confidence_from_probability
from cynic.domains.learning.calibration import Scored, expected_error, unscaled
from cynic.domains.learning.crowd import (
    Vote,
    accuracy,
    agreement,
    ballot,
    decide,
    majority,
    weighted_majority,
)
from cynic.domains.learning.dawid_skene import dawid_skene
from cynic.domains.learning.preferences import Preference, fit, policy_value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.measure import Measured

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "data" / "learning"
SPLITS = 10
TRAINED_SHARE = 0.7
SCORE = "score:"
PHI = 0.618

Row = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number beside the one that was published or measured before."""

    what: str
    ours: float
    peer: float | None = None
    least: float | None = None
    most: float | None = None
    note: str = ""

    @property
    def reached(self) -> bool:
        above = self.least is None or self.ours >= self.least
        return above and (self.most is None or self.ours <= self.most)

    def line(self) -> str:
        peer = "" if self.peer is None else f"{self.peer:.4f}"
        bars = [f">= {self.least:g}"] if self.least is not None else []
        bars += [f"<= {self.most:g}"] if self.most is not None else []
        verdict = f"{'  '.join(bars)}: {'reached' if self.reached else 'MISSED'}" if bars else ""
        return f"{self.what:50} {self.ours:9.4f} {peer:>9} {'':15}  {verdict} {self.note}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """Not measured, which is neither reached nor missed."""

    what: str
    path: Path

    @property
    def reached(self) -> bool:
        return True

    def line(self) -> str:
        return f"{self.what:50} not measured: no {self.path}; name its directory in CYNIC_LEARNING_DATA"


def run() -> Iterator[Measured]:
    """The figures, in the order of the loops."""
    data = Path(os.environ.get("CYNIC_LEARNING_DATA") or BESIDE)
    routed = data / "coderouter_train.csv"
    if routed.is_file():
        rows = _read(routed)
        yield from _preferences(rows)
        yield from _calibration(rows)
    else:
        yield Absent(what="preferences and calibration", path=routed)
    votes, gold = data / "adult_content_votes.csv", data / "adult_content_gold.csv"
    if votes.is_file() and gold.is_file():
        yield from _consensus(_read(votes), _read(gold))
    else:
        yield Absent(what="consensus", path=votes)


def _read(path: Path) -> list[Row]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def _splits(rows: list[Row]) -> Iterator[tuple[random.Random, list[Row], list[Row]]]:
    for seed in range(SPLITS):
        rng = random.Random(seed)
        shuffled = rng.sample(rows, len(rows))
        cut = round(TRAINED_SHARE * len(rows))
        yield rng, shuffled[:cut], shuffled[cut:]


def _models(rows: list[Row]) -> list[str]:
    return [name for name in rows[0] if name.startswith(SCORE)]


def _preferences(rows: list[Row]) -> Iterator[Measured]:
    models = _models(rows)
    values: list[float] = []
    bests: list[float] = []
    seconds: list[float] = []
    for rng, train, test in _splits(rows):
        pairs = _one_pair_a_prompt(train, models, rng)
        started = time.perf_counter()
        weights: dict[str, dict[str, float]] = {}
        for context, known in pairs.items():
            fitted = fit(known, dict.fromkeys(models, 0.5))
            weights[context] = fitted.weights if fitted else dict.fromkeys(models, 1 / len(models))
        seconds.append(time.perf_counter() - started)
        scores = [(row["context"], {m: float(row[m]) for m in models}) for row in test]
        earned = [policy_value(weights[context], scored) for context, scored in scores]
        values.append(statistics.fmean(earned))
        bests.append(_best_of_each_context(scores, models))
    value, best = statistics.fmean(values), statistics.fmean(bests)
    yield Figure(
        what="preferences: value of the policy, beta 0.1",
        ours=value,
        peer=0.509,
        least=0.508,
        note=f"({statistics.fmean(seconds) * 1000:.0f} ms a fit)",
    )
    yield Figure(
        what="preferences: share of the best in hindsight",
        ours=value / best,
        peer=0.509 / 0.517,
    )


def _one_pair_a_prompt(
    train: list[Row], models: list[str], rng: random.Random
) -> dict[str, list[Preference]]:
    pairs: dict[str, list[Preference]] = {}
    for row in train:
        apart = [(a, b) for a in models for b in models if float(row[a]) > float(row[b])]
        if apart:
            chosen, rejected = rng.choice(apart)
            pair = Preference(context=row["context"], chosen=chosen, rejected=rejected)
            pairs.setdefault(row["context"], []).append(pair)
    return pairs


def _best_of_each_context(scores: list[tuple[str, dict[str, float]]], models: list[str]) -> float:
    sums: dict[str, dict[str, float]] = {}
    for context, scored in scores:
        held = sums.setdefault(context, dict.fromkeys(models, 0.0))
        for model in models:
            held[model] += scored[model]
    return sum(max(held.values()) for held in sums.values()) / len(scores)


def _calibration(rows: list[Row]) -> Iterator[Measured]:
    """P(a model succeeds in a context), the mean of its Beta posterior, judged on every held-out prompt and model."""
    models = _models(rows)
    plain: list[float] = []
    bounded: list[float] = []
    clipped: list[float] = []
    for _, train, test in _splits(rows):
        counts: dict[tuple[str, str], tuple[int, int]] = {}
        for row in train:
            for model in models:
                hits, total = counts.get((row["context"], model), (0, 0))
                hit = float(row[model]) > 0.5
                counts[row["context"], model] = (hits + hit, total + 1)
        means = {cell: (hits + 1) / (total + 2) for cell, (hits, total) in counts.items()}
        stored = {cell: confidence_from_probability(Decimal(repr(p))) for cell, p in means.items()}
        seen = [((row["context"], m), float(row[m]) > 0.5) for row in test for m in models]
        plain.append(_error([Scored(means[cell], hit) for cell, hit in seen]))
        bounded.append(_error([Scored(unscaled(stored[cell]), hit) for cell, hit in seen]))
        clipped.append(_error([Scored(min(PHI, means[cell]), hit) for cell, hit in seen]))
    yield Figure(
        what="calibration: ECE of the bounded confidence",
        ours=statistics.fmean(bounded),
        peer=0.012,
        most=0.015,
    )
    yield Figure(
        what="calibration: its largest difference to the unbounded",
        ours=max(abs(a - b) for a, b in zip(plain, bounded, strict=True)),
        peer=0.0,
        most=0.0,
    )
    yield Figure(
        what="calibration: ECE if it were clipped instead",
        ours=statistics.fmean(clipped),
        peer=0.041,
    )


def _error(rows: list[Scored]) -> float:
    error = expected_error(rows)
    if error is None:
        raise ValueError("nothing was held out")
    return error


def _consensus(votes: list[Row], gold: list[Row]) -> Iterator[Measured]:
    truth = {row["task"]: row["label"] for row in gold}
    given = ballot(Vote(row["task"], row["worker"], row["label"]) for row in votes)
    plain = {item: found.label for item, found in majority(given).items()}
    wawa = weighted_majority(given, agreement(given))
    started = time.perf_counter()
    model = dawid_skene(given)
    took = time.perf_counter() - started
    answers = [
        ("majority", plain, 0.758, None),
        ("weighted by agreement", {item: m.label for item, m in wawa.items()}, 0.763, None),
        ("Dawid-Skene", model.labels if model else {}, 0.769, 0.768),
        ("as decided without feedback", decide(given).labels, 0.769, 0.768),
    ]
    for name, labels, peer, least in answers:
        yield Figure(
            what=f"consensus, adult content: {name}",
            ours=accuracy(labels, truth) or 0.0,
            peer=peer,
            least=least,
            note=f"({took:.2f} s)" if name == "Dawid-Skene" else "",
        )
