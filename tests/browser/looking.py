"""What is asked of a page: its links and anchors, requests to elsewhere, weight, and what axe finds."""

from pathlib import Path
from urllib.parse import urldefrag, urljoin, urlsplit

from tools.browser import ROOT

SITE = ROOT / "docs" / "_build" / "html"
WINDOWS = {"phone": {"width": 390, "height": 844}, "desktop": {"width": 1280, "height": 900}}
MAX_BYTES = 1_500_000


def pages_of(site):
    """Return the paths of all pages of a site, relative to it."""
    return sorted(path.relative_to(site).as_posix() for path in site.rglob("*.html") if "_static" not in path.parts)


def links_and_anchors(page):
    """Return the addresses that an open page links to, and its anchors."""
    links = page.eval_on_selector_all("a[href]", "all => all.map(each => each.href)")
    anchors = page.eval_on_selector_all("[id], a[name]", "all => all.map(each => each.id || each.name)")
    return set(links), set(anchors)


def broken(base, links, anchors, fetched):
    """Return a sentence for each internal link that leads nowhere.

    Args:
        base: the site's address.
        links: the address of a page → the addresses that it links to.
        anchors: the address of a page → its anchors.
        fetched: returns the status of an address that is no page.
    """
    told, statuses = [], {}
    for page, targets in links.items():
        for target in sorted(targets):
            whole, part = urldefrag(urljoin(page, target))
            if not whole.startswith(base):
                continue
            if whole in anchors:
                if part and part not in anchors[whole]:
                    told.append(f"{page} links to {target}, where nothing has the id {part}")
                continue
            if whole not in statuses:
                statuses[whole] = fetched(whole)
            if statuses[whole] != 200:
                told.append(f"{page} links to {target}: {statuses[whole]}")
    return told


def elsewhere(base, requested):
    """Return the addresses of another host among those that a page asked for."""
    return [each for each in requested if urlsplit(each).scheme in ("http", "https") and not each.startswith(base)]


def weight(page):
    """Return how many bytes an open page and all that it loaded have."""
    return page.evaluate(
        """() => ["navigation", "resource"].flatMap((kind) => performance.getEntriesByType(kind))
             .reduce((sum, each) => sum + each.encodedBodySize, 0)"""
    )


def too_wide(page):
    """Return whether an open page is wider than its window, so that it scrolls sideways."""
    return page.evaluate("() => document.documentElement.scrollWidth > window.innerWidth")


def findings(page):
    """Return what axe finds serious or critical on an open page: a sentence for each place."""
    page.add_style_tag(content="* { transition: none !important; animation: none !important; }")
    import axe_playwright_python

    page.add_script_tag(path=str(Path(axe_playwright_python.__file__).with_name("axe.min.js")))
    found = page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{each['impact']}: {each['id']}: {node['target']}: {node['html'][:160]} {node['failureSummary'][:200]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]
