"""Files that other programs read: development containers, Binder, citations, the changelog."""

import json
import os
import re
import subprocess
import sys
from datetime import date

import pytest
import yaml

from tests.packaging_support import PROJECT, ROOT

CONTAINER = ROOT / ".devcontainer" / "devcontainer.json"
BINDER = ROOT / ".binder"
CITATION, CHANGELOG = ROOT / "CITATION.cff", ROOT / "CHANGELOG.md"
CONTAINER_SCHEMA = {  # the part of the containers' own schema that the file uses
    "type": "object",
    "required": ["image"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "image": {"type": "string", "pattern": "^[a-z0-9./-]+:[A-Za-z0-9._-]+$"},
        "onCreateCommand": {"type": ["string", "array", "object"]},
        "postCreateCommand": {"type": ["string", "array", "object"]},
        "hostRequirements": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "cpus": {"type": "integer", "minimum": 1},
                "memory": {"type": "string", "pattern": "^\\d+([tgmk]b)?$"},
                "storage": {"type": "string", "pattern": "^\\d+([tgmk]b)?$"},
            },
        },
        "customizations": {"type": "object", "additionalProperties": {"type": "object"}},
    },
}


def validated(path, tmp_path, schema):
    """Compare a file with a schema, one that check-jsonschema ships or one given here; return status and words."""
    if isinstance(schema, str):
        options = ["--builtin-schema", schema]
    else:
        (tmp_path / "schema.json").write_text(json.dumps(schema), encoding="utf-8")
        options = ["--schemafile", str(tmp_path / "schema.json")]
    kind = ["--default-filetype", "yaml"] if path.suffix == ".cff" else []
    command = [sys.executable, "-m", "check_jsonschema", *options, *kind, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr


def problems_of_binder(requirements, runtime, after, oldest):
    """Return a sentence for each thing that keeps Binder from installing what make installs.

    Args:
        requirements: the text of requirements.txt.
        runtime: the text of runtime.txt.
        after: the text of postBuild.
        oldest: the oldest Python that the project supports.
    """
    lines = [line for line in requirements.splitlines() if line and not line.startswith("#")]
    told = [] if "-c ../constraints.txt" in lines else ["requirements.txt does not reuse constraints.txt"]
    told += [
        f"requirements.txt has a line of its own: {line}" for line in lines if not re.match(r"-c \.\./|-e \.", line)
    ]
    version = re.fullmatch(r"python-(\d+)\.(\d+)\n", runtime)
    if version is None or tuple(map(int, version.groups())) < oldest:
        told.append(f"runtime.txt asks for {runtime.strip()!r}")
    if not after.startswith("#!") or "start" not in after:
        told.append("postBuild does not write the learner's copies")
    return told


def problems_of_changelog(text):
    """Return a sentence for each place where a changelog has not the form of Keep a Changelog."""
    told, kinds = [], {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}
    if not text.startswith("# Changelog\n"):
        told.append("it does not begin with its title")
    versions = re.findall(r"^## (.*)$", text, re.MULTILINE)
    for number, heading in enumerate(versions):
        dated = re.fullmatch(r"\[\d+\.\d+\.\d+\] - (\d{4}-\d\d-\d\d)", heading)
        if dated:
            date.fromisoformat(dated[1])
        elif number or heading != "[Unreleased]":
            told.append(f"a version without number or date: {heading}")
    told += [
        f"not a kind of change: {kind}" for kind in re.findall(r"^### (.*)$", text, re.MULTILINE) if kind not in kinds
    ]
    return told


def test_development_container_fits_the_schema(tmp_path):
    """Editors that open the folder in a container would accept the file."""
    assert validated(CONTAINER, tmp_path, CONTAINER_SCHEMA) == (0, "ok -- validation done\n")


@pytest.mark.parametrize("change", [{"image": "no tag"}, {"hostRequirements": {"cpus": "two"}}, {"imge": "a:b"}])
def test_schema_of_containers_refuses_what_is_wrong(tmp_path, change):
    """An image without a tag, a number in words and a misspelt name are refused."""
    path = tmp_path / "devcontainer.json"
    path.write_text(json.dumps(json.loads(CONTAINER.read_text(encoding="utf-8")) | change), encoding="utf-8")

    assert validated(path, tmp_path, CONTAINER_SCHEMA)[0] == 1


def test_development_container_is_set_up_by_make():
    """The container has what everybody has: make sets it up, with constraints.txt."""
    content = json.loads(CONTAINER.read_text(encoding="utf-8"))

    assert content["onCreateCommand"] == "make setup"
    assert ".venv/bin/python" in content["postCreateCommand"]


def test_binder_installs_what_make_installs():
    """Binder reuses constraints.txt, takes a Python that the project supports, and writes the learner's copies."""
    texts = [(BINDER / name).read_text(encoding="utf-8") for name in ("requirements.txt", "runtime.txt", "postBuild")]
    oldest = tuple(map(int, PROJECT["requires-python"].removeprefix(">=").split(".")))

    assert problems_of_binder(*texts, oldest) == []
    assert os.name == "nt" or (BINDER / "postBuild").stat().st_mode & 0o100


def test_problems_of_binder_sees_each():
    """Pins of its own, an old Python and a missing copy are named."""
    assert problems_of_binder("torch==2.0\n", "python-3.9\n", "true\n", (3, 11)) == [
        "requirements.txt does not reuse constraints.txt",
        "requirements.txt has a line of its own: torch==2.0",
        "runtime.txt asks for 'python-3.9'",
        "postBuild does not write the learner's copies",
    ]


def test_citation_fits_the_schema_and_the_version(tmp_path):
    """Programs that read citations would accept the file, and it cites this version."""
    assert validated(CITATION, tmp_path, "vendor.citation-file-format")[0] == 0
    assert yaml.safe_load(CITATION.read_text(encoding="utf-8"))["version"] == PROJECT["version"]


def test_citation_without_authors_is_refused(tmp_path):
    """A citation that names nobody is refused."""
    content = yaml.safe_load(CITATION.read_text(encoding="utf-8"))
    del content["authors"]
    (tmp_path / "CITATION.cff").write_text(yaml.safe_dump(content), encoding="utf-8")

    assert validated(tmp_path / "CITATION.cff", tmp_path, "vendor.citation-file-format")[0] == 1


def test_changelog_has_its_form_and_this_version():
    """The changelog is one of Keep a Changelog, and this version stands in it."""
    text = CHANGELOG.read_text(encoding="utf-8")

    assert problems_of_changelog(text) == []
    assert f"## [{PROJECT['version']}] - " in text


def test_problems_of_changelog_sees_each():
    """A missing title, a version without a date and an unknown kind of change are named."""
    assert problems_of_changelog("## [1.0]\n\n### New\n") == [
        "it does not begin with its title",
        "a version without number or date: [1.0]",
        "not a kind of change: New",
    ]
