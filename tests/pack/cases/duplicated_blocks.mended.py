"""Add up the sales of the shops."""


def report(shop: list[str], stall: list[str]) -> str:
    """The sums and the names of what was sold."""
    names: list[str] = []
    sums = [_add_up(sold, names) for sold in (shop, stall, [*shop, *stall])]
    return "\n".join([*(f"sum {total}" for total in sums), *names])


def _add_up(sold: list[str], names: list[str]) -> int:
    """The sum of the amounts; what they were for is added to `names`."""
    total = 0
    for line in sold:
        amount, _, name = line.partition(" ")
        if amount.isdigit():
            total += int(amount)
            names.append(name.strip().title())
    return total
