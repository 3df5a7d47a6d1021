"""Stubs: what the cell that a learner fills in binds, and what is handed to ``check``."""

import ast

__all__ = ["answer_expression", "names_in"]


def names_in(stub: str) -> list[str]:
    """Return the names that a stub defines, in its order.

    Example:
        >>> names_in("save = None; load = None")
        ['save', 'load']
    """
    names = []
    for node in ast.parse(stub).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.append(node.name)
        elif isinstance(node, ast.Assign):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    return names


def answer_expression(stub: str) -> str:
    """Return what a learner hands to ``check``: the name that the stub defines, or a tuple of its names.

    Example:
        >>> answer_expression("answer = {}")
        'answer'
    """
    names = names_in(stub)
    return names[0] if len(names) == 1 else f"({', '.join(names)})"
