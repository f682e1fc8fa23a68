"""``/register``: what is asked and why, the form, and after it the page with the reference number and the secret."""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Final

from markupsafe import Markup, escape

from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.registration.domain import KEPT
from oshiyakusho_matrix.registration.forms import CONSENT, FIELDS, Choice, choose, read_form
from oshiyakusho_matrix.registration.pages.interface import MOST_SUGGESTED, Desk, Suggested, Suggestions
from oshiyakusho_matrix.registration.pages.standing import status_values
from oshiyakusho_matrix.registration.particulars import EMPLOYMENTS
from oshiyakusho_matrix.roster.organisations import Organisations
from oshiyakusho_matrix.store.unit_of_work import Store
from oshiyakusho_matrix.web.visits import Fields, Shown, Visit

FORM: Final = "registration/form.html"


class Registering:
    """``operator`` is who runs the city hall and answers for personal data, as it stands on the page."""

    def __init__(
        self, desk: Desk, *, store: Store, organisations: Organisations, suggestions: Suggestions, operator: str | None
    ) -> None:
        self._desk, self._store, self._organisations = desk, store, organisations
        self._suggestions, self._operator = suggestions, operator
        self._known = _options(organisations)
        #: What was suggested last, for when nothing may be looked up.
        self._suggested: Sequence[Suggested] = ()

    async def show(self, visit: Visit) -> Shown:
        """Show the empty form."""
        # Nothing of the address goes into the form: a link that fills it in would be somebody else's words.
        return await self._form(visit, Fields([]))

    async def receive(self, visit: Visit) -> Shown:
        """Look for the organisation, or file the form."""
        if not _is_filed(visit.fields):
            found = choose(visit.fields, self._organisations)
            return await self._form(visit, visit.fields, choice=found, searched=True)
        offered = {each.slug for each in await self._suggest(visit)}
        reading = read_form(visit.fields, self._organisations, offered, visit.language)
        if reading.form is None:
            return await self._form(visit, visit.fields, choice=reading.choice, problems=reading.problems)
        async with self._store.transaction() as tx:
            ticket = await self._desk.file(tx, reading.form, token=_once(visit))
        async with self._store.reading() as connection:
            view = await self._desk.status(connection, ticket)
        if view is None:
            raise RuntimeError("an application that was just filed is not there")
        return Shown(
            template="registration/status.html",
            values=status_values(visit, ticket, view, filed=True),
        )

    async def again(self, visit: Visit) -> Shown:
        """Show the form with what was typed."""
        return await self._form(visit, visit.fields, choice=choose(visit.fields, self._organisations))

    async def _form(
        self,
        visit: Visit,
        typed: Fields,
        *,
        choice: Choice | None = None,
        problems: Mapping[str, Text] | None = None,
        searched: bool = False,
    ) -> Shown:
        suggested = await self._suggest(visit)
        matches = choice.matches if choice else ()
        kept = {name: typed.one(name) for name in (*FIELDS, "choice")}
        if choice and choice.code and choice.code == kept["choice"]:
            # What it was chosen from is not shown again; its full name is no other's.
            kept["organisation"] = choice.name
        values = {
            "token": visit.token,
            "notice": visit.notice,
            "problems": problems or {},
            "typed": kept,
            "interests": typed.all("interests"),
            "matches": matches,
            # What was found is chosen already where it is one alone.
            "chosen": choice.code if choice and choice.code else typed.one("choice"),
            "choice": choice,
            "searched": searched,
            "known": self._known,
            "employments": [(each.value, name) for each, name in EMPLOYMENTS.items()],
            "suggested": [(each.slug, each.ja if visit.language == "ja" else each.en) for each in suggested],
            "operator": self._operator,
            "consent": CONSENT,
            "kept": {state.value: kept.days for state, kept in KEPT.items()},
        }
        return Shown(template=FORM, values=values, status=422 if problems else 200)

    async def _suggest(self, visit: Visit) -> Sequence[Suggested]:
        if not visit.held:
            self._suggested = (await self._suggestions())[:MOST_SUGGESTED]
        return self._suggested


def _options(organisations: Organisations) -> Markup:
    """Return what browsers complete while somebody types: without a script, and without asking us."""
    lines = (
        f'<option value="{escape(each.label)}" label="{escape(f"{each.kana} {each.label}")}">' for each in organisations
    )
    return Markup("\n").join(Markup(line) for line in lines)  # noqa: S704 - escaped one by one


def _is_filed(typed: Fields) -> bool:
    """Tell whether the form is to be filed.

    Enter presses the first button of a form, whatever field it is pressed in. Who has written nothing but an
    organisation is looking for it; everybody else means the form.
    """
    do = typed.one("do")
    others = (name for name in FIELDS if name != "organisation")
    return do == "file" or (do == "enter" and any(typed.one(name).strip() for name in others))


def _once(visit: Visit) -> str:
    """Return what is the same only for the same form with the same words in it.

    Sent twice, by Enter or by its button, a form is one application; sent again after going back and mending something,
    it is another one.
    """
    content = [pair for pair in visit.fields.pairs if pair[0] not in ("token", "do")]
    return sha256(json.dumps([visit.token, content]).encode()).hexdigest()
