"""What looks at pages is shown wrong ones, and sees what is wrong."""

import pytest

from tests.browser.looking import broken, elsewhere, findings, links_and_anchors, too_wide, weight


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ('<img src="data:,">', "image-alt"),
        ('<button style="color:#999;background:#fff">read me</button>', "color-contrast"),
        ("<button></button>", "button-name"),
    ],
)
def test_findings_sees_what_keeps_people_out(new_page, body, rule):
    """A picture without words, letters of little contrast, and a button without a name are found."""
    page = new_page()
    page.set_content(f"<html lang=en><title>t</title><main><h1>t</h1>{body}</main></html>")

    assert any(rule in finding for finding in findings(page))


def test_broken_sees_a_missing_page_and_a_missing_anchor(new_page):
    """A link to a page, to an anchor and to a file that are not there: each is named; other sites are left alone."""
    page = new_page()
    page.set_content('<a href="http://a/x.html#no">1</a><a href="http://a/none.zip">2</a><a href="http://b/">3</a>')
    links, anchors = links_and_anchors(page)

    told = broken("http://a/", {"http://a/x.html": links}, {"http://a/x.html": anchors | {"yes"}}, lambda _: 404)

    assert told == [
        "http://a/x.html links to http://a/none.zip: 404",
        "http://a/x.html links to http://a/x.html#no, where nothing has the id no",
    ]


def test_elsewhere_sees_a_request_to_another_host(new_page, address):
    """A page that asks another host for a font is noticed, whether it gets it or not."""
    page = new_page()
    page.goto(f"{address}/index.html")
    page.evaluate("() => fetch('http://127.0.0.1:9/font.woff2').catch(() => 0)")

    assert elsewhere(address, page.requested) == ["http://127.0.0.1:9/font.woff2"]


def test_weight_counts_what_a_page_loads(new_page, address):
    """The weight of a page is more than that of its HTML, since it loads styles and scripts."""
    page = new_page()
    page.goto(f"{address}/en/index.html")
    html = len(page.request.get(f"{address}/en/index.html").body())

    assert weight(page) > html + 300_000


@pytest.mark.parametrize(("width", "expected"), [("390px", False), ("391px", True)])
def test_too_wide_sees_a_page_that_scrolls_sideways(new_page, width, expected):
    """One dot more than a phone has is seen; a box that scrolls by itself is not."""
    page = new_page("phone")
    page.set_content(
        f"<style>body {{ margin: 0 }}</style><div style='width:{width}'>x</div>"
        "<div style='overflow:auto'><p style='width:900px'>y</p></div>"
    )

    assert too_wide(page) == expected
