"""Hints: what a reader of the site may unfold under an exercise, one after the other, with the solution last."""

from html import escape

from d2lcompute._translation import speaking, tr
from d2lcompute.exercises.learner.help import source_of
from d2lcompute.exercises.registry import find

__all__ = ["hints_of"]

HINT = {"en": "Hint {number} of {count}", "zh": "提示 {number}/{count}"}
SOLUTION = {"en": "Solution", "zh": "参考解答"}


def hints_of(name: str, language: str) -> str:
    """Return the Markdown of an exercise's hints, each inside the one before, and of its solution inside the last.

    Raises:
        ValueError: if there is no exercise of this name.
    """
    exercise = find(name)
    with speaking(language):
        hints, why = [tr(hint) for hint in exercise.hints], tr("Why it works: {why}", why=tr(exercise.why))
    lines = []
    for number, hint in enumerate(hints, start=1):
        summary = HINT[language].format(number=number, count=len(hints))
        lines += [f'<details class="hint"><summary>{summary}</summary>', f"<p>{escape(hint, quote=False)}</p>", ""]
    lines += [f'<details class="hint solution"><summary>{SOLUTION[language]}</summary>', ""]
    lines += ["```python", source_of(exercise), "```", "", f"<p>{escape(why, quote=False)}</p>"]
    lines += ["</details>" * (len(hints) + 1)]
    return "\n".join(lines)
