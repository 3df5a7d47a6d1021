"""Compile the catalogues of messages into what gettext reads, in the source tree and so in the wheel."""

from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CatalogueHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling's own parameter, which its docs leave out
    """Runs before a wheel is built, and before an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002  (hatchling's signature)
        """Write a .mo file beside each .po file."""
        for source in Path(self.root).glob("d2lcompute/locale/*/LC_MESSAGES/*.po"):
            with open(source, "rb") as catalogue, open(source.with_suffix(".mo"), "wb") as compiled:
                write_mo(compiled, read_po(catalogue))
