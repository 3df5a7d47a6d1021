"""The learner's copy in JupyterLab: it runs, exercises answer in the copy's language, and an update keeps answers."""

import json

import pytest

from tools.laboratory import answer, lab, open_notebook, run_all, save, start_copy

WRONG = """class ParallelBlock(nn.Module):
    def __init__(self, net1, net2):
        super().__init__()
        self.net1, self.net2 = net1, net2

    def forward(self, X):
        return self.net1(X) + self.net2(X)
"""
RIGHT = WRONG.replace("self.net1(X) + self.net2(X)", "torch.cat((self.net1(X), self.net2(X)), dim=-1)")
SAID = {
    "en": ("The outputs are added up", "parallel_block"),
    "zh": ("加", "parallel_block"),
}


@pytest.mark.parametrize("language", ["en", "zh"])
def test_learner_runs_answers_and_keeps_the_answer(new_page, tmp_path, shot, count, language):
    """A fresh copy's 01 and 07 run; a wrong answer is told what is wrong, a right one passes; start keeps it."""
    folder, home = tmp_path / "course", tmp_path / "home"
    home.mkdir()
    start_copy(folder, home, language)
    with lab(folder, home) as (address, token):
        page = new_page()
        open_notebook(page, address, token, "07_gpu")
        assert run_all(page) == []
        shot(page, f"lab-07-{language}")

        page = new_page()
        open_notebook(page, address, token, "01_blocks")
        assert run_all(page) == []
        wrong = answer(page, "parallel_block", WRONG)
        shot(page, f"lab-wrong-{language}")
        right = answer(page, "parallel_block", RIGHT)
        shot(page, f"lab-right-{language}")
        save(page)

    assert "✗" in wrong
    assert SAID[language][0] in wrong
    assert "✓" in right
    assert "✗" not in right
    assert any("\u4e00" <= letter <= "\u9fff" for letter in wrong) == (language == "zh")
    assert any("\u4e00" <= letter <= "\u9fff" for letter in right) == (language == "zh")
    start_copy(folder, home, language)
    cells = json.loads((folder / "01_blocks.ipynb").read_bytes())["cells"]
    (stub,) = [cell for cell in cells if cell["id"] == "exercise-parallel-block-stub"]
    assert "".join(stub["source"]).strip() == RIGHT.strip()
    count(**{"notebooks run in Lab": 2, "verdicts": 2})


def test_run_all_sees_a_cell_that_fails(new_page, tmp_path):
    """A copy whose cell was broken is noticed."""
    folder, home = tmp_path / "course", tmp_path / "home"
    home.mkdir()
    start_copy(folder, home, "en")
    path = folder / "01_blocks.ipynb"
    notebook = json.loads(path.read_text(encoding="utf-8"))
    (cell,) = [cell for cell in notebook["cells"] if cell["id"] == "sequential-check"]
    cell["source"] = "assert False, 'broken on purpose'"
    path.write_text(json.dumps(notebook), encoding="utf-8")
    with lab(folder, home) as (address, token):
        page = new_page()
        open_notebook(page, address, token, "01_blocks")
        told = run_all(page)

    assert told == ["sequential-check: AssertionError: broken on purpose"]
