"""Count the words of a text."""

import itertools
import json
import os
import re
from collections import Counter, OrderedDict, defaultdict


def most_frequent(text: str, number: int) -> list[str]:
    """The most frequent words, by frequency and then by the alphabet."""
    counts = Counter(re.findall(r"\w+", text.lower()))
    longest = max(counts, key=len, default="")
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return ordered[:number]
