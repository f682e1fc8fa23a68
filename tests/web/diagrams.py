"""Draws the lifecycle of an application as the handbook shows it, from the table of the code.

``python -m tests.registration.diagram`` prints it for both languages.
"""

from collections.abc import Callable

from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.registration.domain import STATES, STEPS, TRANSITIONS, State


def diagram(language: str) -> str:
    """Return each state with what can happen to it, and where that leads."""
    renderer = Renderer()
    words: Callable[[Text], str] = lambda text: renderer.render(text, language).body  # noqa: E731
    lines = list[str]()
    for state in State:
        leads = [(step, after) for (before, step), after in TRANSITIONS.items() if before is state]
        lines.append(f"{words(STATES[state])} ({state.value})" + ("" if leads else " ■"))
        for number, (step, after) in enumerate(leads, 1):
            corner = "└" if number == len(leads) else "├"
            lines.append(f"  {corner}─ {words(STEPS[step])} → {words(STATES[after])}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for each in ("ja", "en"):
        print(diagram(each))
