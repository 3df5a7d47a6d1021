"""Grading: a class of submissions, each learner's answers checked in a process that can harm no other's.

``submissions`` finds the notebooks and the answers in them; ``program`` takes from a notebook what an answer needs;
``server`` forks a process for each learner, ``confinement`` shuts it in, ``judging`` checks the answers there; ``pool``
spreads the work over servers on this machine, ``cluster`` over those of a dask.distributed cluster; ``ledger`` keeps
what is graded, ``points`` turns it into points, ``pages`` shows it to the teacher and to the learners.
"""
