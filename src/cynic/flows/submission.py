"""What a writer may submit: a judgment or feedback as JSON values, checked once for every surface.

The parser accepts what `json.loads` gives and what a Python caller passes. The first fault found is the error, with the field it is in; nothing is corrected.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Final, Literal, cast

from cynic.base.checks import NAME_CHARACTERS_MAX, InvalidFieldError, check_identifier, check_text
from cynic.base.errors import InvalidDataError, UsageError
from cynic.base.exact import plain
from cynic.base.phi import PHI_BOUND, check_confidence, confidence_from_probability
from cynic.domains.core.dimensions import AXIOM_OF, NONE_ADDED, UNNAMEABLE, Placed
from cynic.domains.dogs.pack import ABSTENTION, DOGS, GUARDIAN, Vote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

CONTENT_CHARACTERS_MAX: Final = 1_048_576
REASONING_CHARACTERS_MAX: Final = 8_192

Outcome = Literal["correct", "incorrect", "partial"]
OUTCOMES: Final[tuple[Outcome, ...]] = ("correct", "incorrect", "partial")

_JUDGMENT_FIELDS: Final = frozenset(
    {
        "item_type",
        "item_content",
        "user",
        "session_id",
        "context_type",
        "task_type",
        "dimensions",
        "votes",
        "confidence",
        "probability",
        "judgment_id",
    }
)
_VOTE_FIELDS: Final = frozenset(
    {"dog", "score", "confidence", "probability", "veto", "reasoning", "error"}
)
_FEEDBACK_FIELDS: Final = frozenset({"outcome", "actual_score", "user"})


class MalformedJsonError(UsageError):
    """The text is no JSON document in UTF-8, or holds numbers that JSON does not have."""

    code = "malformed-json"


class TooLargeError(InvalidDataError):
    """More than is taken at once."""

    code = "too-large"
    http_status = 413


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """A judgment as its writer gave it, every value within its rules."""

    item_type: str
    item_content: str
    user: str | None = None
    session_id: str | None = None
    context_type: str | None = None
    task_type: str | None = None
    dimensions: Mapping[str, Decimal] = field(default_factory=dict[str, Decimal])
    added: Mapping[str, Placed] = field(default_factory=dict[str, Placed])
    """Of these dimensions, where those belong that were added later."""
    votes: tuple[Vote, ...] = ()
    confidence: Decimal | None = None
    """Bounded; None leaves it to the rule of the votes or of the score."""
    confidence_rule: str | None = None
    """given, probability, or None."""
    judgment_id: str | None = None

    def canonical(self) -> str:
        """The submission without its id as one text: equal for equal submissions, however they were spelled."""
        document = {
            "item_type": self.item_type,
            "item_content": self.item_content,
            "user": self.user,
            "session_id": self.session_id,
            "context_type": self.context_type,
            "task_type": self.task_type,
            "dimensions": {name: plain(value) for name, value in self.dimensions.items()},
            "votes": [
                [
                    vote.dog,
                    plain(vote.score),
                    plain(vote.confidence),
                    vote.veto,
                    vote.reasoning,
                    vote.error,
                ]
                for vote in self.votes
            ],
            "confidence": None if self.confidence is None else plain(self.confidence),
        }
        return json.dumps(document, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Feedback on a judgment as its giver gave it."""

    outcome: Outcome
    actual_score: Decimal | None = None
    user: str | None = None


def loads(text: bytes | str) -> object:
    """Read one JSON document; refuse NaN and infinities."""
    try:
        decoded = text.decode() if isinstance(text, bytes) else text
        return json.loads(decoded, parse_constant=_no_constant, object_pairs_hook=_once)
    except UnicodeDecodeError as error:
        raise MalformedJsonError(
            f"the text is not valid UTF-8 at byte {error.start}: {error.reason}"
        ) from error
    except RecursionError as error:
        raise MalformedJsonError("the JSON is nested too deeply") from error
    except ValueError as error:
        raise MalformedJsonError(f"the text is no JSON: {error}") from error


def _none_added() -> Mapping[str, Placed]:
    return NONE_ADDED


def read_judgment(
    document: object, added: Callable[[], Mapping[str, Placed]] = _none_added
) -> Submission:
    """Check a judgment's document against the rules; raise `InvalidFieldError` at the first that is broken.

    `added` gives the dimensions that were added later and may be judged; it is asked when one is named that is not built in.
    """
    fields = _object(document, "", _JUDGMENT_FIELDS)
    votes = _votes(fields.get("votes"))
    dimensions, placed = _dimensions(fields.get("dimensions"), added)
    if not votes and not dimensions:
        raise InvalidFieldError(
            "dimensions",
            "a judgment needs dimensions, votes, or both",
            hint='for example "votes": [{"dog": "Guardian", "score": 0.9}]',
        )
    if not dimensions and all(vote.error is not None for vote in votes):
        raise InvalidFieldError("votes", "every dog failed, and no dimension was judged")
    confidence, rule = _confidence(fields, "")
    return Submission(
        item_type=_name(fields, "item_type", required=True) or "",
        item_content=_text(fields, "item_content", CONTENT_CHARACTERS_MAX, required=True) or "",
        user=_name(fields, "user"),
        session_id=_name(fields, "session_id"),
        context_type=_name(fields, "context_type"),
        task_type=_name(fields, "task_type"),
        dimensions=dimensions,
        added=placed,
        votes=votes,
        confidence=confidence,
        confidence_rule=rule,
        judgment_id=_identifier(fields.get("judgment_id"), "judgment_id"),
    )


def read_feedback(document: object) -> Answer:
    """Check the document of a feedback."""
    fields = _object(document, "", _FEEDBACK_FIELDS)
    outcome = fields.get("outcome")
    if outcome not in OUTCOMES:
        raise InvalidFieldError("outcome", f"one of {', '.join(OUTCOMES)}, not {_shown(outcome)}")
    return Answer(
        outcome=outcome,
        actual_score=_number(fields.get("actual_score"), "actual_score", 100),
        user=_name(fields, "user"),
    )


def _object(document: object, where: str, known: frozenset[str]) -> Mapping[str, object]:
    if not isinstance(document, dict):
        raise InvalidFieldError(where or "(all)", f"must be an object, not {_kind(document)}")
    fields = cast("Mapping[str, object]", document)
    if not fields.keys() <= known:
        name = min(map(str, fields.keys() - known))[:NAME_CHARACTERS_MAX] or "(no name)"
        full = f"{where}.{name}" if where else name
        raise InvalidFieldError(full, "no such field", hint=_list(known))
    return fields


def _dimensions(
    given: object, added: Callable[[], Mapping[str, Placed]]
) -> tuple[dict[str, Decimal], dict[str, Placed]]:
    """The judged dimensions, and of those that were added later where they belong."""
    if given is None:
        return {}, {}
    if not isinstance(given, dict):
        raise InvalidFieldError("dimensions", f"must be an object, not {_kind(given)}")
    found: dict[str, Decimal] = {}
    placed: dict[str, Placed] = {}
    for name, score in cast("Mapping[object, object]", given).items():
        where = f"dimensions.{str(name)[:NAME_CHARACTERS_MAX]}"
        if name == UNNAMEABLE:
            raise InvalidFieldError(where, "is computed from the others and never given")
        if name not in AXIOM_OF:
            known = added()
            if name not in known:
                raise InvalidFieldError(
                    where, "no such dimension", hint=_list({**AXIOM_OF, **known})
                )
            placed[cast("str", name)] = known[cast("str", name)]
        number = _number(score, where, 100)
        if number is None:
            raise InvalidFieldError(
                where, "must be a number from 0 to 100; leave out what was not judged"
            )
        found[cast("str", name)] = number
    return found, placed


def _votes(given: object) -> tuple[Vote, ...]:
    if given is None:
        return ()
    if not isinstance(given, list | tuple):
        raise InvalidFieldError("votes", f"must be a list, not {_kind(given)}")
    listed = cast("Sequence[object]", given)
    if len(listed) > len(DOGS):
        raise InvalidFieldError("votes", f"{len(listed)} votes, and there are {len(DOGS)} dogs")
    votes = tuple(_vote(one, f"votes[{index}]") for index, one in enumerate(listed))
    seen: set[str] = set()
    for index, vote in enumerate(votes):
        if vote.dog in seen:
            raise InvalidFieldError(f"votes[{index}].dog", f"{vote.dog} votes twice")
        seen.add(vote.dog)
    return votes


def _vote(given: object, where: str) -> Vote:
    fields = _object(given, where, _VOTE_FIELDS)
    dog = fields.get("dog")
    if dog not in DOGS:
        raise InvalidFieldError(f"{where}.dog", f"no such dog: {_shown(dog)}", hint=_list(DOGS))
    error = _text(fields, "error", REASONING_CHARACTERS_MAX, where=where)
    score = _number(fields.get("score"), f"{where}.score", 1)
    if (score is None) == (error is None):
        raise InvalidFieldError(
            f"{where}.score", "a vote has a score from 0 to 1, or the error that kept it from one"
        )
    score = ABSTENTION if score is None else score
    reasoning = _text(fields, "reasoning", REASONING_CHARACTERS_MAX, where=where)
    if error is not None and reasoning is not None:
        raise InvalidFieldError(f"{where}.reasoning", "a dog that failed says why in `error` alone")
    veto = fields.get("veto", False)
    if not isinstance(veto, bool):
        raise InvalidFieldError(f"{where}.veto", f"must be true or false, not {_shown(veto)}")
    if veto and dog != GUARDIAN:
        raise InvalidFieldError(f"{where}.veto", f"only {GUARDIAN} may veto, not {dog}")
    confidence, rule = _confidence(fields, f"{where}.")
    if confidence is None:
        # As for a whole judgment: sure by as much as the score is away from the middle, and not at all of an error.
        probability = ABSTENTION + abs(score - ABSTENTION)
        confidence = Decimal() if error else confidence_from_probability(probability)
    return Vote(
        dog=cast("str", dog),
        score=score,
        confidence=confidence,
        confidence_rule=rule or "distance",
        veto=veto,
        reasoning=reasoning,
        error=error,
    )


def _confidence(fields: Mapping[str, object], where: str) -> tuple[Decimal | None, str | None]:
    """The bounded confidence that was given, and in which form."""
    given = _number(fields.get("confidence"), f"{where}confidence", None)
    probability = _number(fields.get("probability"), f"{where}probability", 1)
    if given is not None and probability is not None:
        raise InvalidFieldError(f"{where}confidence", "give confidence or probability, not both")
    if probability is not None:
        return confidence_from_probability(probability), "probability"
    if given is None:
        return None, None
    if not 0 <= given <= PHI_BOUND:
        try:
            check_confidence(given)
        except InvalidDataError as error:
            raise InvalidFieldError(f"{where}confidence", error.message, hint=error.hint) from error
    return given, "given"


def _number(value: object, where: str, maximum: int | None) -> Decimal | None:
    """A finite number from 0 to `maximum`, with the precision of a double (RFC 8259, section 6); None stays None."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidFieldError(where, f"must be a number, not {_kind(value)}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise InvalidFieldError(where, "must be a finite number")
    if maximum is not None and not 0 <= number <= maximum:
        raise InvalidFieldError(where, f"must lie in [0, {maximum}], not {value}")
    # The shortest decimal of the double, which is what its writer wrote: 0.1 is a tenth.
    return Decimal(repr(number + 0.0))  # of the two zeros, the one without a sign


def _name(fields: Mapping[str, object], name: str, *, required: bool = False) -> str | None:
    return _text(fields, name, NAME_CHARACTERS_MAX, required=required)


def _text(
    fields: Mapping[str, object],
    name: str,
    characters_max: int,
    *,
    required: bool = False,
    where: str = "",
) -> str | None:
    """Text that can be kept, or None where the field is absent and need not be there."""
    value = fields.get(name)
    full = f"{where}.{name}" if where else name
    if value is None:
        if required:
            raise InvalidFieldError(full, "is missing")
        return None
    if not isinstance(value, str):
        raise InvalidFieldError(full, f"must be text, not {_kind(value)}")
    check_text(value, full, characters_max)
    return value


def _identifier(value: object, where: str) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise InvalidFieldError(where, f"must be text, not {_kind(value)}")
    check_identifier(value, where)
    return value


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose names are all different: which of two values counts is not for us to guess."""
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise MalformedJsonError(
            f"the name {twice[:NAME_CHARACTERS_MAX]!r} stands twice in one object"
        )
    return found


def _no_constant(name: str) -> object:
    raise MalformedJsonError(f"JSON has no number {name}")


def _list(names: Mapping[str, object] | frozenset[str] | tuple[str, ...]) -> str:
    listed = names if isinstance(names, tuple) else sorted(names)
    return f"one of {', '.join(listed)}"


def _shown(value: object) -> str:
    return "nothing" if value is None else repr(str(value)[:NAME_CHARACTERS_MAX])


def _kind(value: object) -> str:
    match value:
        case None:
            return "nothing"
        case bool():
            return "true or false"
        case str():
            return "text"
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            return "a number"
