"""A tree of whatever spans say: each once, parents first, no loop without end."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cynic.domains.telemetry.span_tree import Node, tree

IDS = [f"s{number}" for number in range(12)]


def test_siblings_keep_their_order_and_an_orphan_stands_at_the_top() -> None:
    spans = [("a", None), ("b", "a"), ("c", "gone"), ("d", "b"), ("e", "a")]
    assert tree(spans) == [
        Node(0, 0, "root", 2),
        Node(1, 1, "child", 1),
        Node(3, 2, "child", 0),
        Node(4, 1, "child", 0),
        Node(2, 0, "orphan", 0),
    ]


def test_a_span_that_is_its_own_parent_is_shown() -> None:
    assert tree([("a", "a")]) == [Node(0, 0, "cycle", 0)]


def test_a_cycle_is_cut_at_its_first_span() -> None:
    nodes = tree([("a", "c"), ("b", "a"), ("c", "b"), ("d", "c")])
    assert [(node.index, node.depth, node.standing) for node in nodes] == [
        (0, 0, "cycle"),
        (1, 1, "child"),
        (2, 2, "child"),
        (3, 3, "child"),
    ]


def test_a_chain_of_a_hundred_thousand_is_no_deeper_than_memory() -> None:
    spans: list[tuple[str, str | None]] = [("0", None)]
    spans += [(str(n), str(n - 1)) for n in range(1, 100_000)]
    assert tree(spans)[-1] == Node(99_999, 99_999, "child", 0)


@given(
    st.lists(st.sampled_from(IDS), unique=True).flatmap(
        lambda ids: st.tuples(
            st.just(ids),
            st.lists(
                st.none() | st.sampled_from([*IDS, "elsewhere"]),
                min_size=len(ids),
                max_size=len(ids),
            ),
        )
    )
)
def test_every_span_has_one_place_after_its_parent(
    made: tuple[list[str], list[str | None]],
) -> None:
    spans = list(zip(*made, strict=True))
    nodes = tree(spans)
    assert sorted(node.index for node in nodes) == list(range(len(spans)))
    at = {spans[node.index][0]: place for place, node in enumerate(nodes)}
    for place, node in enumerate(nodes):
        _, parent = spans[node.index]
        if node.standing == "child":
            assert parent is not None
            above = nodes[at[parent]]
            assert at[parent] < place
            assert node.depth == above.depth + 1
        else:
            assert node.depth == 0
            assert (parent is None) == (node.standing == "root")
            assert (parent is not None and parent not in at) == (node.standing == "orphan")
    assert sum(node.children for node in nodes) == sum(node.depth > 0 for node in nodes)
