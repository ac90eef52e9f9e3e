"""Judgments as a real pack leaves them: agreement, a veto, abstentions, a failure, one axiom, feedback taken back."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from served import Site

CODE = """def transfer(conn, source, target, amount_usd):
    with conn.transaction():
        row = conn.execute("SELECT balance_usd FROM accounts WHERE id = %s FOR UPDATE", [source]).fetchone()
        if row is None or row[0] < amount_usd:
            raise InsufficientFundsError(source, amount_usd)
        conn.execute("UPDATE accounts SET balance_usd = balance_usd - %s WHERE id = %s", [amount_usd, source])
        conn.execute("UPDATE accounts SET balance_usd = balance_usd + %s WHERE id = %s", [amount_usd, target])
"""


def vote(dog: str, score: float, **more: object) -> dict[str, object]:
    return {"dog": dog, "score": score, **more}


def fill(site: Site) -> dict[str, str]:
    """Record one judgment of each kind; return their ids by kind."""
    made: dict[str, str] = {}
    made["votes"] = site.judge(
        item_type="decision",
        item_content="Move the nightly export from cron to the queue.",
        user="grace",
        session_id="planning-48",
        votes=[vote("Analyst", 0.62), vote("Sage", 0.71), vote("Scout", 0.5)],
    )
    made["single"] = site.judge(
        item_type="answer",
        item_content="PostgreSQL 18 reads asynchronously.",
        user="linus",
        session_id="support-2207",
        dimensions={"ACCURACY": 41},
        confidence=0.2,
    )
    made["dimensions"] = site.judge(
        item_type="document",
        item_content="# Runbook\n\nRestart the relay first, then drain the queue.\n",
        user="grace",
        session_id="planning-48",
        dimensions={
            "COHERENCE": 88,
            "STRUCTURE": 93,
            "ACCURACY": 90,
            "RELEVANCE": 84,
            "UTILITY": 95,
        },
        probability=0.9,
    )
    made["veto"] = site.judge(
        item_type="command",
        item_content="rm -rf ./build /var/lib/app/*",
        user="ada",
        session_id="deploy-1141",
        context_type="shell",
        dimensions={"ACCURACY": 22, "IRREVERSIBILITY": 4, "VIGILANCE": 9},
        votes=[
            vote(
                "Guardian", 0.06, veto=True, reasoning="Deletes live data outside the build folder."
            ),
            vote("Deployer", 0.81, reasoning="The build folder has to go before a release."),
            vote("Janitor", 0.74),
            vote("Architect", 0.35),
        ],
    )
    made["failed"] = site.judge(
        item_type="answer",
        item_content="The invoice total is 1 240.50 USD.",
        user="linus",
        votes=[
            vote("CYNIC", 0.44),
            {"dog": "Oracle", "error": "no answer within 30 s"},
            vote("Scholar", 0.47),
        ],
    )
    made["rich"] = site.judge(
        item_type="code",
        item_content=CODE,
        user="ada",
        session_id="deploy-1141",
        context_type="review",
        dimensions={
            "COHERENCE": 91, "ELEGANCE": 74, "STRUCTURE": 86, "PRECISION": 79,
            "ACCURACY": 94, "INTEGRITY": 97, "VERIFIABILITY": 68.5, "TRANSPARENCY": 81,
            "NOVELTY": 22, "RELEVANCE": 88,
            "UTILITY": 90, "EFFICIENCY": 63, "IRREVERSIBILITY": 40,
        },
        votes=[
            vote("CYNIC", 0.72, probability=0.9, reasoning="Both updates in one transaction; the lock comes first."),
            vote("Guardian", 0.64, reasoning="Two transfers the other way round can deadlock: lock in order of id."),
            vote("Analyst", 0.83),
            vote("Architect", 0.78),
            vote("Sage", 0.5, reasoning="I do not know this schema."),
            vote("Scholar", 0.41, reasoning="No test covers a missing target account."),
        ],
    )  # fmt: skip
    site.feedback(made["rich"], "incorrect", user="grace", actual_score=55)
    site.feedback(made["rich"], "correct", user="grace", actual_score=80)
    site.feedback(made["rich"], "partial", user="linus")
    return made
