"""Authoring: all that the file of an exercise needs, in one import.

An exercise is one frozen :class:`Exercise`. Its form says what kind of thing the answer is (:func:`a_function`,
:func:`a_module_class`, :func:`functions`, :func:`a_dict`, :func:`a_list`, :func:`a_value`); its requirements are
functions that try the answer in a :class:`Trial`, and whose words pass through :func:`tr`, so that a learner reads
them in a language of the course. ``lessons/blocks/parallel_block.py`` is an example to copy.
"""

from .._translation import N_, tr
from .checking.compare import difference, plain_text, shown
from .checking.exercise import Exercise, Requirement
from .checking.forms import a_dict, a_function, a_list, a_module_class, a_value, functions
from .checking.trial import Trial

__all__ = [
    "N_",
    "Exercise",
    "Requirement",
    "Trial",
    "a_dict",
    "a_function",
    "a_list",
    "a_module_class",
    "a_value",
    "difference",
    "functions",
    "plain_text",
    "shown",
    "tr",
]
