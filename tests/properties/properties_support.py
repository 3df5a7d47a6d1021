"""Strategies and wrong modules that the property tests share."""

import hypothesis

checked = hypothesis.settings(max_examples=40, deadline=None)


one_is_enough = hypothesis.settings(  # a counter-example, not the smallest one
    max_examples=2000, deadline=None, database=None, phases=[hypothesis.Phase.generate], derandomize=True
)


def counter_example(strategy, wrong):
    """Return a case in which something is wrong; hypothesis raises NoSuchExample if it finds none."""
    return hypothesis.find(strategy, wrong, settings=one_is_enough)
