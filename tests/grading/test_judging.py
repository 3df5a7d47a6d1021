"""What an answer comes to: right ones, wrong ones, and those that mean harm."""

import json
import sys
import time
from pathlib import Path

import pytest

from d2lcompute.exercises.learner.help import source_of
from d2lcompute.exercises.registry import find, names
from d2lcompute.grading.confinement import Limits, visible
from d2lcompute.grading.pool import OneByOne, Server
from d2lcompute.grading.program import Cell
from d2lcompute.grading.verdict import STATUSES, Job, Verdict
from tests.grading.grading_support import HOSTILE, IMPORTS, NOT_CONFINED, RIGHT, job, stub_id, wrong_sources

EVERY = [name for exercises in names().values() for name in exercises]
COURSE = Path(__file__).parents[2] / "notebooks" / "en"
confined = pytest.mark.skipif(bool(NOT_CONFINED), reason=f"not on this system: {NOT_CONFINED}")


@pytest.mark.parametrize("name", EVERY)
def test_every_solution_passes(server, name):
    """As a learner would hand it in, with what the notebook gives."""
    verdict = judged(server, _in_its_notebook(name, source_of(find(name))))

    assert (verdict.status, verdict.message[:2]) == ("passed", "✓ ")


@pytest.mark.parametrize("name", EVERY[::6])
def test_wrong_answers_fail_with_their_remark(server, name):
    """The first two of an exercise; that the checkers know all of them is tested elsewhere."""
    for source, remark in wrong_sources(name)[:2]:
        verdict = judged(server, _in_its_notebook(name, source))

        assert verdict.status == "failed"
        assert remark in " ".join(verdict.message.split())


@confined
@pytest.mark.parametrize("what", HOSTILE)
def test_hostile_answers_come_to_a_verdict(quick_server, what):
    """Each ends within its limit, and the next answer is judged as if nothing had been."""
    code, status = HOSTILE[what]
    began = time.monotonic()

    verdict = judged(quick_server, job(f"{RIGHT}\n{code}\n"))

    assert verdict.status in ((status,) if isinstance(status, str) else status), verdict
    assert time.monotonic() - began < 30
    assert judged(quick_server, job(RIGHT)).status == "passed"


@confined
def test_a_hostile_answer_reaches_nothing(server, tmp_path):
    """Not the files beside it, not the home, no process but its own."""
    (tmp_path / "secret.txt").write_text("42")
    look = (
        f"import os\nfound = [os.path.exists({str(tmp_path / 'secret.txt')!r}), os.listdir('/root'), "
        "os.listdir('/home'), os.listdir('/tmp'), [p for p in os.listdir('/proc') if p.isdigit()], "
        "os.environ['HOME']]\n"
        "raise ValueError(str(found))"
    )

    verdict = judged(server, job(f"{RIGHT}\n{look}"))

    there = [sorted({path.parts[2] for path in visible() if path.parts[1] == top}) for top in ("root", "home", "tmp")]
    assert f"{[False, *there, ['1'], '/tmp']}" in verdict.message  # Python itself, where it is installed there


@confined
def test_rights_are_gone_for_good(server):
    """Nothing can be mounted or unmounted, in a new namespace either."""
    attempt = (
        "import ctypes\nlibc = ctypes.CDLL(None, use_errno=True)\n"
        "raise ValueError([libc.umount(b'/tmp'), libc.mount(b'none', b'/', None, 4096 | 32, None), "
        "libc.chroot(b'/tmp')])"
    )

    assert "[-1, -1, -1]" in judged(server, job(f"{RIGHT}\n{attempt}")).message


@confined
def test_what_one_answer_writes_the_next_does_not_see(server):
    """Each has a /tmp of its own."""
    judged(server, job(f"{RIGHT}\nopen('/tmp/note', 'w').write('x')"))

    verdict = judged(server, job(f"{RIGHT}\nraise ValueError(open('/tmp/note').read())"))

    assert "FileNotFoundError" in verdict.message


def test_the_answers_of_a_learner_are_judged_together(server):
    """Each as if it were alone: what one sets for the whole process is put back before the next."""
    sets = f"torch.set_default_dtype(torch.float64)\ntorch.set_grad_enabled(False)\n{RIGHT}"
    other = source_of(find("residual_block"))

    verdicts = server.judge([job(sets), job(other, exercise="residual_block"), job(RIGHT)])

    assert [verdict.status for verdict in verdicts] == ["passed"] * 3


@pytest.mark.parametrize("what", ["ends its process", "changes the checker", "crashes"])
@confined
def test_an_odd_answer_does_not_spoil_the_others_of_its_learner(server, what):
    """They are judged anew, each in a process of its own."""
    code, status = HOSTILE[what]
    other = source_of(find("residual_block"))

    verdicts = server.judge([job(f"{RIGHT}\n{code}\n"), job(other, exercise="residual_block")])

    assert [verdict.status for verdict in verdicts] == [status, "passed"]


def test_a_word_in_the_pipe_is_no_verdict(server):
    """An answer that writes a verdict into every descriptor that it finds has none."""
    forged = Verdict("passed", "forged").to_json()
    write = (
        f"import os\nfor descriptor in range(3, 64):\n    try:\n        os.write(descriptor, {forged!r}.encode())\n"
        "    except OSError: pass\nos._exit(0)"
    )

    assert judged(server, job(f"{RIGHT}\n{write}")).status == "died"


def test_the_same_answer_is_tried_on_the_same_inputs(server):
    """So that a wrong answer has the same report on every machine."""
    wrong = RIGHT.replace("dim=-1", "dim=0")

    assert judged(server, job(wrong)) == judged(server, job(wrong))


def test_an_answer_sees_none_of_the_other_cells(server):
    """What another cell would raise is none of its business, unless all is run."""
    before = [Cell("broken", "raise ValueError('not mine')"), Cell("unused", "seen = 1 / 0")]

    assert judged(server, job(RIGHT, before=before)).status == "passed"
    assert judged(server, job(RIGHT, before=before, whole=True)).status == "passed"


def test_an_answer_has_what_it_needs_of_other_cells(server):
    """A helper, what the helper needs, an import under another name, also from below the answer."""
    source = RIGHT.replace("torch.cat((self.net1(X), self.net2(X)), dim=-1)", "joined(self.net1(X), self.net2(X))")
    before = [Cell("helper", "AXIS = -1\n\ndef joined(*parts):\n    return t.cat(parts, dim=AXIS)\n\nbroken = 1 / 0")]
    cells = (IMPORTS, Cell(stub_id("parallel_block"), source), *before, Cell("late", "import torch as t"))

    verdict = judged(server, Job("parallel_block", (cells,)))

    assert verdict.status == "passed", verdict.message


def test_an_error_names_the_learners_line(server):
    """As in the notebook."""
    verdict = judged(server, job(RIGHT.replace("torch.cat(", "torch.dog(")))

    assert "line 11 of your code: return torch.dog((self.net1(X), self.net2(X)), dim=-1)" in " ".join(
        verdict.message.split()
    )


def test_an_answer_that_ends_its_server_twice_has_its_verdict_by_that():
    """Where answers are not shut in, one can; the server is started anew for the next."""
    bare = Server(confined=False, limits=Limits(seconds=6))
    try:
        assert judged(bare, job(f"{RIGHT}\nimport os\nos.kill(os.getppid(), 9)")).status == "died"
        assert judged(bare, job(RIGHT)).status == "passed"
    finally:
        bare.close()


def test_without_fork_each_answer_has_a_process_of_its_own():
    """Slower; right, wrong and hostile ones come to the same."""
    one_by_one = OneByOne(limits=Limits(seconds=6))

    assert judged(one_by_one, job(RIGHT)).status == "passed"
    assert judged(one_by_one, job(RIGHT.replace("dim=-1", "dim=0"))).status == "failed"
    assert judged(one_by_one, job(f"{RIGHT}\nimport os\nos._exit(0)")).status == "died"
    assert judged(one_by_one, job(f"{RIGHT}\nwhile True: pass")).status == "too long"


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel ends a child with its parent on Linux alone")
def test_nothing_that_a_server_started_outlives_it():
    """An answer that still runs when the grader is stopped ends with its server."""
    server = Server(confined=False, limits=Limits(seconds=60))
    judged(server, job(RIGHT))
    process = server._process
    sleeping = job(f"{RIGHT}\nimport time\ntime.sleep(1000)")
    process.stdin.write(json.dumps([sleeping.to_json()]).encode() + b"\n")
    process.stdin.flush()
    children = _until(lambda: _children(process.pid))

    server.close()

    assert children
    assert _until(lambda: not any(map(_alive, children)))


def test_a_verdict_has_one_of_the_known_statuses():
    """Another is a mistake of ours."""
    with pytest.raises(ValueError, match="status must be one of passed, failed"):
        Verdict("perhaps")
    assert all(
        Verdict.from_json(Verdict(status, "m", "r").to_json()) == Verdict(status, "m", "r") for status in STATUSES
    )


def judged(server, answer):
    """Return the verdict on one answer."""
    (verdict,) = server.judge([answer])
    return verdict


def _in_its_notebook(name, source):
    """Return an answer in the course's own notebook, in the place of the stub."""
    path = COURSE / f"{find(name).notebook}.ipynb"
    cells = [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    answered = [Cell(cell["id"], source if cell["id"] == stub_id(name) else "".join(cell["source"])) for cell in cells]
    return Job(name, (tuple(answered),))


def _children(pid):
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _until(condition, seconds=10):
    until = time.monotonic() + seconds
    while not (found := condition()) and time.monotonic() < until:
        time.sleep(0.05)
    return found
