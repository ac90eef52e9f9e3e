"""The memory as a Python object: one database, a pool of connections, and a method for each thing one can do."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Self

from cynic.base import clock, ids, settings
from cynic.base.errors import UnavailableError
from cynic.db import browse, pool
from cynic.db.connect import Database, database, set_role
from cynic.db.migrate import Migrator, use_schema
from cynic.flows import (
    budget_care,
    counters,
    feedback,
    learn,
    metered,
    record,
    spend,
    spending,
    submission,
)
from cynic.flows.bell import Bell
from cynic.flows.desk import Desk
from cynic.flows.edge import Edge, digest_key
from cynic.flows.learned import NOTHING, LearnedSource
from cynic.reads import budget, judgments, session, sessions, traces, usage
from cynic.reads.learning.calibration import DAYS_DEFAULT, calibration
from cynic.reads.learning.status import status

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from types import TracebackType
    from uuid import UUID

    import psycopg

    from cynic.base.errors import CynicError
    from cynic.domains.core.dimensions import Placed
    from cynic.flows.budget_answers import Entry, Reservation
    from cynic.flows.feedback import Answered
    from cynic.flows.learn import Pass
    from cynic.flows.record import Recorded
    from cynic.reads.judgments import Page

POOL_SIZE = 8
READERS_MAX = 4


class SchemaBehindError(UnavailableError):
    """The database's schema is not the one this version knows."""

    code = "schema-behind"


class Memory:
    """An open memory. Safe to share between threads; close it, or use it as a context."""

    def __init__(self, found: Database, *, pool_size: int = POOL_SIZE) -> None:
        self.database = found
        self._owned = ExitStack()
        self._pool = pool.make(found, pool_size, found.prepare_for_app)
        self._readers = pool.make(found, READERS_MAX, self._prepare_reader)
        self._pool.open()
        self._readers.open()
        self._edge: Edge | None = None
        self._bell = Bell(self.connection)
        self.desk = Desk(self.connection, self.edge)
        """Where threads ask for money; what they ask at the same time is done in one statement."""

    def judge(self, **fields: Any) -> Recorded:
        """Record one judgment; the fields are those of `POST /api/v1/judgments`.

        Returned means committed. Raises `InvalidFieldError` naming the field, `JudgmentDiffersError` when the
        `judgment_id` is another judgment's, `ForeignSessionError` when the session is another user's.
        """
        return self.record(submission.read_judgment(fields, self.added_dimensions))

    def record(
        self, given: submission.Submission, *, key: str | None = None, caller: str = ""
    ) -> Recorded:
        """Record one judgment that was read already.

        An idempotency `key` stands for its id where it has none; each `caller` has keys of its own.
        """
        with self.writing() as conn:
            edge = self.edge(conn)
            return record.record_one(conn, record.identified(given, key, caller, edge), edge)

    def judge_many(self, documents: Iterable[Mapping[str, object]]) -> list[Recorded | CynicError]:
        """Record judgments; one result for each, in order. A bad one does not keep the others out."""
        read: list[submission.Submission | CynicError] = []
        for document in documents:
            try:
                read.append(submission.read_judgment(dict(document), self.added_dimensions))
            except submission.InvalidFieldError as error:
                read.append(error)
        return self.record_many(read)

    def added_dimensions(self) -> Mapping[str, Placed]:
        """The dimensions that the dogs added and that may be judged, at most a second old."""
        with self.connection() as conn:
            learned = self.edge(conn).learned
            return NOTHING.dimensions if learned is None else learned.current(conn).dimensions

    def record_many(
        self, read: Sequence[submission.Submission | CynicError]
    ) -> list[Recorded | CynicError]:
        """Record judgments that were read already; those that could not be keep their error."""
        good = [one for one in read if isinstance(one, submission.Submission)]
        with self.writing() as conn:
            stored = iter(record.record(conn, good, self.edge(conn)) if good else [])
        return [next(stored) if isinstance(one, submission.Submission) else one for one in read]

    def feedback(self, judgment_id: str, outcome: str, **fields: Any) -> Answered:
        """Say whether a judgment was right: correct, incorrect or partial; `actual_score` and `user` if known."""
        return self.answer(judgment_id, submission.read_feedback({"outcome": outcome, **fields}))

    def answer(self, judgment_id: str, given: submission.Answer) -> Answered:
        """Store feedback that was read already."""
        with self.writing() as conn:
            answered = feedback.answer(conn, judgment_id, given, self.edge(conn))
        if answered.new:
            self._bell.ring()
        return answered

    def judgment(self, judgment_id: str) -> dict[str, object]:
        """One judgment with its votes, consensus, dimensions and feedback."""
        with self.connection() as conn:
            return judgments.one(conn, judgment_id)

    def judgments(
        self,
        *,
        limit: int = judgments.PAGE_ROWS_DEFAULT,
        cursor: str | None = None,
        min_q_score: float | Decimal | None = None,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        **filters: str | None,
    ) -> Page:
        """A page of judgments, newest first; filters: user, session_id, verdict, item_type."""
        chosen = judgments.Filters(
            since=since,
            until=until,
            min_q_score=None if min_q_score is None else Decimal(str(min_q_score)),
            **filters,
        )
        with self.connection() as conn:
            return judgments.page(conn, chosen, limit=limit, cursor=cursor)

    def learn(self, *, progress: Callable[[int], object] | None = None) -> Pass:
        """Learn from all feedback that waits, and say what changed. The worker does this by itself.

        `progress` is told how many answers were taken so far.
        """
        with self.connection() as conn:
            edge = self.edge(conn)
            done = learn.run(conn, edge, progress=progress)
        if edge.learned is not None:
            edge.learned.look_again()
        return done

    def retry_learning(self) -> int:
        """Put answers that were set aside back, to be learned from once what was wrong with them is mended; how many."""
        with self.connection() as conn:
            return learn.retry(conn)

    def calibration(self, *, days: int = DAYS_DEFAULT) -> dict[str, object]:
        """How well the probabilities of the last days agree with what came true; None where there are no data."""
        with self.connection() as conn:
            return calibration(conn, days=days)

    def learning(self) -> dict[str, object]:
        """The eleven learning loops: what each has seen, knows and changes."""
        with self.connection() as conn:
            return status(conn)

    def budget(self) -> dict[str, object]:
        """The budget: limit, consumed, held, remaining, level, breaker, burn rate, runway, and where the money went."""
        with self.connection() as conn:
            return budget.explained(conn, clock.now())

    def set_budget(
        self,
        limit_usd: object,
        *,
        expected_usd: object = None,
        by: str | None = None,
        next_reset: dt.datetime | None = None,
    ) -> dict[str, object]:
        """Set the limit; with `expected_usd` only if that is the limit still, else `LimitChangedError`."""
        limit = spending.required_money({"limit_usd": limit_usd}, "limit_usd")
        expected = spending.money(expected_usd, "expected_usd")
        with self.connection() as conn:
            now = clock.now()
            budget_care.set_limit(
                conn, limit, now, expected_usd=expected, by=by, next_reset=next_reset
            )
            return budget.state(conn, now).document()

    def reset_budget(
        self,
        limit_usd: object = None,
        *,
        by: str | None = None,
        next_reset: dt.datetime | None = None,
    ) -> dict[str, object]:
        """Begin a new period; the ledger and what the former period was stay."""
        limit = spending.money(limit_usd, "limit_usd")
        with self.connection() as conn:
            now = clock.now()
            budget_care.reset(conn, now, limit_usd=limit, by=by, next_reset=next_reset)
            return budget.state(conn, now).document()

    def reserve(self, **fields: Any) -> Reservation:
        """Ask to spend up to `estimated_usd` on a `provider` and `model`; the decision may be a refusal."""
        return self.desk.reserve(spending.read_ask(fields))

    def settle(self, reservation_id: UUID | str, **fields: Any) -> Entry:
        """Book what the call cost and give back the rest of the hold; again, it is the first answer."""
        named = spending.reservation_id(reservation_id)
        return self.desk.settle(named, spending.read_settlement(fields))

    def release(self, reservation_id: UUID | str) -> Reservation:
        """Give a hold back: nothing was spent."""
        return self.desk.release(spending.reservation_id(reservation_id))

    def record_cost(self, **fields: Any) -> Entry:
        """Book a call that was not reserved; one that is booked already is linked, not booked again."""
        return self.desk.charge(spending.read_cost(fields))

    def spending(
        self,
        estimate_usd: object,
        *,
        provider: str = "unknown",
        model: str = "unknown",
        **fields: Any,
    ) -> AbstractContextManager[spend.Spending]:
        """Reserve for a `with` block, which calls and then settles; raises `BudgetRefusedError` when refused."""
        asked = {"estimated_usd": estimate_usd, "provider": provider, "model": model, **fields}
        return spend.spend(self.desk, asked)

    def metered(
        self,
        client: Any,
        *,
        estimate_usd: object = None,
        provider: str | None = None,
        session_id: str | None = None,
        task_type: str | None = None,
    ) -> Any:
        """An OpenAI or Anthropic client that reserves before each call and settles after it; see `flows.metered`."""
        task = spending.Task(session_id=session_id, task_type=task_type)
        return metered.meter(
            client, self.desk, clock.now, provider=provider, estimate_usd=estimate_usd, task=task
        )

    def session(self, session_id: str, *, from_turn: int = 1) -> session.Session:
        """One session: turns, tools, files, failures, models, a timeline and its judgments."""
        with self.connection() as conn:
            return session.one(conn, session_id, from_turn=from_turn)

    def sessions(
        self,
        *,
        limit: int = sessions.PAGE_ROWS_DEFAULT,
        cursor: str | None = None,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        directory: str | None = None,
        agent: str | None = None,
        failed: bool = False,
    ) -> sessions.Page:
        """A page of sessions, newest activity first; the filters are those of `reads.sessions.Filters`."""
        chosen = sessions.Filters(
            since=since, until=until, directory=directory, agent=agent, failed=failed
        )
        with self.connection() as conn:
            return sessions.page(conn, chosen, limit=limit, cursor=cursor)

    def trace(self, trace_id: str) -> traces.Trace:
        """One trace: its spans as a tree, with times, tokens, tools and errors."""
        with self.connection() as conn:
            return traces.one(conn, trace_id)

    def span(self, trace_id: str, span_id: str) -> dict[str, object]:
        """Everything that one span said."""
        with self.connection() as conn:
            return traces.span(conn, trace_id, span_id)

    def traces(
        self,
        *,
        order: traces.Order = "newest",
        limit: int = traces.PAGE_ROWS_DEFAULT,
        cursor: str | None = None,
        **filters: Any,
    ) -> traces.Page:
        """A page of traces, newest or dearest first; the filters are those of `reads.traces.Filters`."""
        chosen = traces.Filters(**filters)
        with self.connection() as conn:
            return traces.page(conn, chosen, order=order, limit=limit, cursor=cursor)

    def usage(self, *, since: dt.date | None = None, until: dt.date | None = None) -> usage.Usage:
        """Tokens and cost by day and model; the last 30 days unless told otherwise. Days are in UTC, both included."""
        first, last = usage.days(since, until, clock.now())
        with self.connection() as conn:
            return usage.tokens(conn, since=first, until=last)

    def hourly(
        self,
        metric: str,
        *,
        since: dt.datetime | None = None,
        until: dt.datetime | None = None,
        operation: str | None = None,
        model: str | None = None,
    ) -> list[usage.Hour]:
        """A metric hour by hour, newest first; the last day unless told otherwise."""
        begin, end = usage.hours(since, until, clock.now())
        with self.connection() as conn:
            return usage.hourly(
                conn, metric, since=begin, until=end, operation=operation, model=model
            )

    def store_snapshots(self, *, limit: int = 1) -> list[dict[str, object]]:
        """How much is stored and how much waits to be rolled up, newest first."""
        with self.connection() as conn:
            return usage.snapshots(conn, limit)

    def fold(self) -> int:
        """Add up what the shared counters do not count yet; return how many rows. The worker does this by itself."""
        with self.connection() as conn:
            return counters.fold_all(conn, clock.now())

    @contextmanager
    def connection(self) -> Generator[psycopg.Connection]:
        """A connection that acts as the application; waits for one, but not for ever."""
        with pool.taken(self._pool) as conn:
            yield conn

    @contextmanager
    def writing(self) -> Generator[psycopg.Connection]:
        """A connection to take something in with; `DiskFullError` while there is too little room for it."""
        self.database.disk.check()
        with self.connection() as conn:
            yield conn

    @contextmanager
    def reading(self) -> Generator[psycopg.Connection]:
        """A connection that acts as the reader and cannot write."""
        with pool.taken(self._readers) as conn:
            yield conn

    def _prepare_reader(self, conn: psycopg.Connection) -> None:
        use_schema(conn, self.database.schema)
        set_role(conn, "cynic_reader")
        browse.make_read_only(conn)

    def edge(self, conn: psycopg.Connection) -> Edge:
        """The clock, the source of identifiers, and the digest key of this database."""
        if self._edge is None:
            key = digest_key(conn)
            self._edge = Edge(
                clock=clock.now, new_id=ids.new_uuid, digest_key=key, learned=LearnedSource()
            )
        return self._edge

    def close(self) -> None:
        """Close the connections, and give back the embedded server if this memory started it."""
        self._bell.stop()
        self._pool.close()
        self._readers.close()
        self._owned.close()

    def own(self, context: ExitStack) -> Self:
        """Close what `context` holds together with this memory."""
        self._owned = context
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def connect(
    database_url: str | None = None, *, schema: str | None = None, pool_size: int = POOL_SIZE
) -> Memory:
    """Open the memory: `database_url`, else what the environment says, else the embedded server.

    The schema of an embedded server is brought up to date; that of any other has to be (`cynic db migrate`).
    """
    chosen = settings.load(database=database_url, schema=schema)
    with ExitStack() as opened:
        found = opened.enter_context(database(chosen))
        ready(found)
        memory = Memory(found, pool_size=pool_size)
        return memory.own(opened.pop_all())


def ready(found: Database) -> None:
    """Bring the embedded server's schema up to date, or raise when another one's is not."""
    embedded = found.data_dir is not None and found.schema is None
    with found.connect(new_schema=embedded) as conn:
        migrator = Migrator(conn, found.schema)
        if embedded:
            migrator.up()
        elif behind := [s.name for s in migrator.status() if s.state != "applied"]:
            raise SchemaBehindError(
                f"the schema is not as this version knows it ({len(behind)} migrations differ)",
                hint="run cynic db migrate",
            )
