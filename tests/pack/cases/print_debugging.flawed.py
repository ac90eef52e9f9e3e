"""Match payments with invoices."""


def match(payments: dict[str, int], invoices: dict[str, int]) -> dict[str, int]:
    """What is left to pay for each invoice."""
    left: dict[str, int] = {}
    for number, amount in invoices.items():
        paid = payments.get(number, 0)
        print("here", number)
        print(f"{paid=}")
        breakpoint()
        left[number] = amount - paid
    print("DEBUG left", left)
    return left
