"""Add up the sales of the shops."""


def report(shop: list[str], stall: list[str]) -> str:
    """The sums and the names of what was sold."""
    names: list[str] = []
    lines: list[str] = []
    sold = shop
    total = 0
    for line in sold:
        amount, _, name = line.partition(" ")
        if not amount.isdigit():
            continue
        total += int(amount)
        names.append(name.strip().title())
    lines.append(f"sum {total}")
    sold = stall
    total = 0
    for line in sold:
        amount, _, name = line.partition(" ")
        if not amount.isdigit():
            continue
        total += int(amount)
        names.append(name.strip().title())
    lines.append(f"sum {total}")
    sold = [*shop, *stall]
    total = 0
    for line in sold:
        amount, _, name = line.partition(" ")
        if not amount.isdigit():
            continue
        total += int(amount)
        names.append(name.strip().title())
    lines.append(f"sum {total}")
    return "\n".join([*lines, *names])
