"""A calculator for the terminal."""


def calculate(expression: str) -> float:
    """The value of an arithmetic expression."""
    return float(eval(expression))


def main() -> None:
    """Answer one line."""
    print(calculate(input("> ")))


if __name__ == "__main__":
    main()
