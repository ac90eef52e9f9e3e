"""`cynic judge` and `cynic feedback`: record a judgment, and say whether it was right."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from cynic.base.errors import UsageError
from cynic.cli.context import emit, json_option, open_memory, say, schema_option

if TYPE_CHECKING:
    from cynic.cli.judging import Judged


class NothingToGoByError(UsageError):
    """Votes were to be read, and there are none."""

    code = "nothing-to-go-by"


@click.command()
@click.argument(
    "files", metavar="[FILE]...", nargs=-1, type=click.Path(path_type=Path, allow_dash=True)
)
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
    files: tuple[Path, ...],
    single: tuple[str, ...],
    votes_file: Path | None,
    dimensions: tuple[str, ...],
    schema: str | None,
    as_json: bool,
    **given: str | float | None,
) -> None:
    """Judge each FILE (or standard input), and keep the judgments.

    By the votes of dogs and the scores of dimensions that are given; without any, by the pack that comes with cynic.
    """
    from cynic.cli.judging import Judging, show

    chosen = files or (Path("-"),)
    if len(chosen) > 1 and given["judgment_id"] is not None:
        raise UsageError("--id names one judgment, and there are several files")
    fields = {name: value for name, value in given.items() if value is not None}
    votes, scores = _given(single, votes_file, dimensions)
    if votes_file is not None and not votes and not scores:
        raise NothingToGoByError(
            f"{votes_file} has no votes", hint="without --votes the pack judges"
        )
    judging = Judging(fields, schema=schema, votes=votes, dimensions=scores)
    done: list[Judged] = []
    with judging:
        for judged in judging.judge_each(chosen):
            done.append(judged)
            if not as_json:
                show(judged)
    if as_json:
        documents = [one.document() for one in done]
        emit(documents[0] if len(chosen) == 1 else {"judgments": documents})
    if judging.exit_code:
        click.get_current_context().exit(judging.exit_code)


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


def _given(
    single: tuple[str, ...], votes_file: Path | None, dimensions: tuple[str, ...]
) -> tuple[list[object], dict[str, float]]:
    """The votes and dimensions of the command line."""
    votes: list[object] = []
    for text in single:
        dog, score = _pair(text, "--vote")
        votes.append({"dog": dog, "score": score})
    if votes_file is not None:
        from cynic.flows import submission

        listed = submission.loads(votes_file.read_bytes())
        votes += cast("list[object]", listed) if isinstance(listed, list) else [listed]
    pairs = [_pair(text, "--dimension") for text in dimensions]
    scores = dict(pairs)
    if len(scores) < len(pairs):
        raise UsageError("--dimension names one dimension twice")
    return votes, scores


def _pair(text: str, option: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    try:
        return name.strip(), float(number)
    except ValueError as error:
        raise UsageError(f"{option} {text}: write NAME=NUMBER") from error
