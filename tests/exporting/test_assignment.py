"""What an assignment holds of a notebook's exercises, for whatever tool."""

import dataclasses
import linecache

import pytest

from d2lcompute.course.source import CourseError
from d2lcompute.exercises.registry import names
from d2lcompute.exercises.stubs import names_in
from d2lcompute.exporting.assignment import assignment_of, chosen

NOTEBOOKS = list(names())


def outcome(assignment, question, answer):
    """Run an answer in an assignment as a notebook's cells do; return what came of it, ``passed`` or the error."""
    namespace = {"__name__": "__main__"}
    for number, source in enumerate((assignment.imports, question.given, answer, question.test)):
        file = f"<{question.name} {number}>"
        linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
        try:
            exec(compile(source, file, "exec"), namespace)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
    return "passed"


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_assignment_of_holds_each_exercise_of_the_notebook_once(notebook):
    """No exercise is left out, and none stands there twice."""
    questions = assignment_of(notebook).questions

    assert sorted(question.name for question in questions) == list(names()[notebook])


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_assignment_of_is_complete(notebook):
    """With nothing but its own cells each solution passes its test, and each stub fails it."""
    assignment = assignment_of(notebook)

    solved = {each.name: outcome(assignment, each, each.solution) for each in assignment.questions}
    untouched = {each.name: outcome(assignment, each, each.stub) for each in assignment.questions}

    assert solved == dict.fromkeys(solved, "passed")
    assert all(f"AssertionError: {name}: not attempted yet." in told for name, told in untouched.items()), untouched


def test_outcome_sees_an_assignment_without_its_imports():
    """The test above notices a name that the assignment does not bring."""
    assignment = dataclasses.replace(assignment_of("01_blocks"), imports="")

    assert outcome(assignment, assignment.questions[1], assignment.questions[1].stub).startswith("NameError: ")


@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_solution_binds_the_names_of_the_stub(notebook):
    """The solution can take the place of the stub."""
    for question in assignment_of(notebook).questions:
        assert set(names_in(question.stub)) <= set(names_in(question.solution)), question.name


def test_test_hands_the_checkers_report_to_the_learner():
    """The error of a wrong answer says what was tried, expected and got; it is more than a bare AssertionError."""
    assignment = assignment_of("01_blocks")
    question = next(each for each in assignment.questions if each.name == "residual_block")

    told = outcome(assignment, question, question.solution.replace("X + self.block(X)", "self.block(X)"))

    assert "✗ residual_block: not yet" in told
    assert "expected" in told


def test_test_does_not_fall_for_a_check_of_the_learners():
    """A function of the learner's with the name of the check is not what the test calls."""
    assignment = assignment_of("01_blocks")
    question = assignment.questions[-1]

    told = outcome(assignment, question, f"{question.stub}\ndef check(*_):\n    return True")

    assert "not attempted yet" in told


def test_imports_need_no_library_beside_the_packages_own():
    """No plotting, no scikit-learn: who grades needs the package alone."""
    imports = "\n".join(assignment_of(notebook).imports for notebook in NOTEBOOKS)

    assert "import torch\n" in imports
    assert not any(library in imports for library in ("matplotlib", "figures", "sklearn", "tensorboard"))


def test_tasks_are_in_the_language_that_was_asked_for():
    """Title and task are Chinese, the code is the same."""
    english, chinese = assignment_of("01_blocks"), assignment_of("01_blocks", "zh")

    assert english.title == "Build models from blocks"
    assert not chinese.title.isascii()
    assert not any(question.task.isascii() for question in chinese.questions)
    assert [each.test for each in chinese.questions] == [each.test for each in english.questions]


def test_tasks_point_to_nothing_that_is_not_exported():
    """A link to another file of the course would lead nowhere."""
    for notebook in NOTEBOOKS:
        for question in assignment_of(notebook).questions:
            assert "](" not in question.task.replace("](http", ""), question.name


def test_assignment_of_names_the_languages_that_there_are():
    """Another language than the course's is refused."""
    with pytest.raises(CourseError, match=r"got 'fr' \(there are: en, zh\)"):
        assignment_of("01_blocks", "fr")


def test_chosen_keeps_the_courses_order():
    """In whatever order notebooks are named, and all if none is."""
    assert chosen(["03_initialization", "01_blocks"]) == ["01_blocks", "03_initialization"]
    assert chosen([]) == NOTEBOOKS


def test_chosen_lists_the_notebooks_where_one_is_unknown():
    """Who mistypes a name reads the right ones."""
    with pytest.raises(ValueError, match="called 01_block; there are: 00_start_here, 01_blocks"):
        chosen(["01_block", "02_parameters"])
