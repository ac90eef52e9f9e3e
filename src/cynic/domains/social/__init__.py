"""What is seen on X: people, posts, feeds, trends, and how far the reading has come.

Posts carry their text, their numbers, a sentiment, a relevance and an embedding; the words to search by are
kept by a trigger. Feeds gather posts for somebody under a filter.

Invariants: relevance is at most 0.618, a sentiment score lies in [0, 1], priorities and quality in [0, 100];
post and person are unique by X's own identifiers; a post in a feed goes when either of them goes; a person
with posts cannot be deleted. One row of progress per kind and target of a synchronisation, also without a target.

Retention: posts are deleted softly. Those with a relevance of 0.382 or more stay; the rest go after 162 days.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "x_feed_tweets",
    "x_feeds",
    "x_sync_status",
    "x_trends",
    "x_tweets",
    "x_users",
)
