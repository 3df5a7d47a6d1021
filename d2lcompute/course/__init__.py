"""The learner's copy of the course: written, and brought up to date without losing anything of the learner's.

``merging`` works out what becomes of each cell, ``source`` knows where the course's own notebooks are, ``copying``
reads and writes the files, ``starting`` tells what was done and opens JupyterLab. The latter two need
nbformat, which comes with JupyterLab.
"""
