"""What a page with a form is made of: a ``Route`` for its address, the ``Visit`` that came, and what is ``Shown``.

A capability's pages are functions from a visit to what is shown; ``dynamic`` speaks HTTP for them, ``layout`` HTML.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

from oshiyakusho_matrix.core.text import Text


class Fields:
    """What was typed into a form, or stands in a query."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._values = dict[str, list[str]]()
        for name, value in pairs:
            self._values.setdefault(name, []).append(value)

    def one(self, name: str) -> str:
        """Return a field's value, the first if it came more than once; empty if it did not come."""
        return self._values.get(name, [""])[0]

    def all(self, name: str) -> tuple[str, ...]:
        """Return all values of a field, as of a group of checkboxes."""
        return tuple(self._values.get(name, ()))

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Everything, in the order in which it came, by name."""
        return tuple((name, value) for name, values in self._values.items() for value in values)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """Somebody asks for a page, or sends its form.

    ``token`` belongs into the form that is shown: the one that came with this one, or a new one where that has to be.
    ``notice`` says why nothing was done with what was sent. If ``held``, this client has sent too much: then nothing
    may be looked up for it either, but what was typed is shown again.
    """

    language: str
    fields: Fields
    token: str
    notice: Text | None = None
    held: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A page to show: the template and its values."""

    template: str
    values: Mapping[str, object] = field(default_factory=dict)
    status: int = 200


Page = Callable[[Visit], Awaitable[Shown]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A page with a form. ``path`` is without its language.

    ``show`` answers GET and changes nothing. ``receive`` does what the form is for; it raises ``Refused`` for what the
    person can mend. ``again`` then shows the form with everything that was typed, and changes nothing.
    """

    path: str
    show: Page
    receive: Page
    again: Page
