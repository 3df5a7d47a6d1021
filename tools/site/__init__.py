"""The site: what the notebooks and docs/ become before Sphinx reads them, and what is done to the pages afterwards.

``python -m tools.site`` builds it. ``preparing`` writes what Sphinx reads; it takes notebooks from ``lessons``, which
folds what answers a prediction and adds hints from ``hints``, and pages from ``pages``. ``inventory`` knows where
torch's documentation has what is linked; ``extension`` is what Sphinx calls. ``finishing`` takes away what would make
pages heavy, and adds downloads. Sphinx's own settings are docs/conf.py.
"""
