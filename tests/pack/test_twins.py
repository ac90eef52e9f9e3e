"""Thirty files with seeded flaws and their mended twins: the twin scores higher, and security flaws are vetoed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from cynic.flows.evaluate import Evaluation, evaluate
from cynic.flows.submission import read_judgment
from cynic.pack import judge_text

if TYPE_CHECKING:
    from cynic.pack import PackReading

CASES = Path(__file__).parent / "cases"
FLAWED = sorted(CASES.glob("*.flawed.*"))
SECURITY = {
    "eval_of_input",
    "hardcoded_password",
    "pickle_load",
    "private_key_in_readme",
    "shell_injection",
    "sql_injection",
    "token_in_config",
    "weak_hash",
    "yaml_load",
}
TWINS_MIN = 28


def evaluated(reading: PackReading, content: str) -> Evaluation:
    document = {
        "item_type": reading.item_type,
        "item_content": content,
        "votes": list(reading.votes),
        "dimensions": dict(reading.dimensions),
    }
    return evaluate(read_judgment(document))


def judged(path: Path) -> Evaluation:
    content = path.read_text("utf-8")
    # The name does not tell which twin it is.
    reading = judge_text(content, file_name=f"{path.name.split('.')[0]}{path.suffix}")
    return evaluated(reading, content)


@pytest.fixture(scope="module")
def twins() -> dict[str, tuple[Evaluation, Evaluation]]:
    mended = [path.with_name(path.name.replace(".flawed.", ".mended.")) for path in FLAWED]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(judged, [*FLAWED, *mended]))
    half = len(FLAWED)
    names = [path.name.split(".")[0] for path in FLAWED]
    return dict(zip(names, zip(found[:half], found[half:], strict=True), strict=True))


def test_there_are_thirty_pairs() -> None:
    assert len(FLAWED) == 30
    assert len(list(CASES.iterdir())) == 60
    assert {path.name.split(".")[0] for path in FLAWED} > SECURITY


def test_the_mended_twin_scores_higher(twins: dict[str, tuple[Evaluation, Evaluation]]) -> None:
    failed = {
        name: (flawed.q_score, mended.q_score)
        for name, (flawed, mended) in twins.items()
        if mended.q_score <= flawed.q_score
    }
    assert len(twins) - len(failed) >= TWINS_MIN, failed


def test_guardian_vetoes_every_security_flaw_and_no_other(
    twins: dict[str, tuple[Evaluation, Evaluation]],
) -> None:
    vetoed = {
        name for name, (flawed, _) in twins.items() if flawed.consensus and flawed.consensus.veto
    }
    assert vetoed == SECURITY
    assert not any(mended.consensus and mended.consensus.veto for _, mended in twins.values())


def test_mended_twins_are_approved(twins: dict[str, tuple[Evaluation, Evaluation]]) -> None:
    refused = [
        name
        for name, (_, mended) in twins.items()
        if not (mended.consensus and mended.consensus.approved)
    ]
    assert refused == []


def test_python_that_does_not_parse_is_judged_and_never_approved(
    twins: dict[str, tuple[Evaluation, Evaluation]],
) -> None:
    flawed, _ = twins["syntax_error"]
    assert flawed.verdict == "BARK"
    assert flawed.consensus is not None
    assert not flawed.consensus.approved


def test_the_same_text_gives_the_same_reading() -> None:
    for path in FLAWED[::6]:
        content = path.read_text("utf-8")
        first, second = (judge_text(content, file_name=path.name) for _ in range(2))
        assert first == second
