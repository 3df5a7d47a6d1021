"""Sphinx's settings for one language of the site; ``python -m tools.site`` calls it for each."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

COURSE = os.environ["D2LCOMPUTE_SITE_LANGUAGE"]
CHINESE = COURSE == "zh"

project = "d2lcompute"
author = "The d2lcompute developers"
language = "zh_CN" if CHINESE else "en"
extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "tools.site.extension",
]
templates_path = ["_templates"]

nb_execution_mode = "off"  # the stored outputs are shown: `make test` has compared them with a fresh run
nb_merge_streams = True
myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
suppress_warnings = ["mystnb.unknown_mime_type"]

autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
autodoc_typehints_format = "short"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_custom_sections = ["Shape", "Source"]
intersphinx_mapping = {
    "torch": ("https://docs.pytorch.org/docs/stable", os.environ["D2LCOMPUTE_SITE_INVENTORY"]),
}
intersphinx_disabled_reftypes = []

html_math_renderer = "mathml"  # of tools.site.extension
html_theme = "sphinx_book_theme"
html_title = "深度学习计算" if CHINESE else "Deep learning computation"
html_static_path = ["_static", os.environ["D2LCOMPUTE_SITE_STATIC"]]
html_css_files = ["icons.css", "course.css"]
html_js_files = ["course.js", *(["search-zh.js"] if CHINESE else [])]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_last_updated_fmt = None
html_search_language = "zh" if CHINESE else "en"
html_theme_options = {
    "article_header_end": ["course-buttons.html", "article-header-buttons.html"],
    "use_download_button": False,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "show_navbar_depth": 1,
    "home_page_in_toc": False,
    "footer_content_items": [],
    "navbar_persistent": [],
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
    "search_bar_text": "搜索" if CHINESE else "Search",
}
