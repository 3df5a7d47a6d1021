"""Pages: what the teacher and the learners get to read. The same grades give the same bytes."""

import csv
import io
import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from .._translation import tr
from .._user_data import write_whole
from ..exercises.registry import find
from .grades import Grades, remarks
from .verdict import PASSED, STATUSES

__all__ = ["write_pages"]


def write_pages(grades: Grades, out: Path) -> list[Path]:
    """Write ``grades.csv``, ``grades.json``, ``summary.html`` and two feedback pages a learner.

    Returns:
        The files.

    Raises:
        OSError: if a file cannot be written; each is the old or the new one.
    """
    texts = {"grades.csv": _table(grades), "grades.json": _everything(grades), "summary.html": _summary(grades)}
    for learner, name in file_names(grades.verdicts).items():
        texts[f"feedback/{name}.html"] = _feedback(grades, learner, "feedback.html")
        texts[f"feedback/{name}.md"] = _feedback(grades, learner, "feedback.md")
    for name, text in texts.items():
        write_whole(out / name, text)
    return [out / name for name in texts]


def file_names(learners: Iterable[str]) -> dict[str, str]:
    """Return a file's name for each learner: letters of every script, digits, dots and hyphens, no two alike.

    Example:
        >>> file_names(dict.fromkeys(["Ada Lovelace", "../etc", "李雷"]))
        {'Ada Lovelace': 'Ada-Lovelace', '../etc': 'etc-f7f9', '李雷': '李雷'}
    """
    found: dict[str, str] = {}
    for learner in learners:
        name = re.sub(r"[^\w.-]+", "-", learner).strip("-.")[:80] or "learner"
        taken = name.casefold() in {other.casefold() for other in found.values()}
        if taken or re.sub(r"[^\w.-]+", "-", learner) != name:
            name = f"{name}-{sha256(learner.encode('utf-8', 'surrogatepass')).hexdigest()[:4]}"
        found[learner] = name
    return found


def _table(grades: Grades) -> str:
    """Return the table for a spreadsheet: a row a learner, a column an exercise, the total."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(["learner", *grades.exercises, "total", "of"])
    whole = sum(grades.points.values())
    for learner in grades.verdicts:
        earned = (grades.earned(learner, name) for name in grades.exercises)
        writer.writerow([_no_formula(learner), *map(_number, earned), _number(grades.total(learner)), _number(whole)])
    return file.getvalue()


def _no_formula(name: str) -> str:
    """Return a name that no spreadsheet takes for a formula."""
    return f"'{name}" if name[:1] in "=+-@\t\r" else name


def _number(points: float) -> str:
    return f"{points:g}"


def _everything(grades: Grades) -> str:
    """Return everything as JSON."""
    learners = {
        learner: {
            "total": grades.total(learner),
            "unreadable": grades.unreadable.get(learner, {}),
            "exercises": {
                name: {**asdict(verdict), "points": grades.earned(learner, name)} for name, verdict in each.items()
            },
        }
        for learner, each in grades.verdicts.items()
    }
    return json.dumps({"points": grades.points, "learners": learners}, indent=1, ensure_ascii=False) + "\n"


def _summary(grades: Grades) -> str:
    """Return the teacher's page: how each exercise went, and the mistakes that were made most often."""
    rows = []
    for name in grades.exercises:
        verdicts = [each[name] for each in grades.verdicts.values()]
        statuses = {status: sum(verdict.status == status for verdict in verdicts) for status in STATUSES}
        rows.append({"name": name, "task": tr(find(name).task), "statuses": statuses, "mistakes": remarks(verdicts)})
    order = sorted(grades.verdicts, key=lambda learner: (-grades.total(learner), learner))
    files = file_names(grades.verdicts)
    learners = [{"name": name, "total": _number(grades.total(name)), "file": files[name]} for name in order]
    return _filled("summary.html", rows=rows, learners=learners, whole=_number(sum(grades.points.values())))


def _feedback(grades: Grades, learner: str, template: str) -> str:
    """Return a learner's page."""
    rows = [
        {
            "name": name,
            "task": tr(find(name).task),
            "notebook": find(name).notebook,
            "status": verdict.status,
            "passed": verdict.status == PASSED,
            "message": verdict.message or tr(STATUSES[verdict.status]),
            "earned": _number(grades.earned(learner, name)),
            "points": _number(grades.points[name]),
        }
        for name, verdict in grades.verdicts[learner].items()
    ]
    whole = _number(sum(grades.points.values()))
    unreadable = grades.unreadable.get(learner, {})
    return _filled(
        template, learner=learner, rows=rows, total=_number(grades.total(learner)), whole=whole, unreadable=unreadable
    )


def _filled(template: str, **values: object) -> str:
    """Fill a template. In HTML, all that is filled in is text; in Markdown, a fence longer than its own."""
    environment = Environment(
        loader=PackageLoader("d2lcompute.grading"),
        autoescape=template.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["fenced"] = fenced
    environment.filters["inline"] = inline
    environment.globals |= {"tr": tr, "statuses": STATUSES, "passed": PASSED}
    return environment.get_template(template).render(**values)


def fenced(text: str) -> str:
    """Return a text as a listing of Markdown, whatever fences it holds itself.

    Example:
        >>> print(fenced("a ``` b"))
        ````text
        a ``` b
        ````
    """
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def inline(text: str) -> str:
    """Return a short text in which nothing is Markdown or HTML."""
    return re.sub(r"([\\`*_{}\[\]()<>#+!|&-])", r"\\\1", " ".join(text.split()))
