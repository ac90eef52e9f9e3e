"""`cynic judge` and `cynic feedback`: record a judgment, and say whether it was right."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from cynic.base.errors import InvalidDataError, UsageError
from cynic.cli.context import emit, json_option, open_memory, say, schema_option

if TYPE_CHECKING:
    from cynic.flows.record import Recorded

_CODE = frozenset(
    [
        ".c",
        ".cc",
        ".cpp",
        ".cs",
        ".css",
        ".go",
        ".h",
        ".hpp",
        ".html",
        ".java",
        ".js",
        ".jsx",
        ".kt",
        ".lua",
        ".php",
        ".pl",
        ".py",
        ".rb",
        ".rs",
        ".scala",
        ".sh",
        ".sql",
        ".swift",
        ".ts",
        ".tsx",
    ]
)


class NotTextError(InvalidDataError):
    """The file holds bytes that are no text in UTF-8."""

    code = "not-text"


class NothingToGoByError(UsageError):
    """Neither votes nor dimensions were given."""

    code = "nothing-to-go-by"


@click.command()
@click.argument("file", default="-", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--vote",
    "single",
    multiple=True,
    metavar="DOG=SCORE",
    help="A dog's vote from 0 to 1, as Guardian=0.9; may be repeated.",
)
@click.option(
    "--votes",
    "votes_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A JSON file with a list of votes: dog, score, and confidence, veto, reasoning if known.",
)
@click.option(
    "--dimension",
    "dimensions",
    multiple=True,
    metavar="NAME=SCORE",
    help="A dimension's score from 0 to 100, as COHERENCE=80; may be repeated.",
)
@click.option("--type", "item_type", help="What kind of item it is; by the file's name otherwise.")
@click.option("--user", help="For whom it is judged.")
@click.option("--session", "session_id", help="The session it belongs to.")
@click.option("--context", "context_type", help="The context: code, security, review, …")
@click.option("--task", "task_type", help="The kind of task.")
@click.option("--confidence", type=float, help="How sure, from 0 to 0.618.")
@click.option("--probability", type=float, help="How sure, from 0 to 1; scaled by 0.618.")
@click.option("--id", "judgment_id", help="An id of your own: the same again is stored once.")
@schema_option
@json_option
def judge(
    *,
    file: Path,
    single: tuple[str, ...],
    votes_file: Path | None,
    dimensions: tuple[str, ...],
    schema: str | None,
    as_json: bool,
    **given: str | float | None,
) -> None:
    """Judge FILE (or standard input) by votes of dogs, scores of dimensions, or both, and keep the judgment."""
    from cynic.flows import submission

    votes: list[object] = []
    for text in single:
        dog, score = _pair(text, "--vote")
        votes.append({"dog": dog, "score": score})
    if votes_file is not None:
        listed = submission.loads(votes_file.read_bytes())
        votes += cast("list[object]", listed) if isinstance(listed, list) else [listed]
    pairs = [_pair(text, "--dimension") for text in dimensions]
    scores = dict(pairs)
    if len(scores) < len(pairs):
        raise UsageError("--dimension names one dimension twice")
    if not votes and not scores:
        raise NothingToGoByError(
            "nothing to judge by",
            hint="for example: cynic judge FILE --vote Guardian=0.9 --vote Sage=0.7 --dimension COHERENCE=80",
        )
    content = _content(file)
    given["item_type"] = given["item_type"] or ("code" if file.suffix in _CODE else "text")
    fields = {name: value for name, value in given.items() if value is not None}
    with open_memory(schema) as memory:
        judged = memory.judge(item_content=content, votes=votes, dimensions=scores, **fields)
    if as_json:
        emit(judged.document())
    else:
        _show(judged)


@click.command()
@click.argument("judgment_id")
@click.argument("outcome", type=click.Choice(["correct", "incorrect", "partial"]))
@click.option("--score", "actual_score", type=float, help="What the score should have been, 0-100.")
@click.option("--user", help="Who says so.")
@schema_option
@json_option
def feedback(
    *,
    judgment_id: str,
    outcome: str,
    actual_score: float | None,
    user: str | None,
    schema: str | None,
    as_json: bool,
) -> None:
    """Say whether a judgment was right. Another outcome later supersedes this one."""
    with open_memory(schema) as memory:
        answered = memory.feedback(judgment_id, outcome, actual_score=actual_score, user=user)
    if as_json:
        emit(answered.document())
    else:
        say(f"{outcome}: {'noted' if answered.new else 'noted before'}")


def _pair(text: str, option: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        return name.strip(), float(number)
    except ValueError as error:
        raise UsageError(f"{option} {text}: write NAME=NUMBER") from error


def _content(file: Path) -> str:
    from cynic.flows.submission import CONTENT_CHARACTERS_MAX, TooLargeError

    if file.is_dir():
        raise UsageError(f"{file} is a folder; give a file")
    limit = 4 * CONTENT_CHARACTERS_MAX  # no character takes more bytes
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(limit + 1)
        else:
            with file.open("rb") as opened:
                data = opened.read(limit + 1)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    if len(data) > limit:
        raise TooLargeError(f"{file} is over {limit} bytes")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise NotTextError(
            f"{file} is no text in UTF-8: byte {error.start} is {error.reason}"
        ) from error


def _show(judged: Recorded) -> None:
    click.echo(
        f"{judged.verdict}  {judged.q_score} of 100, confidence {judged.confidence.normalize():f} of 0.618"
    )
    measured = [
        f"{name} {value:g}" for name, value in judged.axiom_scores.items() if value is not None
    ]
    if measured:
        click.echo(f"axioms: {', '.join(measured)}")
    if judged.consensus is not None:
        word = "approved" if judged.consensus["approved"] else "not approved"
        click.echo(f"pack: {word} ({judged.consensus['reason']})")
    click.echo(judged.judgment_id)
