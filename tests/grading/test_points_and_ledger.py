"""Points, and the ledger that loses nothing."""

import resource

import pytest

from d2lcompute.exercises.registry import find
from d2lcompute.grading.ledger import Ledger
from d2lcompute.grading.points import points_for
from d2lcompute.grading.verdict import Verdict

PASSED, FAILED = Verdict("passed", "well"), Verdict("failed", "no", "an idea")


def test_points_are_the_difficulty():
    """By default."""
    assert points_for(["parallel_block", "untie"]) == {
        name: float(find(name).difficulty) for name in ("parallel_block", "untie")
    }


def test_a_table_gives_its_own_points(tmp_path):
    """To those that it names."""
    (tmp_path / "points.toml").write_text("parallel_block = 2.5\n")

    assert points_for(["parallel_block"], tmp_path / "points.toml") == {"parallel_block": 2.5}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("parallel_block = ", "cannot be read as TOML"),
        ("parallel_blok = 2", "there is no exercise called 'parallel_blok'"),
        ("parallel_block = -1", "must be a number of at least 0; got -1"),
        ("parallel_block = 'two'", "must be a number of at least 0; got 'two'"),
        ("parallel_block = true", "must be a number of at least 0; got True"),
    ],
)
def test_a_faulty_table_is_an_error(tmp_path, text, words):
    """Before anything is graded."""
    (tmp_path / "points.toml").write_text(text)

    with pytest.raises(ValueError, match=words):
        points_for([], tmp_path / "points.toml")


def test_verdicts_are_known_again(tmp_path):
    """In the next run."""
    with Ledger(tmp_path / "out" / "ledger.jsonl") as ledger:
        ledger.add("a", PASSED)
        ledger.add("b", FAILED)

    with Ledger(tmp_path / "out" / "ledger.jsonl") as ledger:
        assert (ledger.get("a"), ledger.get("b"), ledger.get("c")) == (PASSED, FAILED, None)


@pytest.mark.parametrize(
    "rest",
    [b'{"answer": "b", "verd', b"\x00\xff", b'{"answer": "b"}', b"[]", b'{"answer": "b", "verdict": {"status": "x"}}'],
)
def test_a_line_that_a_crash_cut_is_passed_over(tmp_path, rest):
    """What follows it stands on a line of its own."""
    path = tmp_path / "ledger.jsonl"
    with Ledger(path) as ledger:
        ledger.add("a", PASSED)
    path.write_bytes(path.read_bytes() + rest)

    with Ledger(path) as ledger:
        ledger.add("c", FAILED)

    with Ledger(path) as ledger:
        assert (ledger.get("a"), ledger.get("b"), ledger.get("c"), len(ledger)) == (PASSED, None, FAILED, 2)


def test_a_full_disk_loses_nothing_that_was_kept(tmp_path):
    """The verdict that did not fit raises; those before it are there, also after a cut line."""
    path = tmp_path / "ledger.jsonl"
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Ledger(path) as ledger:
        ledger.add("a", PASSED)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
        try:
            with pytest.raises(OSError, match="File too large"):
                ledger.add("b", FAILED)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)

    with Ledger(path) as ledger:
        assert ledger.get("a") == PASSED
        ledger.add("b", FAILED)
    with Ledger(path) as ledger:
        assert (ledger.get("a"), ledger.get("b")) == (PASSED, FAILED)
