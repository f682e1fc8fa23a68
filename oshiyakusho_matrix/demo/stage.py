"""Prints a tour as a little play: who, what they do, what they see; and holds what is seen to what must be."""

from collections.abc import Awaitable

from rich.console import Console

from oshiyakusho_matrix.core.errors import Permanent
from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.demo.cast import Player
from oshiyakusho_matrix.homeserver.interface import Forbidden
from oshiyakusho_matrix.terminal import words

#: How much of a long answer is shown.
_LINES = 12


class Stage:
    """Where the play is printed."""

    def __init__(self) -> None:
        self._console = Console(markup=False, highlight=False)

    def scene(self, title: Text) -> None:
        """Begin a scene."""
        self._console.print()
        self._console.rule(words(title), align="left")

    def does(self, who: Player, what: Text) -> None:
        """Say what somebody does."""
        self._console.print(f"\n{who.name}（{words(who.part.value)}）", style="bold")
        self._console.print(f"  {words(what)}")

    def sees(self, what: Text) -> None:
        """Say what they see."""
        self._console.print(f"    → {words(what)}")

    def reads(self, text: str) -> None:
        """Show what somebody wrote to them."""
        lines = text.splitlines()
        shown = lines if len(lines) <= _LINES else [*lines[: _LINES - 1], "…"]
        for line in shown:
            self._console.print(f"    │ {line}", style="dim")

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
