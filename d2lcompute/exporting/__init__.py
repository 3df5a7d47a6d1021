"""Exporting: the exercises as assignments of the tools that teachers have already.

``assignment`` gathers what every tool needs of a notebook's exercises; ``nbgrader`` and ``otter`` each put it into the
form of one tool; ``command`` writes the files. Neither tool has to be installed for it.
"""
