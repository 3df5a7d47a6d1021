"""Reading: predictions and solutions that open, formulas and figures, the other language, search, downloads."""

import json

import pytest

from tests.browser.looking import SITE, WINDOWS

PREDICTION, ANSWER = "#blocks-sequential-run", "7946"
LANGUAGES = ("en", "zh")


def click_at(page, selector):
    """Click where an element is: Playwright's own click scrolls first, also to what sticks to the window's top."""
    box = page.locator(selector).bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("window", WINDOWS)
def test_prediction_stays_open_until_it_is_clicked(new_page, address, shot, window, language):
    """The answer is not to be seen; one click opens it together with its check, another closes both."""
    page = new_page(window)
    page.goto(f"{address}/{language}/01_blocks.html{PREDICTION}")
    answer = page.locator(PREDICTION).get_by_text(ANSWER)
    settled = page.locator("#blocks-sequential-check").get_by_text("by_hand").first
    assert not answer.is_visible()
    assert not settled.is_visible()

    page.locator(f"{PREDICTION} summary").click()
    page.wait_for_timeout(200)
    assert answer.is_visible()
    assert settled.is_visible()
    assert not page.locator("#blocks-sequential-check summary").is_visible()
    shot(page, f"prediction-{language}-{window}")

    page.locator(f"{PREDICTION} summary").click()
    page.wait_for_timeout(200)
    assert not answer.is_visible()
    assert not settled.is_visible()


def test_prediction_opens_by_keyboard(new_page, address):
    """Whoever uses no mouse reaches the answer with Tab and opens it with Enter."""
    page = new_page()
    page.goto(f"{address}/en/01_blocks.html")
    answer = page.locator(PREDICTION).get_by_text(ANSWER)
    page.locator("#blocks-layer-block-model").scroll_into_view_if_needed()
    page.locator("article a").first.focus()
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("() => document.activeElement.closest('#blocks-sequential-run summary') !== null"):
            break
    assert not answer.is_visible()

    page.keyboard.press("Enter")

    assert answer.is_visible()


@pytest.mark.parametrize("language", LANGUAGES)
def test_switch_unfolds_the_page_and_leaves_solutions_alone(new_page, address, language):
    """The switch at the top opens all answers, says that it did, and closes them again; hints stay closed."""
    page = new_page("phone")
    page.goto(f"{address}/{language}/01_blocks.html")
    closed = page.locator("details.hide:not([open])")
    before, switch = closed.count(), page.locator("#unfold")
    assert before > 15
    assert switch.get_attribute("aria-pressed") == "false"

    switch.click()
    assert closed.count() == 0
    assert switch.get_attribute("aria-pressed") == "true"
    assert page.locator("details.hint[open]").count() == 0

    switch.click()
    assert closed.count() == before


@pytest.mark.parametrize(("language", "word"), [("en", "Hint 1 of 3"), ("zh", "提示 1/3")])
def test_solution_opens_behind_three_hints(new_page, address, language, word):
    """Three hints open one after the other, and the solution last."""
    page = new_page()
    page.goto(f"{address}/{language}/01_blocks.html#blocks-exercise-parallel-block-check")
    hints = page.locator("#blocks-exercise-parallel-block-check ~ details.hint").first
    solution = hints.get_by_text("torch.cat((self.net1(X), self.net2(X)), dim=-1)")
    assert word in hints.inner_text()

    for level in range(4):
        assert not solution.is_visible()
        hints.locator("summary").nth(level).click()

    assert solution.is_visible()


def test_every_exercise_has_hints_in_both_languages(new_page, address, count):
    """Each exercise that a notebook poses is followed by four folded parts; Chinese hints are Chinese."""
    page, posed = new_page(), {}
    for language in LANGUAGES:
        for path in sorted((SITE / language).glob("[0-9][0-9]_*.html")):
            page.goto(f"{address}/{language}/{path.name}")
            checks = page.locator(".tag_exercise-check").count()
            assert page.locator("details.hint").count() == 4 * checks, path
            posed[language] = posed.get(language, 0) + checks
            for text in page.locator("details.hint > p").all_text_contents() if language == "zh" else ():
                assert any("\u4e00" <= letter <= "\u9fff" for letter in text), text
    count(exercises=posed["en"])
    assert posed["en"] == posed["zh"] > 60


@pytest.mark.parametrize("window", WINDOWS)
def test_language_switch_leads_to_the_same_section_and_back(new_page, address, count, window):
    """From a section of a page one gets to the same section in Chinese, and from there back."""
    page = new_page(window, reduced_motion="reduce")  # no smooth scrolling
    page.goto(f"{address}/en/05_custom_layers.html")
    target = (
        page.locator("article h2")
        .nth(3)
        .evaluate(
            "each => [each.closest('section'), ...each.closest('section').querySelectorAll('span[id]')]"
            ".map((one) => one.id).find((id) => id.startsWith('custom-layers-'))"
        )
    )
    page.evaluate("id => document.getElementById(id).scrollIntoView()", target)
    page.wait_for_timeout(300)

    click_at(page, "#other-language")
    page.wait_for_url("**/zh/05_custom_layers.html#*")
    assert page.locator("html").get_attribute("lang") == "zh-CN"
    there = page.url.partition("#")[2]
    top = page.locator(f"#{there}").evaluate("each => each.getBoundingClientRect().top")
    assert 0 <= top < 200
    page.wait_for_timeout(300)

    click_at(page, "#other-language")
    page.wait_for_url("**/en/05_custom_layers.html#*")
    assert page.url.partition("#")[2] == there == target
    count(**{"language switches": 2})


@pytest.mark.parametrize(
    ("language", "query", "expected"),
    [
        ("en", "broadcast", "00_start_here"),
        ("en", "GradScaler", "11_mixed_precision"),
        ("en", "load_checkpoint", "api/checkpoints"),
        ("en", "quantize weights", "12_quantization"),
        ("zh", "参数绑定", "02_parameters"),
        ("zh", "反向传播", "01_blocks"),
        ("zh", "混合精度训练", "11_mixed_precision"),
        ("zh", "梯度累积", "09_dynamic_graphs"),
        ("zh", "Sequential", "01_blocks"),
    ],
)
def test_search_finds_the_page(new_page, address, count, shot, language, query, expected):
    """A word of the course is found on the page that explains it, in either language, without another host."""
    page = new_page()
    page.goto(f"{address}/{language}/search.html?q={query}")
    page.wait_for_selector("#search-results ul.search li a", timeout=15_000)
    page.wait_for_timeout(500)
    found = page.eval_on_selector_all("#search-results ul.search li a", "all => all.map(each => each.href)")
    shot(page, f"search-{language}-{query.split()[0]}")

    count(searches=1)
    assert any(f"/{language}/{expected}.html" in each for each in found), found
    assert page.wrong == []


@pytest.mark.parametrize(("language", "query"), [("en", "zyzzyva"), ("zh", "烤鸭")])
def test_search_says_that_nothing_was_found(new_page, address, language, query):
    """What the course does not have is not found."""
    page = new_page()
    page.goto(f"{address}/{language}/search.html?q={query}")
    page.wait_for_function("document.querySelector('#search-results .search-summary')?.innerText")  # it has ended

    assert page.locator("#search-results ul.search li").count() == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_search_field_leads_to_results(new_page, address, language):
    """Whoever types into the field and presses Enter sees results."""
    page = new_page()
    page.goto(f"{address}/{language}/index.html")
    page.keyboard.press("Control+k")
    page.keyboard.type("Sequential")
    page.keyboard.press("Enter")

    page.wait_for_function("document.querySelector('#search-results .search-summary')?.innerText", timeout=15_000)
    found = page.eval_on_selector_all("#search-results ul.search li a", "all => all.map(each => each.href)")
    assert any(f"/{language}/01_blocks.html" in each for each in found), found


@pytest.mark.parametrize("language", LANGUAGES)
def test_formulas_are_drawn(new_page, address, count, language):
    """Formulas are MathML that the browser lays out: a fraction is higher than a line of text."""
    page = new_page()
    page.goto(f"{address}/{language}/api/initializers.html")
    heights = page.eval_on_selector_all("math", "all => all.map(each => each.getBoundingClientRect().height)")

    count(formulas=len(heights))
    assert len(heights) >= 3
    assert max(heights) > 30


def test_figures_are_there_and_say_what_they_show(new_page, address, count):
    """Each figure is loaded, wide enough to read, and has an alternative text; Chinese figures speak Chinese."""
    page, figures = new_page(), 0
    for language in LANGUAGES:
        for path in sorted((SITE / language).glob("[0-9][0-9]_*.html")):
            page.goto(f"{address}/{language}/{path.name}", wait_until="load")
            page.evaluate("() => document.querySelectorAll('details.hide').forEach((each) => { each.open = true; })")
            found = page.eval_on_selector_all(
                "article .cell_output img",
                """all => Promise.all(all.map(async (each) => {
                  each.loading = "eager"; await each.decode();
                  return [each.alt, each.naturalWidth, each.getBoundingClientRect().width]; }))""",
            )
            figures += len(found)
            assert len(found) >= 2, path
            for alt, natural, shown in found:
                assert len(alt) > 25, (path, alt)
                assert any("\u4e00" <= letter <= "\u9fff" for letter in alt) == (language == "zh"), (path, alt)
                assert natural > 100
                assert shown >= min(natural / 2, 150), (path, alt, shown)
    count(figures=figures)


def test_download_is_the_learners_copy(new_page, address):
    """The notebook that a page offers is the course's, without outputs, with the mark that an update looks for."""
    page = new_page()
    page.goto(f"{address}/zh/01_blocks.html")
    with page.expect_download() as download:
        page.locator("a[download]").click()

    notebook = json.loads(download.value.path().read_text(encoding="utf-8"))
    assert download.value.suggested_filename == "01_blocks.ipynb"
    assert notebook["metadata"]["d2lcompute"]["language"] == "zh"
    assert all(not cell.get("outputs") for cell in notebook["cells"])
    assert len(notebook["cells"]) > 80


def test_site_works_from_a_folder(new_page):
    """Opened as files, without any server, pages have their styles, figures and search; nothing is asked elsewhere."""
    page = new_page()
    page.goto((SITE / "index.html").as_uri())
    page.locator("a", has_text="中文").click()
    page.goto((SITE / "zh" / "search.html").as_uri() + "?q=参数绑定")
    page.wait_for_selector("#search-results ul.search li a", timeout=15_000)
    page.goto((SITE / "en" / "01_blocks.html").as_uri())

    assert page.locator("article img").first.evaluate("each => each.complete && each.naturalWidth > 100")
    assert all(each.startswith(("file:", "data:")) for each in page.requested)
