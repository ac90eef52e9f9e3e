"""Preferences: which dog is better in a context, from answers, and the routing weights that follow (DPO).

Pairs come from the answers of a cycle (`domains.learning.preference_table`) and are kept as rows, each with the answers it
came from and the cycle that used it. Weights are fitted to all pairs of a context, once these have grown by a hundredth or
some were taken back. What was fitted goes live unless it would earn significantly less than the present weights, judged
by what came of each dog's votes there. Where most votes were routing decisions it must not earn less at all: these meet few
others, and which, depends on who was sent, so that few pairs can point where many answers do not.

An answer that was superseded takes its pairs back, as long as they are kept; a routing decision that lost its partner so
is in no pair any more. Two numbers of pairs are kept: those that stand now, beside the optimiser's state, and in
`total_pairs_processed` those that any cycle ever used, each once, in that cycle, whether or not it fitted then and whether
or not they were taken back since.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Final, LiteralString, cast

from cynic.base.errors import CynicError, InvalidDataError
from cynic.base.phi import PHI_BOUND
from cynic.db import sqlfile
from cynic.db.copying import copy_rows
from cynic.domains.dogs.pack import DOGS
from cynic.domains.learning.answers import EVEN, WORTH, Tally, reward
from cynic.domains.learning.ewc import softmax_fisher_of_counts
from cynic.domains.learning.offpolicy import Change, change
from cynic.domains.learning.preference_table import UNITS, Decided, Match, Preferences
from cynic.domains.learning.preferences import Anchor, fit_wins, logits, policy
from cynic.flows.edge import to_json
from cynic.flows.learning import dpo_measures, seen, state
from cynic.flows.learning.dpo_measures import context_of
from cynic.flows.learning.turn import Turn

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from cynic.domains.learning.answers import Outcome
    from cynic.flows.learning.cycle import Answered, Cycle

LOOP: Final = "dpo"
BASE: Final = 0.5
"""Of every dog, until somebody sets another: only their proportions count."""
REFIT_AT: Final = 0.01
"""By which share the pairs have grown since the last fit when the next is due."""
GIVEN_MAX: Final = 1000
"""Pairs written by others that one cycle looks at."""

_SQL = cast("Mapping[str, LiteralString]", sqlfile.load(Path(__file__).with_name("dpo.sql")))
_Row = tuple[str, str, str, float]
"""Context, chosen, rejected, confidence of a pair."""


@dataclass(slots=True, kw_only=True)
class _Context:
    """A context with its weights."""

    preferences: Preferences
    weights: dict[str, float] = field(default_factory=dict[str, float])
    """As they are in the table; not of sum 1 before the first turn."""
    base: dict[str, float] = field(default_factory=dict[str, float])
    fisher: dict[str, float] = field(default_factory=dict[str, float])
    answers: int = 0
    """Of this cycle."""
    taken: bool = False
    """Whether pairs were taken back."""

    @property
    def due(self) -> bool:
        """Whether to fit."""
        known = self.preferences
        grown = known.pairs - known.fitted
        return bool(known.wins) and (self.taken or (grown > 0 and grown >= REFIT_AT * known.fitted))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settings:
    beta: float
    regularization: float
    last_loss: float | None
    spans: seen.Spans
    """Which answers were seen before."""
    standing: int
    """Pairs that stood before this cycle."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    loss: float
    pairs: int
    change: Change
    live: bool


def turn(cycle: Cycle) -> Turn:
    """Take back, pair, fit, and let live what is no worse."""
    settings = _settings(cycle)
    taken_back = seen.taken_back(settings.spans, cycle)
    pairs = _pairs_of(cycle, taken_back)
    given = _given(cycle)
    names = sorted(
        {context_of(one) for one in (*cycle.answers, *taken_back)}
        | {row[0] for row in given}
        | {row[0] for row in pairs}
    )
    if not names:
        _keep(cycle, settings, settings.standing)
        return Turn()
    contexts = _read(cycle, names)
    _take_back(contexts, taken_back, pairs)
    preferences = {name: one.preferences for name, one in contexts.items()}
    expected = dpo_measures.expected(cycle, preferences)
    matches = [
        (context_of(one), match)
        for one in cycle.answers
        for match in _learn(contexts[context_of(one)], one)
    ]
    _take_given(contexts, given)
    _save_pairs(cycle, matches)
    before = {name: policy(logits(one.weights)) for name, one in contexts.items()}
    fits = {name: _fit(one, settings) for name, one in contexts.items()}
    fitted = {name: one for name, one in fits.items() if one is not None}
    _save(cycle, contexts)
    used = len(matches) + len(given)
    _keep(cycle, settings, settings.standing + used - len(pairs))
    loss = _ran(cycle, fitted, used)
    moved = {
        name: {dog: one.weights[dog] - before[name][dog] for dog in DOGS}
        for name, one in contexts.items()
    }
    for name, one in fitted.items():
        _log(cycle, name, one, moved[name])
    return Turn(
        weight_deltas=[delta for row in moved.values() for delta in row.values() if delta],
        before={"loss": settings.last_loss},
        after={"loss": settings.last_loss if loss is None else loss},
        parts=dpo_measures.parts(
            preferences, moved, dpo_measures.foretold(cycle, before, expected)
        ),
    )


def decided(answer: Answered) -> list[Decided]:
    """What came of each vote; of a dog that voted twice the last one counts."""
    feedback_id = str(answer.feedback_id)
    return [
        Decided(
            feedback_id=feedback_id,
            judgment_id=answer.judgment_id,
            place=answer.place,
            dog=dog,
            outcome=_outcome(answer.outcome, with_judgment=side == answer.passed),
        )
        for dog, side in dict(answer.votes).items()
    ]


def _outcome(outcome: Outcome, *, with_judgment: bool) -> Outcome:
    worth = reward(outcome, with_judgment=with_judgment)
    if worth == EVEN:
        return "partial"
    return "correct" if worth == WORTH["correct"] else "incorrect"


def _read(cycle: Cycle, names: Sequence[str]) -> dict[str, _Context]:
    kept = dict(cycle.conn.execute(_SQL["contexts"], {"contexts": names}).fetchall())
    contexts = {
        name: _Context(preferences=Preferences.restored(kept.get(name, {}))) for name in names
    }
    for name, dog, weight, base, fisher in cycle.conn.execute(_SQL["weights"], {"contexts": names}):
        one = contexts[name]
        one.weights[dog], one.base[dog] = float(weight), float(base)
        one.fisher[dog] = float(fisher)
    for one in contexts.values():
        one.weights = {dog: one.weights.get(dog, BASE) for dog in DOGS}
        one.base = {dog: one.base.get(dog, BASE) for dog in DOGS}
    return contexts


def _learn(context: _Context, answer: Answered) -> list[Match]:
    context.answers += 1
    votes = decided(answer)
    return context.preferences.learn(votes) if votes else []


def _pairs_of(cycle: Cycle, taken_back: Sequence[Answered]) -> list[_Row]:
    """The pairs of these answers, out of the table."""
    if not taken_back:
        return []
    gone = sorted({str(one.feedback_id) for one in taken_back})
    return cycle.conn.execute(_SQL["take_back"], {"ids": gone}).fetchall()


def _take_back(
    contexts: Mapping[str, _Context], taken_back: Sequence[Answered], pairs: Sequence[_Row]
) -> None:
    for one in taken_back:
        contexts[context_of(one)].preferences.take_back(decided(one))
    for name, chosen, rejected, confidence in pairs:
        context = contexts[name]
        context.taken = True
        context.preferences.add(chosen, rejected, _units(confidence), -1)


def _given(cycle: Cycle) -> list[_Row]:
    """Pairs that others wrote, and that name two dogs and a context; nothing can be learned from any other."""
    rows = cycle.conn.execute(_SQL["given"], {"limit": GIVEN_MAX}).fetchall()
    learned = [
        (pair, (context, chosen, rejected, confidence))
        for pair, context, chosen, rejected, confidence in rows
        if context is not None and chosen != rejected and {chosen, rejected} <= set(DOGS)
    ]
    if rows:
        ids = {"ids": [row[0] for row in rows], "learned": [pair for pair, _ in learned]}
        cycle.conn.execute(_SQL["processed"], {**ids, "batch": cycle.cycle_id})
    return [row for _, row in learned]


def _take_given(contexts: Mapping[str, _Context], given: Sequence[_Row]) -> None:
    """Pairs that others wrote count by their own confidence."""
    for name, chosen, rejected, confidence in given:
        contexts[name].preferences.add(chosen, rejected, _units(confidence))


def _units(confidence: float) -> int:
    """The k of a stored confidence, in twentieths."""
    return round(UNITS * float(confidence) / float(PHI_BOUND))


def _save_pairs(cycle: Cycle, matches: Iterable[tuple[str, Match]]) -> None:
    moment = cycle.now.isoformat()
    rows = [
        (
            str(cycle.new_id()),
            _side(match.chosen),
            _side(match.rejected),
            "{}",
            name,
            _answers(match),
            match.confidence,
            "t",
            cycle.cycle_id,
            moment,
        )
        for name, match in matches
    ]
    if rows:
        copy_rows(cycle.conn, _SQL["pairs"], rows)


def _side(vote: Decided) -> str:
    # Two for each pair: names of dogs and outcomes are words of ours, only the judgment's id may need quoting.
    return (
        f'{{"dog": "{vote.dog}", "judgmentId": {to_json(vote.judgment_id)},'
        f' "outcome": "{vote.outcome}", "place": {vote.place}}}'
    )


def _answers(match: Match) -> str:
    """One answer for a pair within a judgment; else that of the chosen and that of the rejected."""
    first, second = match.chosen.feedback_id, match.rejected.feedback_id
    return f"{{{first}}}" if first == second else f"{{{first},{second}}}"


def _settings(cycle: Cycle) -> _Settings:
    row = cycle.conn.execute(_SQL["optimizer"]).fetchone()
    if row is None:
        raise CynicError("the state of the optimiser is missing", hint="run cynic db verify")
    beta, regularization, last, spans, standing = row
    if not beta:
        raise InvalidDataError("beta is a positive number, not 0")
    if standing is None:
        ((standing,),) = cycle.conn.execute(_SQL["standing"])
    return _Settings(
        beta=float(beta),
        regularization=float(regularization),
        last_loss=None if last is None else float(last),
        spans=spans or [],
        standing=standing,
    )


def _keep(cycle: Cycle, settings: _Settings, standing: int) -> None:
    state = {"seen": seen.with_this(settings.spans, cycle), "pairs": standing}
    cycle.keep(f"{LOOP}-optimizer", state, answers=0)


def _fit(context: _Context, settings: _Settings) -> _Fit | None:
    """Fit the weights if it is due; they sum to 1 afterwards in any case."""
    known = context.preferences
    present = policy(logits(context.weights))
    context.weights = present
    if context.taken and not known.pairs:
        # Nothing is left that says anything: the weights are what they were before there were answers.
        context.weights = policy(logits(context.base))
        known.strengths, known.live, known.fitted = {}, {}, 0
    if not context.due:
        return None
    anchor = _anchor(context, settings)
    found = fit_wins(
        known.table(), context.base, beta=settings.beta, anchor=anchor, start=known.strengths
    )
    if found is None:
        return None
    known.strengths, known.fitted = found.strengths, known.pairs
    earns = change(found.weights, present, known.outcomes())
    live = (earns.value if known.mostly_routed else earns.high) >= 0
    if live:
        context.weights, known.live = found.weights, found.strengths
    context.fisher = softmax_fisher_of_counts(context.weights, known.chosen())
    return _Fit(loss=found.loss, pairs=found.pairs, change=earns, live=live)


def _anchor(context: _Context, settings: _Settings) -> Anchor:
    """At the strengths of the weights that are used, which have mean 0 as those to be found have.

    The logarithms of the weights themselves are shifted by their normalisation and cut at the floor, so that important
    dogs would be pulled another way than others.
    """
    base, live = logits(context.base), context.preferences.live
    theta = {dog: base[dog] + live.get(dog, 0.0) / settings.beta for dog in DOGS}
    return Anchor(theta=theta, fisher=context.fisher, strength=settings.regularization)


def _save(cycle: Cycle, contexts: Mapping[str, _Context]) -> None:
    rows = [
        {
            "dog": dog,
            "context": name,
            "weight": one.weights[dog],
            "base": one.base[dog],
            "fisher": one.fisher.get(dog, 0.0),
            **_counts(one.preferences, dog),
        }
        for name, one in contexts.items()
        for dog in DOGS
    ]
    cycle.conn.execute(_SQL["save_weights"], {"rows": to_json(rows), "now": cycle.now})
    kept = [
        {
            "loop": LOOP,
            "state": name,
            "weights": one.preferences.document(),
            "answers": one.answers,
        }
        for name, one in contexts.items()
    ]
    state.save_loops(cycle.conn, kept, cycle.now)


def _counts(known: Preferences, dog: str) -> dict[str, object]:
    """The answers on a dog's votes, and the bounded probability that it is right."""
    seen = known.seen.get(dog) or {"correct": 0, "incorrect": 0, "partial": 0}
    tally = Tally(seen["correct"], seen["incorrect"])
    return {
        "confidence": float(PHI_BOUND) * tally.mean,
        "episodes": tally.answers + seen["partial"],
        "positive": tally.right,
        "negative": tally.wrong,
    }


def _ran(cycle: Cycle, fitted: Mapping[str, _Fit], used: int) -> float | None:
    """Count the pairs that this cycle used, and the fit if there was one; its loss."""
    loss = None
    if fitted:
        total = sum(one.pairs for one in fitted.values())
        loss = sum(one.loss * one.pairs for one in fitted.values()) / total
    if used or fitted:
        cycle.conn.execute(_SQL["ran"], {"pairs": used, "loss": loss, "now": cycle.now})
    return loss


def _log(cycle: Cycle, name: str, fit: _Fit, moved: Mapping[str, float]) -> None:
    cycle.log(
        LOOP,
        "update" if fit.live else "held",
        delta=fmean(map(abs, moved.values())),
        action="live" if fit.live else "worse than the present weights",
        context=name,
        pairs=fit.pairs,
        loss=fit.loss,
        valueChange={"value": fit.change.value, "low": fit.change.low, "high": fit.change.high},
    )
