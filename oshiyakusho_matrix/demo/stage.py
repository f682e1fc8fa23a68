"""Prints a tour as a little play: who, what they do, what they see; and holds what is seen to what must be."""

import textwrap
from collections.abc import Awaitable

from rich.cells import cell_len, chop_cells
from rich.console import Console

from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.demo.cast import Player
from oshiyakusho_matrix.homeserver.interface import Forbidden
from oshiyakusho_matrix.operations.terminal import words

#: How much of a long answer is shown.
_LINES = 12


class Stage:
    """Where the play is printed: standard output."""

    def __init__(self) -> None:
        self._console = Console(markup=False, highlight=False)
        self._on_stage: Player | None = None

    def scene(self, title: Text) -> None:
        """Begin a scene."""
        self._on_stage = None
        self._console.print()
        self._console.rule(words(title), align="left")

    def does(self, who: Player, what: Text) -> None:
        """Say what somebody does."""
        if who is not self._on_stage:
            self._console.print(f"\n{who.name}", style="bold")
        self._on_stage = who
        self._print(words(what), "  ")

    def sees(self, what: Text) -> None:
        """Say what they see."""
        self._print(words(what), "    → ")

    def reads(self, text: str) -> None:
        """Show what somebody wrote, as it stands there."""
        lines = [line for line in text.replace("**", "").splitlines() if line.strip()]
        for line in lines if len(lines) <= _LINES else [*lines[: _LINES - 1], "…"]:
            self._print(line, "    │ ", again="    │ ")

    def _print(self, text: str, first: str, *, again: str = "") -> None:
        """Print with a margin. Japanese has no spaces to break at, so lines end wherever they are full."""
        width = max(self._console.width - cell_len(first), 20)
        margin, rest = first, again or " " * cell_len(first)
        if cell_len(text) > width and not text.isascii():
            for part in chop_cells(text, width):
                self._console.print(margin + part, soft_wrap=True)
                margin = rest
            return
        for part in textwrap.wrap(text, width) or [""]:
            self._console.print(margin + part, soft_wrap=True)
            margin = rest

    async def refused(self, action: Awaitable[object], what: Text, *, otherwise: str) -> None:
        """See the homeserver refuse an action; ``Permanent`` with ``otherwise`` if it lets it happen."""
        try:
            await action
        except Forbidden:
            self.sees(what)
            return
        must(False, otherwise)


def must(holds: bool, otherwise: str) -> None:
    """Raise ``Permanent`` unless something is as it must be. ``otherwise`` says what is wrong instead."""
    if not holds:
        raise Permanent(f"The tour did not go as it must: {otherwise}.")
