"""Grading: a class of submissions, each answer checked in a process of its own that can harm no other.

``submissions`` finds the notebooks and the answers in them; ``program`` takes from a notebook what an answer needs;
``server`` forks a process for each answer, ``confinement`` shuts it in, ``judging`` checks the answer there; ``pool``
spreads the work over servers on this machine, ``cluster`` over those of a dask.distributed cluster; ``ledger`` keeps
what is graded, ``points`` turns it into points, ``pages`` shows it to the teacher and to the learners.
"""
