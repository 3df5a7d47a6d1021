"""Icons: the dozen that the theme draws, as a style sheet, in place of the script of 1.5 MB that knows two thousand."""

import re
from collections.abc import Iterable
from pathlib import Path

__all__ = ["ICONS", "lighten", "style_sheet", "write"]

ICONS = (
    "angle-left",
    "angle-right",
    "arrow-up",
    "bars",
    "chevron-down",
    "circle-half-stroke",
    "list",
    "magnifying-glass",
    "moon",
    "outdent",
    "sun",
    "xmark",
)
NO_ICONS = {"fa-solid", "fa-lg", "fa-fw", "fa-sm", "fa-2x"}
SCRIPT = Path("theme/pydata_sphinx_theme/static/scripts/fontawesome.js")

BASE = """\
/* Icons of Font Awesome Free, CC BY 4.0; the licence lies beside the theme's script, in scripts/. */
.fa-solid::before { content: ""; display: inline-block; width: 1em; height: 1em; vertical-align: -.125em;
  background: currentcolor; mask: var(--icon) center / contain no-repeat; }
.fa-fw::before { width: 1.25em; }
"""


def style_sheet(script: str, names: Iterable[str] = ICONS) -> str:
    """Return the rules that draw icons.

    Args:
        script: the theme's script of icons, in which each stands as ``name:[width,height,[…],"code","path"]``.
        names: the icons.

    Raises:
        ValueError: if the script does not have one.
    """
    rules = [BASE]
    for name in names:
        found = re.search(rf'"?(?<![\w-]){name}"?:\[(\d+),(\d+),\[[^\]]*\],"[0-9a-f]+","([^"]+)"\]', script)
        if found is None:
            raise ValueError(f"the theme has no icon {name!r}")
        width, height, path = found.groups()
        picture = f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'><path d='{path}'/></svg>"
        address = picture.replace("<", "%3C").replace(">", "%3E").replace("#", "%23")
        rules.append(f'.fa-{name} {{ --icon: url("data:image/svg+xml,{address}"); }}')
    return "\n".join(rules) + "\n"


def write(folder: Path) -> None:
    """Write the style sheet of the installed theme's icons."""
    import pydata_sphinx_theme

    script = Path(pydata_sphinx_theme.__file__).parent / SCRIPT
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "icons.css").write_text(style_sheet(script.read_text(encoding="utf-8")), encoding="utf-8")


def lighten(html: Path) -> None:
    """Empty the script of icons, once no page shows one that the style sheet does not draw.

    Raises:
        ValueError: if a page shows one.
    """
    for path in sorted(html.rglob("*.html")):
        for classes in re.findall(r'class="([^"]*\bfa-solid\b[^"]*)"', path.read_text(encoding="utf-8")):
            shown = {name for name in classes.split() if name.startswith("fa-")} - NO_ICONS
            if unknown := shown - {f"fa-{name}" for name in ICONS}:
                raise ValueError(f"{path.name} shows {sorted(unknown)}: add it to ICONS in tools/site/icons.py")
    text = "// The icons are drawn by icons.css.\n"
    (html / "_static" / "scripts" / "fontawesome.js").write_text(text, encoding="utf-8")
