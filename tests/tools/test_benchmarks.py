import importlib.util
import json
import mmap
import os
import platform
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from benchmarks import __main__ as command
from benchmarks.bench_checkpoints import own_bytes, watch
from benchmarks.comparing import Comparison, compare, duration, ratio
from benchmarks.report import Row, machine, report, summary, table, verdict
from benchmarks.targets import TARGETS, Target
from tools.evidence import page

ROOT = Path(__file__).resolve().parents[2]
LIMIT = Target("Section", "ours over theirs", at_most=1.10, reason="the disk was slow")
EMPTY = "<!-- measured: begin -->\n<!-- measured: end -->\n"
TOLD = Target("Section", "what it costs", "ms")
EXAMPLES = {"limit": LIMIT, "told": TOLD}


class Clock:
    """A clock that moves when it is told to."""

    now = 0.0

    def __call__(self):
        return self.now

    def taking(self, seconds):
        """Return a contestant that takes so long."""

        def contestant():
            self.now += seconds

        return contestant


class Fixture:
    """What pytest-benchmark's fixture does in compare, on a clock that moves when it is told to."""

    def __init__(self, clock):
        self.clock, self.extra_info = clock, {}
        self.stats = SimpleNamespace(stats=SimpleNamespace(data=[]))

    def pedantic(self, target, args=(), *, setup, teardown, rounds, warmup_rounds):
        for number in range(warmup_rounds + rounds):
            setup()
            start = self.clock()
            target(*args)
            if number >= warmup_rounds:
                self.stats.stats.data.append(self.clock() - start)
            teardown(*args)


@pytest.mark.parametrize(("ours", "expected"), [(1.0, 1.0), (2.5, 2.5), (0.25, 0.25)])
def test_compare_sees_how_much_longer_ours_takes(ours, expected):
    """A contestant that takes so many times as long has that ratio, and times of one call each."""
    clock = Clock()

    found = compare(Fixture(clock), clock.taking(ours), clock.taking(1.0), rounds=3, clock=clock)

    assert found.ratio == expected
    assert found == Comparison([ours] * 3, [1.0] * 3)


def test_compare_lets_the_contestants_take_turns():
    """Theirs and ours alternate, what goes before is called before each, and ours runs inside what is around it."""
    clock, calls = Clock(), []

    @contextmanager
    def around():
        calls.append("in")
        yield
        calls.append("out")

    class Again:
        def __enter__(self):
            self.context = around()
            return self.context.__enter__()

        def __exit__(self, *error):
            return self.context.__exit__(*error)

    compare(
        Fixture(clock),
        lambda: calls.append("ours"),
        lambda: calls.append("theirs"),
        rounds=1,
        before=lambda: calls.append("before"),
        around_ours=Again(),
        clock=clock,
    )

    assert calls == ["before", "theirs", "before", "in", "ours", "out"] * 2


def test_compare_makes_as_many_calls_as_fill_a_turn():
    """A turn lasts as long as asked for, and what is told is the time of one call."""
    clock, calls = Clock(), []
    theirs = clock.taking(0.25)

    found = compare(
        Fixture(clock), lambda: (calls.append(1), theirs()), theirs, rounds=1, block_seconds=1.0, clock=clock
    )

    assert len(calls) == 2 * 4
    assert found == Comparison([0.25], [0.25])


def test_compare_counts_no_warming_up():
    """The first turn of each, which may be slow, is not among the times."""
    clock = Clock()
    seconds = iter([9.0, 2.0, 2.0])

    def slow_at_first():
        clock.now += next(seconds)

    found = compare(Fixture(clock), slow_at_first, clock.taking(1.0), rounds=2, clock=clock)

    assert found.ours == [2.0, 2.0]


def test_ratio_is_that_of_the_rounds():
    """A busy moment that slows both in one round, or one of them once, does not move the ratio."""
    both_slow_once = ratio([2.0, 20.0, 2.0], [1.0, 10.0, 1.0])
    one_slow_once = ratio([2.0, 2.0, 50.0], [1.0, 1.0, 1.0])

    assert (both_slow_once, one_slow_once) == (2.0, 2.0)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (12.3456, "12.3 s"),
        (1.0, "1.00 s"),
        (0.2, "200 ms"),
        (3.14e-6, "3.14 µs"),
        (5e-8, "50.0 ns"),
        (1e-10, "0.10 ns"),
    ],
)
def test_duration_writes_three_digits(seconds, text):
    """A time is written in the unit that suits it."""
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("measured", "expected"),
    [
        (1.05, "met"),
        (1.10, "met"),
        (1.11, "**MISSED**: the disk was slow"),
        (None, "not measured"),
    ],
)
def test_verdict_marks_what_is_missed(measured, expected):
    """A target is met up to its limit, missed above it, with the reason, and neither without a number."""
    assert verdict(LIMIT, Row("limit", measured, "")) == expected


def test_verdict_says_that_a_reason_is_wanting():
    """A missed target without a reason does not pass for one that was looked into."""
    assert verdict(Target("S", "x", at_most=1.0), Row("x", 2.0, "")) == "**MISSED**: the reason is not known yet"


def test_table_shows_reasons_of_missed_targets_alone():
    """The row holds target, number and verdict; a reason that is on file is not shown while the target is met."""
    rows = [Row("limit", 1.004, "1 s against 1 s"), Row("told", 1234.5, "once")]

    met = table(rows, EXAMPLES)
    missed = table([Row("limit", 1.2, "2 s against 1 s")], EXAMPLES)

    assert met == [
        "",
        "## Section",
        "",
        "| what | target | measured | absolute | |",
        "|---|---:|---:|---|---|",
        "| ours over theirs | 1.10 × | 1.00 × | 1 s against 1 s | met |",
        "| what it costs |  | 1,234 ms | once |  |",
    ]
    assert missed[-2] == "| ours over theirs | 1.10 × | 1.20 × | 2 s against 1 s | **MISSED**: the disk was slow |"


def test_table_shows_what_was_not_run():
    """The whole table names a target that nothing was measured for; a part leaves it out."""
    rows = [Row("told", 1.5, "once")]

    assert table(rows, EXAMPLES)[-2] == "| ours over theirs | 1.10 × |  | it was not run | not measured |"
    assert table(rows, EXAMPLES, whole=False)[-1] == "| what it costs |  | 1.5 ms | once |  |"
    assert len(table(rows, EXAMPLES, whole=False)) == 6


def test_number_that_misses_its_target_does_not_look_met():
    """A ratio just above the target is not rounded to it without a word."""
    row = table([Row("limit", 1.1004, "")], EXAMPLES)[5]

    assert "MISSED" in row
    assert "| 1.1004 × |" in row


def test_report_counts_met_and_missed():
    """The report begins with how many targets are met; targets without a limit do not count."""
    rows = [Row("limit", 2.0, ""), Row("told", 1.0, "")]

    lines = report(rows, "Measured somewhere.", EXAMPLES)

    assert summary(rows, EXAMPLES) == "0 of 1 targets are met, 1 missed, 0 not measured."
    assert lines[:3] == ["Measured somewhere.", "", f"**{summary(rows, EXAMPLES)}**"]
    assert lines[3:] == table(rows, EXAMPLES)


def test_machine_does_not_name_the_computer():
    """What the numbers depend on is told; the computer's name is not."""
    text = machine()

    assert torch.__version__ in text
    assert "cores" in text
    assert platform.node() not in text.split()


def measured(tmp_path, monkeypatch, *, status=0, rows=()):
    """Let the command find these rows, and keep its page in a folder of the test."""
    monkeypatch.setattr(page, "DOCS", tmp_path)
    (tmp_path / "benchmarks.md").write_text(EMPTY, encoding="utf-8")

    def measure(only, file):
        if rows is not None:
            file.write_text(json.dumps({"benchmarks": [{"extra_info": {"rows": list(rows)}}, {"extra_info": {}}]}))
        return status

    monkeypatch.setattr(command, "measure", measure)
    return tmp_path / "benchmarks.md"


def test_command_writes_the_page(tmp_path, monkeypatch, capsys):
    """A whole run that missed a target prints and keeps the table, says so, and succeeds: it has measured."""
    rows = [{"name": name, "measured": 59.0, "absolute": "x"} for name in TARGETS]
    page_file = measured(tmp_path, monkeypatch, rows=rows)

    status = command.main([])

    assert status == 0
    assert "| 59 ms | x | **MISSED**" in page_file.read_text(encoding="utf-8")
    assert "| 59 ms | x | **MISSED**" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [(["--only", "import"], 0, "not kept"), ([], 2, "a benchmark failed"), ([], 1, "no benchmark measures MyLinear")],
)
def test_command_keeps_no_part(arguments, status, expected, tmp_path, monkeypatch, capsys):
    """A part, and a run in which a benchmark failed or is missing, are printed and do not replace the page."""
    row = {"name": "import", "measured": 9.0, "absolute": "x"}
    page_file = measured(tmp_path, monkeypatch, status=2 * (status == 2), rows=[row])

    found = command.main(arguments)

    assert found == status
    assert expected in capsys.readouterr().out
    assert page_file.read_text(encoding="utf-8") == EMPTY


def test_command_fails_where_nothing_was_measured(tmp_path, monkeypatch, capsys):
    """Words that match no benchmark end in an error."""
    measured(tmp_path, monkeypatch, status=5, rows=None)

    assert command.main(["-k", "nothing"]) == 5
    assert capsys.readouterr().out == "nothing was measured\n"


def test_page_is_written_by_the_command():
    """The page in the repository has a row for each target, in order, as the command writes it."""
    lines = (page.DOCS / "benchmarks.md").read_text(encoding="utf-8").splitlines()

    rows = [
        line.split(" | ")[0].removeprefix("| ")
        for line in lines
        if line.startswith("| ") and "what | target" not in line
    ]

    assert rows == [target.what for target in TARGETS.values()]


def test_watch_tells_the_highest_point(monkeypatch):
    """The peak of a process's memory is kept, also when it has fallen again before the process answers."""
    readings = iter([3, 9, 4, 4, 4, 4])
    monkeypatch.setattr("benchmarks.bench_checkpoints.own_bytes", lambda pid: next(readings, 4))

    class Told:
        def readline(self):
            time.sleep(0.02)
            return b"here\n"

    assert watch(1, Told()) == 9


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux alone tells own memory from mapped files")
def test_own_bytes_sees_memory_and_not_mapped_files(tmp_path):
    """Twenty megabytes of a process's own count; a file of as many that is mapped and read does not."""
    size = 20_000_000
    (tmp_path / "file").write_bytes(b"x" * size)

    before = own_bytes(os.getpid())
    with open(tmp_path / "file", "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert mapped.find(b"y") == -1
        with_map = own_bytes(os.getpid())
    # Pages fresh from the system: `b"y" * size` may lie in memory that the process freed and still holds.
    with mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as own:
        own.write(b"y" * size)
        with_own = own_bytes(os.getpid())

    assert with_map - before < size / 2
    assert with_own - before > size / 2


def test_longest_notebook_is_validated_first():
    """Validation begins with the notebook that takes longest and keeps the order of everything else."""
    spec = importlib.util.spec_from_file_location("notebooks_conftest", ROOT / "notebooks" / "conftest.py")
    conftest = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conftest)
    names = ["test_blocks.py", "00_start_here.ipynb", "13_distributed.ipynb", "14_common_errors.ipynb"]
    items = [SimpleNamespace(path=ROOT / name, number=number) for name in names for number in range(2)]

    conftest.pytest_collection_modifyitems(items)

    assert [item.path.name for item in items[::2]] == [names[2], names[0], names[1], names[3]]
    assert [item.number for item in items] == [0, 1] * 4
    assert (ROOT / "notebooks" / "en" / names[2]).is_file()
