"""A calculator for the terminal."""

import ast
import operator

OPERATORS = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def calculate(expression: str) -> float:
    """The value of an arithmetic expression; ValueError when it is anything else."""
    return _value(ast.parse(expression, mode="eval").body)


def _value(node: ast.expr) -> float:
    """Sums and products of numbers, and nothing that could call or name anything."""
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        return float(node.value)
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](_value(node.left), _value(node.right))
    raise ValueError("only numbers and + - * /")


def main() -> None:
    """Answer one line."""
    print(calculate(input("> ")))


if __name__ == "__main__":
    main()
