"""Works out a plan that somebody asked for by ``!rooms plan`` and says it: reading every room takes seconds."""

import asyncio
from collections.abc import Callable

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.divisions.domain import Declaration
from oshiyakusho_matrix.divisions.plan_text import branches
from oshiyakusho_matrix.divisions.planner import Planner
from oshiyakusho_matrix.reconcile.interface import Settled

#: More than this is for ``oshiyakusho-matrix rooms plan``; a chat message stays readable.
MOST_ROOMS = 40


class PlanController:
    """Serves ``plan:REFERENCE``."""

    kind = "plan"

    def __init__(self, *, planner: Planner, load: Callable[[], Declaration]) -> None:
        self._planner = planner
        self._load = load

    async def reconcile(self, name: str) -> Settled:
        """Plan, and say the plan."""
        try:
            declaration = await asyncio.to_thread(self._load)
        except Misconfigured as error:
            # Whoever asked can mend the files and ask again; nothing waits for this key meanwhile.
            return Settled(said=[say("The files cannot be used: {reason}", reason=str(error))])
        plan = await self._planner.plan(declaration)
        if plan.empty:
            return Settled(said=[say("Nothing to do: files, records and rooms agree.")])
        lines: list[Text] = []
        for title, below in list(branches(plan))[:MOST_ROOMS]:
            lines.append(say("- **{title}**", title=title))
            lines += [say("  - {line}", line=line) for line in below]
        rest = len(list(branches(plan))) - MOST_ROOMS
        if rest > 0:
            lines.append(
                say("… and {count} more. The command line shows all: `oshiyakusho-matrix rooms plan`", count=rest)
            )
        return Settled(said=lines)
