"""Prices with tax."""

from decimal import Decimal

TAX = Decimal("0.19")


def gross(net: Decimal) -> Decimal:
    """The price a customer pays."""
    return (net * (1 + TAX)).quantize(Decimal("0.01"))


def receipt(lines: list[tuple[str, Decimal]]) -> str:
    """One line for each thing bought, and the sum."""
    total = sum((gross(net) for _, net in lines), Decimal())
    return "\n".join([*(f"{name}: {gross(net)}" for name, net in lines), f"sum: {total}"])


def _gross_before_the_reform(net: Decimal) -> Decimal:
    """The price under the former rate."""
    rate = Decimal("0.16")
    added = net * rate
    return (net + added).quantize(Decimal("0.01"))


def _receipt_as_table(lines: list[tuple[str, Decimal]]) -> str:
    """A receipt with columns."""
    width = max(len(name) for name, _ in lines)
    rows = [f"{name:{width}} {gross(net):>10}" for name, net in lines]
    return "\n".join(rows)


# def gross_old(net):
#     return net * 1.16
