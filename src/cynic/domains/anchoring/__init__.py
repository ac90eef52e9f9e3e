"""Proof that the record was not rewritten: blocks, Merkle batches and their anchors on Solana.

Items are hashed into batches, batches into roots, and roots are written where we cannot change them. Each
block of judgments names the hash of the one before; verified burns of tokens are kept beside.

Invariants: a block's number and hash, a batch and a transaction signature are unique; a status moves along
PENDING, QUEUED, ANCHORED or FAILED and never says ANCHORED without a transaction; a burn counts as verified
only after it was verified. What is hashed is a salted commitment to content, so that erasing a person leaves
every proof valid.

Retention: permanent.
"""

from __future__ import annotations

from typing import Final

TABLES: Final = (
    "anchor_batches",
    "block_anchors",
    "blocks",
    "burn_verifications",
    "poj_blocks",
)
