"""An exercise of one line, and answers to it, for the tests of the framework."""

import dataclasses

from d2lcompute.exercises.checking.exercise import Exercise
from d2lcompute.exercises.checking.forms import a_function


def doubles(answer, trial):
    """The result is twice the input."""
    X = trial.tensor(trial.size())
    trial.plan(f"double on X of shape {tuple(X.shape)}", nudge="How often does the value go in?")
    trial.same(trial.call(answer, X), 2 * X, mistakes={"The square is taken.": X**2})


def double(X):
    """Double the input."""
    return 2 * X


EXERCISE = Exercise(
    name="double",
    notebook="00_start_here",
    section="Tensors",
    book=None,
    difficulty=1,
    minutes=1,
    task="Write a function that doubles its input.",
    stub="def double(X):\n    raise NotImplementedError\n",
    form=a_function,
    requirements=(doubles,),
    hints=("A question?", "A direction.", "A near-answer."),
    solution=double,
    why="It adds the value to itself.",
)


def failing(**texts):
    """Return an exercise whose only requirement, which says nothing of itself, fails with these texts."""
    return dataclasses.replace(EXERCISE, requirements=(lambda answer, trial: trial.fail(**texts),))
