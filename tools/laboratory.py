"""Laboratory: JupyterLab on a learner's copy, started on loopback with a token, and driven as a learner does."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

__all__ = ["answer", "environment", "lab", "open_notebook", "run_all", "save", "start_copy"]

SETTINGS = '{"@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": false}}'
LAB = (
    "--no-browser",
    "--ip=127.0.0.1",
    "--ServerApp.allow_root=True",
    "--LabApp.expose_app_in_browser=True",  # the page is asked for its kernel
)
PANEL = "window.jupyterapp.shell.currentWidget"


def environment(home: Path) -> dict[str, str]:
    """Return an environment whose user folders are all inside ``home``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("D2LCOMPUTE_LANG", "JUPYTER"))}
    own = {"HOME": home, "JUPYTER_CONFIG_DIR": home / "config", "JUPYTER_DATA_DIR": home / "data"}
    own |= {"JUPYTER_RUNTIME_DIR": home / "runtime", "D2LCOMPUTE_DATA": home / "progress"}
    return (
        kept | {name: str(value) for name, value in own.items()} | {"D2LCOMPUTE_DEVICE": "cpu", "OMP_NUM_THREADS": "1"}
    )


def start_copy(folder: Path, home: Path, language: str) -> str:
    """Write the learner's copy, or bring it up to date, as ``d2lcompute start`` does."""
    command = [sys.executable, "-m", "d2lcompute", "start", str(folder), "--lang", language, "--no-lab"]
    return subprocess.run(command, env=environment(home), check=True, capture_output=True, text=True).stdout


@contextmanager
def lab(folder: Path, home: Path) -> Iterator[tuple[str, str]]:
    """Run JupyterLab on a folder; give its address and its token; stop the very process that was started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    overrides = home / "config" / "labconfig"
    overrides.mkdir(parents=True, exist_ok=True)
    (overrides / "default_setting_overrides.json").write_text(SETTINGS, encoding="utf-8")
    command = [sys.executable, "-m", "jupyterlab", *LAB, f"--port={port}", f"--IdentityProvider.token={token}"]
    log = (home / "lab.log").open("w", encoding="utf-8")
    server = subprocess.Popen(command, cwd=folder, env=environment(home), stdout=log, stderr=log)
    try:
        _wait(f"http://127.0.0.1:{port}/api/status?token={token}", server, home / "lab.log")
        yield f"http://127.0.0.1:{port}", token
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)
        log.close()


def _wait(address: str, server: "subprocess.Popen[bytes]", log: Path, seconds: int = 60) -> None:
    """Wait until a server answers.

    Raises:
        RuntimeError: if it ends or stays silent, with what it wrote.
    """
    for _ in range(seconds * 2):
        try:
            with urlopen(address, timeout=5):  # noqa: S310  # on this machine
                return
        except (URLError, OSError):
            if server.poll() is not None:
                break
            time.sleep(0.5)
    raise RuntimeError(log.read_text(encoding="utf-8")[-2000:])


def open_notebook(page: Any, address: str, token: str, name: str) -> None:
    """Open a notebook and wait for its kernel's own reply; JupyterLab says idle before the kernel is connected."""
    page.goto(f"{address}/lab/tree/{name}.ipynb?reset&token={token}")
    page.wait_for_function(f"() => {PANEL}?.context?.path === '{name}.ipynb'", timeout=120_000)
    reply = page.evaluate(
        f"""async () => {{
          const panel = {PANEL};
          await panel.revealed; await panel.context.ready; await panel.sessionContext.ready;
          return (await panel.sessionContext.session.kernel.info).status; }}"""
    )
    if reply != "ok":
        raise RuntimeError(f"{name}: the kernel answered {reply!r}")


def run_all(page: Any) -> list[str]:
    """Run all cells, and return what went wrong: each error that is not the lesson's own, with its cell."""
    failed = f"""[...{PANEL}.content.model.cells].filter((cell) => cell.type === "code"
        && !(cell.getMetadata("tags") ?? []).includes("raises-exception"))
      .flatMap((cell) => cell.outputs.toJSON().filter((output) => output.output_type === "error")
        .map((output) => `${{cell.id}}: ${{output.ename}}: ${{output.evalue}}`))"""
    page.evaluate("() => void window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_function(
        f"""() => {{
          const cells = [...{PANEL}.content.model.cells].filter((cell) => cell.type === "code");
          const ran = cells.every((cell) => cell.executionCount !== null || cell.sharedModel.getSource() === "");
          return {failed}.length || (ran && {PANEL}.sessionContext.session.kernel.status === "idle"); }}""",
        timeout=300_000,
    )
    return page.evaluate(f"() => {failed}")


def answer(page: Any, exercise: str, code: str) -> str:
    """Type an answer into an exercise's cell, run it and its check with Shift+Enter, and return the verdict."""
    prefix = f"exercise-{exercise.replace('_', '-')}"
    index = page.evaluate(
        f"""async (id) => {{
          const content = {PANEL}.content;
          const index = content.widgets.findIndex((widget) => widget.model.id === id);
          content.activeCellIndex = index; await content.scrollToItem(index, "center");
          content.widgets[index].editor.focus(); content.mode = "edit";
          return index; }}""",
        f"{prefix}-stub",
    )
    if index < 0:
        raise RuntimeError(f"the notebook has no exercise {exercise!r}")
    page.locator(".jp-Cell.jp-mod-active .cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(code)
    before = _check(page, prefix)["count"]
    page.keyboard.press("Shift+Enter")
    page.keyboard.press("Shift+Enter")
    page.wait_for_function(
        f"""([id, before]) => {{
          const cell = [...{PANEL}.content.model.cells].find((one) => one.id === id);
          return cell.executionCount !== null && cell.executionCount !== before
            && {PANEL}.sessionContext.session.kernel.status === "idle"; }}""",
        arg=[f"{prefix}-check", before],
        timeout=60_000,
    )
    return str(_check(page, prefix)["text"])


def _check(page: Any, prefix: str) -> dict[str, Any]:
    """Return how often an exercise's check has run, and what it says."""
    return page.evaluate(
        f"""(id) => {{
          const cell = [...{PANEL}.content.model.cells].find((one) => one.id === id);
          const texts = cell.outputs.toJSON().map((output) => output.data?.["text/plain"] ?? output.text ?? "");
          return {{count: cell.executionCount, text: texts.flat().join("")}}; }}""",
        f"{prefix}-check",
    )


def save(page: Any) -> None:
    """Save the notebook."""
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function(f"() => !{PANEL}.context.model.dirty")
