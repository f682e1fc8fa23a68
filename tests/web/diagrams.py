"""Draws lifecycles as the handbook shows them, from the tables of the code.

``python -m tests.web.diagrams`` prints them for both languages.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from oshiyakusho_matrix.broadcasts import domain as talks
from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.outbox.render import Renderer
from oshiyakusho_matrix.registration import domain as applications


@dataclass(frozen=True)
class Lifecycle:
    """A lifecycle's table, and the words for its states and steps."""

    states: Mapping[Any, Text]
    steps: Mapping[Any, Text]
    transitions: Mapping[tuple[Any, Any], StrEnum]


#: By their mark in the handbook.
LIFECYCLES = MappingProxyType(
    {
        "application": Lifecycle(applications.STATES, applications.STEPS, applications.TRANSITIONS),
        "talk": Lifecycle(talks.STATES, talks.STEPS, talks.TRANSITIONS),
    }
)


def diagram(name: str, language: str) -> str:
    """Return each state with what can happen to it, and where that leads."""
    renderer, lifecycle = Renderer(), LIFECYCLES[name]

    def words(text: Text) -> str:
        return renderer.render(text, language).body

    lines = list[str]()
    for state, called in lifecycle.states.items():
        leads = [(step, after) for (before, step), after in lifecycle.transitions.items() if before is state]
        lines.append(f"{words(called)} ({state.value})" + ("" if leads else " ■"))
        for number, (step, after) in enumerate(leads, 1):
            corner = "└" if number == len(leads) else "├"
            lines.append(f"  {corner}─ {words(lifecycle.steps[step])} → {words(lifecycle.states[after])}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    for each in ("ja", "en"):
        for one in LIFECYCLES:
            print(diagram(one, each))
