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
