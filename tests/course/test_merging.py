"""Merging: a learner's edits meet a newer course, and nothing of the learner's is lost."""

import copy
import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from d2lcompute.course.merging import LEFT, cleared, fingerprint, mark_of, merge

MARK = {"version": "1", "language": "en", "pages": {"README.md": "r"}}


def course(**sources):
    """Return a course's notebook with these cells, as it is given."""
    cells = [
        new_code_cell(source, id=name, outputs=[new_output("stream", text="old")]) for name, source in sources.items()
    ]
    return cleared(new_notebook(cells=cells), MARK)


def sources(notebook):
    """Return id → source, in order."""
    return {cell["id"]: cell["source"] for cell in notebook["cells"]}


def edited(notebook, **changes):
    """Return a learner's copy with the sources of some cells changed; None takes a cell out."""
    mine = copy.deepcopy(notebook)
    for cell in mine["cells"]:
        cell["source"] = changes.get(cell["id"], cell["source"])
    mine["cells"] = [cell for cell in mine["cells"] if cell["source"] is not None]
    return mine


def test_a_course_is_given_without_outputs():
    """What was stored under a prediction is not there, and the fingerprints are."""
    notebook = course(a="1", b="2")

    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in notebook["cells"])
    assert mark_of(notebook) == MARK | {"given": [[cell["id"], fingerprint(cell)] for cell in notebook["cells"]]}


def test_left_alone_is_renewed_and_changed_is_kept():
    """The cell that the learner answered stays, the one that was only run is the course's new one."""
    mine = edited(course(a="1", b="stub"), b="my answer")
    mine["cells"][0]["outputs"] = [new_output("stream", text="run")]

    merged, changes = merge(mine, course(a="one", b="stub", c="3"))

    assert sources(merged) == {"a": "one", "b": "my answer", "c": "3"}
    assert merged["cells"][0]["outputs"] == []
    assert (changes.renewed, changes.kept, changes.added, changes.overtaken) == (["a"], ["b"], ["c"], [])


def test_a_cell_that_did_not_change_keeps_its_outputs():
    """Nobody has to run it again."""
    mine = course(a="1")
    mine["cells"][0]["outputs"] = [new_output("stream", text="mine")]

    merged, changes = merge(mine, course(a="1"))

    assert merged["cells"][0]["outputs"][0]["text"] == "mine"
    assert changes.renewed == changes.kept == []


def test_where_both_changed_the_learners_stays_and_is_told():
    """The course's new text is not forced upon an answer."""
    merged, changes = merge(edited(course(a="1"), a="mine"), course(a="one"))

    assert sources(merged) == {"a": "mine"}
    assert (changes.kept, changes.overtaken) == (["a"], ["a"])
    again, changes = merge(merged, course(a="one"))
    assert (sources(again), changes.overtaken) == ({"a": "mine"}, [])


def test_what_the_course_dropped_goes_unless_it_was_changed():
    """A changed cell stays in its place, and has a tag."""
    mine = edited(course(a="1", b="2", c="3"), b="mine")

    merged, changes = merge(mine, course(c="3"))

    assert sources(merged) == {"b": "mine", "c": "3"}
    assert (changes.dropped, changes.kept, changes.left) == (["a"], ["b"], ["b"])
    assert merged["cells"][0]["metadata"]["tags"] == [LEFT]
    again, changes = merge(merged, course(c="3"))
    assert (sources(again), changes.left) == (sources(merged), [])
    assert again["cells"][0]["metadata"]["tags"] == [LEFT]


def test_what_the_learner_took_out_stays_out():
    """Also a cell that the course has changed since."""
    merged, _ = merge(edited(course(a="1", b="2"), a=None), course(a="one", b="2"))

    assert sources(merged) == {"b": "2"}
    assert sources(merge(merged, course(a="uno", b="2"))[0]) == {"b": "2"}


def test_own_cells_stay_behind_the_cell_they_stood_behind():
    """Also where the course puts new ones in between, and at the very beginning."""
    mine = course(a="1", b="2")
    mine["cells"].insert(1, new_markdown_cell("my note", id="note"))
    mine["cells"].insert(0, new_code_cell("mine", id="first"))

    merged, changes = merge(mine, course(a="1", new="!", b="2"))

    assert list(sources(merged)) == ["first", "a", "note", "new", "b"]
    assert changes.kept == ["first", "note"]


def test_an_order_that_the_learner_changed_stays():
    """New cells come behind the ones that they follow in the course."""
    mine = course(a="1", b="2", c="3")
    mine["cells"].reverse()

    merged, _ = merge(mine, course(a="1", b="2", new="!", c="3"))

    assert list(sources(merged)) == ["c", "b", "new", "a"]


def test_an_order_that_the_course_changed_is_taken_over():
    """Where the learner left it alone."""
    merged, _ = merge(course(a="1", b="2"), course(b="2", a="1"))

    assert list(sources(merged)) == ["b", "a"]


def test_a_cell_of_another_type_is_another_cell():
    """A code cell turned into text is a change of the learner's."""
    mine = course(a="1")
    mine["cells"][0] = new_markdown_cell("1", id="a")

    merged, changes = merge(mine, course(a="one"))

    assert (merged["cells"][0]["cell_type"], changes.kept) == ("markdown", ["a"])


@pytest.mark.parametrize("lost", [None, 3, {}, {"given": 7}, {"given": [1, 2]}])
def test_without_fingerprints_everything_that_differs_is_the_learners(lost):
    """Other programs may lose the metadata: then nothing is renewed, and nothing is lost."""
    mine = edited(course(a="1", b="2"), b="mine")
    mine["metadata"]["d2lcompute"] = lost

    merged, changes = merge(mine, course(a="1", b="two", c="3"))

    assert sources(merged) == {"a": "1", "b": "mine", "c": "3"}
    assert changes.kept == ["b"]


# Random courses, random learners.

NAMES = [f"cell{i}" for i in range(6)]
TEXTS = st.sampled_from(["1", "2", "3"])
COURSES = st.lists(st.sampled_from(NAMES), unique=True, max_size=6).flatmap(
    lambda names: st.tuples(*(st.tuples(st.just(name), TEXTS) for name in names))
)
EDITS = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(0, 9), st.sampled_from(["mine", "other"])),
        st.tuples(st.just("add"), st.integers(0, 9), st.sampled_from(["note", "try"])),
        st.tuples(st.just("remove"), st.integers(0, 9), st.none()),
        st.tuples(st.just("move"), st.integers(0, 9), st.integers(0, 9)),
    ),
    max_size=6,
)


def apply(mine, edits, number):
    """Let a learner edit a notebook; return the ids that the learner touched, and those taken out."""
    touched, gone, cells = {}, set(), mine["cells"]
    for count, (kind, place, what) in enumerate(edits):
        place = min(place, len(cells) - 1)
        if kind == "add":
            cell = new_code_cell(what, id=f"own{number}-{count}")
            cells.insert(place + 1, cell)
            touched[cell["id"]] = what
        elif cells and kind == "change":
            cells[place]["source"] = what
            touched[cells[place]["id"]] = what
        elif cells and kind == "remove":
            gone.add(cells[place]["id"])
            touched.pop(cells.pop(place)["id"], None)
        elif cells:
            cells.insert(min(what, len(cells) - 1), cells.pop(place))
    return touched, gone


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(COURSES, EDITS), min_size=2, max_size=5))
def test_nothing_of_the_learners_is_ever_missing(rounds):
    """Over several versions: what was touched is there as it was left, what was taken out is not, the rest is new."""
    mine, touched, gone, seen = None, {}, set(), set()
    for number, (sourced, edits) in enumerate(rounds):
        newer = course(**dict(sourced))
        if mine is None:
            mine = copy.deepcopy(newer)
        else:
            order = [cell["id"] for cell in mine["cells"]]
            mine, changes = merge(mine, newer)
            found = sources(mine)
            assert touched.items() <= found.items()
            assert not (gone & seen & set(found))
            assert all(found[name] == text for name, text in sourced if name in found and name not in touched)
            assert set(found) <= set(dict(sourced)) | set(touched)
            stayed, place = [name for name in order if name in found], list(found).index
            for before, own in itertools.pairwise(stayed):
                assert not own.startswith("own") or place(before) < place(own)
            assert set(changes.kept) <= set(touched)
        seen = set(dict(sourced))  # what the course no longer has, it may give anew
        fresh, removed = apply(mine, edits, number)
        gone = (gone | removed) & seen - set(fresh)
        touched = {name: text for name, text in touched.items() if name not in removed} | fresh
        touched = {name: text for name, text in touched.items() if dict(sourced).get(name) != text}
        assert merge(mine, newer)[0]["cells"] == merge(merge(mine, newer)[0], newer)[0]["cells"]
