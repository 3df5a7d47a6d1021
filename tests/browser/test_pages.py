"""Every page: its links, its requests, its weight, and what axe finds, in two windows, in light and in dark."""

import pytest

from tests.browser.looking import (
    MAX_BYTES,
    SITE,
    WINDOWS,
    broken,
    elsewhere,
    findings,
    links_and_anchors,
    pages_of,
    too_wide,
    weight,
)
from tools.browser import ARTEFACTS


def test_every_internal_link_leads_somewhere(new_page, address, count):
    """Each link of each page leads to a page, a file or an anchor that is there; nothing is asked of other hosts."""
    page, links, anchors, heavy = new_page(), {}, {}, []
    for path in pages_of(SITE):
        where = f"{address}/{path}"
        page.goto(where, wait_until="load")
        links[where], anchors[where] = links_and_anchors(page)
        if weight(page) > MAX_BYTES:
            heavy.append(f"{path}: {weight(page):,} bytes")

    told = broken(address, links, anchors, lambda whole: page.request.get(whole).status)

    internal = sum(link.startswith(address) for targets in links.values() for link in targets)
    count(pages=len(links), links=internal)
    assert told == []
    assert heavy == []
    assert elsewhere(address, page.requested) == []
    assert page.wrong == []
    assert len(links) > 60


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("window", WINDOWS)
def test_axe_finds_nothing_serious(new_page, address, count, shot, window, scheme, language):
    """No page has a serious finding of axe, or scrolls sideways; in the dark, one page of each kind is looked at."""
    page, told, wide = new_page(window, color_scheme=scheme, reduced_motion="reduce"), [], []
    paths = [path for path in pages_of(SITE) if path.startswith(language) or path == "index.html"]
    if scheme == "dark":
        kinds = ("index", "07_gpu", "exercises", "errors", "from-the-book", "api/pretend", "search", "glossary")
        paths = [path for path in paths if path.removesuffix(".html").split("/", 1)[-1] in kinds]
    for path in paths:
        page.goto(f"{address}/{path}", wait_until="load")
        if too_wide(page):
            wide.append(path)
        shot(page, f"{window}-{scheme}-{path.removesuffix('.html').replace('/', '-')}")
        page.evaluate("() => document.querySelectorAll('details').forEach((each) => { each.open = true; })")
        page.wait_for_timeout(200)  # what was folded says that it is open
        told += [f"{path}: {finding}" for finding in findings(page)]
    (ARTEFACTS / f"axe-{window}-{scheme}-{language}.txt").write_text("\n".join(told), encoding="utf-8")

    count(**{"pages seen by axe": len(paths), "axe findings": len(told)})
    assert told == []
    assert wide == []
