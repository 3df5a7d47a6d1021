"""The files that must agree on versions, extras and commands."""

import re
import subprocess
import sys

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.packaging_support import OF_THE_SITE, PROJECT, ROOT, closure, requirements

WORKFLOW = ROOT / ".github" / "workflows" / "ci.yml"
ON_ONE_SYSTEM = {"appnope", "colorama", "pexpect", "ptyprocess", "pywinpty"}  # needed by macOS, Windows or the rest


def pins(text):
    """Return the pinned versions of a constraints file: canonical name → version.

    Raises:
        ValueError: if a line is no exact pin, or a package is pinned twice.
    """
    found = {}
    for line in text.splitlines():
        if line.strip() and not line.startswith("#"):
            requirement = Requirement(line.split(" #")[0])
            (pin, *more) = requirement.specifier or [None]
            if pin is None or more or pin.operator != "==" or "*" in pin.version:
                raise ValueError(f"constraints.txt: {line!r} is not of the form name==version")
            if canonicalize_name(requirement.name) in found:
                raise ValueError(f"constraints.txt: {requirement.name} is pinned twice")
            found[canonicalize_name(requirement.name)] = pin.version
    return found


def problems_of_pins(lines, pinned):
    """Return a sentence for each requirement that is not pinned, or pinned outside its own range."""
    told = []
    for requirement in map(Requirement, lines):
        version = pinned.get(canonicalize_name(requirement.name))
        if version is None:
            told.append(f"constraints.txt does not pin {requirement.name}")
        elif not requirement.specifier.contains(version, prereleases=True):
            told.append(f"constraints.txt pins {requirement.name}=={version}, which is not {requirement.specifier}")
    return told


def problems_of_environment(environment, install, pythons):
    """Return what keeps a conda environment from being the same as that of ``make``.

    Args:
        environment: the content of environment.yml.
        install: the arguments with which ``make`` calls pip, a list of words.
        pythons: the oldest and the newest supported Python.
    """
    conda = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    (installed,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    oldest, newest = map(Version, pythons)
    wanted = f"python >={oldest},<{newest.major}.{newest.minor + 1}"
    told = [] if environment["name"] == PROJECT["name"] else [f"environment.yml is called {environment['name']}"]
    if sorted(conda) != ["pip", wanted]:
        told.append(f"environment.yml asks conda for {sorted(conda)} instead of {['pip', wanted]}")
    if " ".join(installed).split() != install:
        told.append(f"environment.yml has pip install {installed}, make has {install}")
    if any("/" in channel for channel in environment["channels"]):
        told.append(f"environment.yml names the address of a channel: {environment['channels']}")
    return told


def pip_arguments(text):
    """Return the words after ``pip install`` of the command that installs this folder, without options of comfort."""
    (line,) = [line for line in text.splitlines() if "pip install" in line and " -e " in line]
    words = line.split("pip install", 1)[1].replace("'", "").replace('"', "").split()
    return [word for word in words if word not in ("--quiet", "--no-build-isolation")]


def makefile():
    """Return the text of the Makefile."""
    return (ROOT / "Makefile").read_text(encoding="utf-8")


def workflow():
    """Return the content of the workflow."""
    return yaml.safe_load(WORKFLOW.read_text(encoding="utf-8"))


def pythons(content):
    """Return the versions of Python of each job of a workflow."""
    return {name: job["strategy"]["matrix"]["python"] for name, job in content["jobs"].items()}


def test_constraints_pin_every_requirement_within_its_range():
    """Each requirement of pyproject.toml is pinned exactly, by a version that its own range admits."""
    pinned = pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))

    assert problems_of_pins(requirements(), pinned) == []


def test_constraints_pin_what_the_requirements_need_in_turn():
    """Nothing that the course runs on is left to chance, but for a GPU build's own libraries and single systems'."""
    pinned = pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))

    needed = set(closure(Requirement(line).name for line in requirements(without=OF_THE_SITE)))
    brought_by_torch = {name for name in needed if re.match(r"nvidia|cuda|triton|pytorch-triton|intel|tcmlib", name)}
    assert needed - brought_by_torch - ON_ONE_SYSTEM <= pinned.keys()
    assert {"torch", "jinja2", "pyzmq"} <= needed


def test_problems_of_pins_sees_a_missing_and_a_wrong_pin():
    """A requirement without a pin, and a pin that its range excludes, are both named."""
    lines = ["torch>=2.6", "numpy>=2.0", "PyYAML>=6"]

    assert problems_of_pins(lines, {"torch": "2.5.1", "pyyaml": "6.0.3"}) == [
        "constraints.txt pins torch==2.5.1, which is not >=2.6",
        "constraints.txt does not pin numpy",
    ]


@pytest.mark.parametrize("line", ["numpy>=2.0", "numpy", "numpy==2.*", "numpy==2.4,<3"])
def test_pins_refuses_what_is_no_exact_version(line):
    """A range, a bare name or a wildcard is no pin."""
    with pytest.raises(ValueError, match="is not of the form name==version"):
        pins(f"# a comment\n\ntorch==2.13.0\n{line}\n")


def test_pins_refuses_two_versions_of_one_package():
    """The same package under two spellings is noticed."""
    with pytest.raises(ValueError, match="Foo_Bar is pinned twice"):
        pins("foo-bar==1.0  # why\nFoo_Bar==2.0\n")


def test_environment_for_conda_is_that_of_make():
    """Conda gets the same versions and extras as make, and the Pythons that the workflow tries."""
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    (tried,) = set(map(tuple, pythons(workflow()).values()))

    assert problems_of_environment(environment, pip_arguments(makefile()), tried) == []


def test_problems_of_environment_sees_each_difference():
    """Another name, Python, extra, and a channel's address are noticed, each in a sentence."""
    environment = {
        "name": "other",
        "channels": ["https://example.org/channel"],
        "dependencies": ["python >=3.10", "pip", {"pip": ["-c constraints.txt", "-e .[dev]"]}],
    }

    told = problems_of_environment(environment, ["-c", "constraints.txt", "-e", ".[dev,beyond]"], ("3.11", "3.14"))

    assert told == [
        "environment.yml is called other",
        "environment.yml asks conda for ['pip', 'python >=3.10'] instead of ['pip', 'python >=3.11,<3.15']",
        "environment.yml has pip install ['-c constraints.txt', '-e .[dev]'], "
        "make has ['-c', 'constraints.txt', '-e', '.[dev,beyond]']",
        "environment.yml names the address of a channel: ['https://example.org/channel']",
    ]


def test_arguments_are_read_from_commands_as_they_stand():
    """The comparison with make sees another file, extra, option or folder; comfort and quotes make no difference."""
    quiet = "\t$(BIN)/python -m pip install --quiet -c constraints.txt --no-build-isolation -e '.[dev,beyond]'"
    other = 'python -m pip install torch\n.venv\\Scripts\\python -m pip install -c other.txt -e ".[dev]"'

    assert pip_arguments(quiet) == ["-c", "constraints.txt", "-e", ".[dev,beyond]"]
    assert pip_arguments(other) == ["-c", "other.txt", "-e", ".[dev]"]


# ---- the workflow


def check_schema(path):
    """Compare a workflow with the schema that check-jsonschema ships; return the exit status and what it printed."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def problems_of_workflow(content):
    """Return a sentence for each habit that a workflow lacks: least permissions, a time limit, no credentials kept."""
    told = []
    if content.get("permissions") != {"contents": "read"}:
        told.append("permissions are not contents: read alone")
    if not content.get("concurrency", {}).get("cancel-in-progress"):
        told.append("an outdated run is not cancelled")
    for name, job in content["jobs"].items():
        if "permissions" in job:
            told.append(f"{name}: asks for permissions of its own")
        if not 0 < job.get("timeout-minutes", 0) <= 60:
            told.append(f"{name}: has no time limit")
        for step in job["steps"]:
            options = step.get("with", {})
            if step.get("uses", "").startswith("actions/checkout") and options.get("persist-credentials") is not False:
                told.append(f"{name}: leaves credentials in the clone")
            if step.get("uses", "").startswith("actions/setup-python") and options.get("cache") != "pip":
                told.append(f"{name}: downloads everything each time")
    return told


def commands(job):
    """Return the commands of a job, one line each."""
    return "\n".join(step["run"] for step in job["steps"] if "run" in step)


def test_workflow_fits_the_schema():
    """GitHub would accept the workflow."""
    assert check_schema(WORKFLOW) == (0, "ok -- validation done\n")


def test_check_schema_refuses_a_broken_workflow(tmp_path):
    """A job without a machine is refused."""
    broken = workflow()
    del broken["jobs"]["make"]["runs-on"]
    (tmp_path / "ci.yml").write_text(yaml.safe_dump(broken), encoding="utf-8")

    status, said = check_schema(tmp_path / "ci.yml")

    assert status == 1
    assert "$.jobs.make" in said


def test_workflow_keeps_good_habits():
    """Least permissions, one run at a time, time limits, a cache, no credentials kept."""
    assert problems_of_workflow(workflow()) == []


def test_problems_of_workflow_sees_each_bad_habit():
    """Each habit that is missing is named."""
    steps = [{"uses": "actions/checkout@v6"}, {"uses": "actions/setup-python@v6", "with": {"cache": "poetry"}}]
    content = {
        "permissions": "write-all",
        "jobs": {"a": {"permissions": {"contents": "write"}, "steps": steps, "timeout-minutes": 360}},
    }

    assert problems_of_workflow(content) == [
        "permissions are not contents: read alone",
        "an outdated run is not cancelled",
        "a: asks for permissions of its own",
        "a: has no time limit",
        "a: leaves credentials in the clone",
        "a: downloads everything each time",
    ]


def test_workflow_tries_the_oldest_and_a_newer_python_on_three_systems():
    """Linux, macOS and Windows, each with the oldest Python of pyproject.toml and with a newer one."""
    jobs = workflow()["jobs"]
    systems = [*jobs["make"]["strategy"]["matrix"]["os"], jobs["pip"]["runs-on"]]

    assert systems == ["ubuntu-latest", "macos-latest", "windows-latest"]
    for oldest, newest in pythons(workflow()).values():
        assert oldest == PROJECT["requires-python"].removeprefix(">=")
        assert Version(oldest) < Version(newest)


def test_workflow_runs_make_where_there_is_make():
    """On Linux and macOS the workflow runs what README tells everyone to run."""
    assert commands(workflow()["jobs"]["make"]) == "make test"


def test_workflow_runs_the_commands_of_make_on_windows():
    """Without make the same is installed and the same is run, in words that no POSIX shell is needed for."""
    text = commands(workflow()["jobs"]["pip"])

    assert pip_arguments(text) == pip_arguments(makefile())
    assert "-m tools.suite\n" in text + "\n"
    assert "-m tools.suite --jobs $(JOBS)" in makefile()
    assert re.findall(r"-m (ruff .+|mypy)$", text, re.M) == ["ruff check", "ruff format --check", "mypy"]
    assert re.search(r"make|\bbin/|&&|\$|export|source", text) is None
