"""``/review``: the one page with an applicant's personal data, for the secretariat, behind a one-time login.

The bot hands the login out in 事務局室, to be typed or pasted: what stands in an address stays in histories and in the
logs of proxies. So GET takes the reference number alone from there.
"""

from collections.abc import Collection
from typing import Final

from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.dates import written
from oshiyakusho_matrix.core.text import visible
from oshiyakusho_matrix.registration.domain import FLAGS, STATES, Flag
from oshiyakusho_matrix.registration.pages.interface import Reviews
from oshiyakusho_matrix.registration.pages.standing import bare
from oshiyakusho_matrix.registration.particulars import EMPLOYMENTS
from oshiyakusho_matrix.store.unit_of_work import Store
from oshiyakusho_matrix.web.visits import Shown, Visit

_NAMES: Final = ("reference", "login")


class Reviewing:
    """The review page."""

    def __init__(self, reviews: Reviews, *, store: Store) -> None:
        self._reviews, self._store = reviews, store

    async def show(self, visit: Visit) -> Shown:
        """Ask for the login; the reference number is filled in from the address."""
        return _login(visit, names=("reference",))

    async def receive(self, visit: Visit) -> Shown:
        """Use the login up and show the application."""
        reference, login = (bare(visit.fields.one(name)) for name in _NAMES)
        async with self._store.transaction() as tx:
            view = await self._reviews.review(tx, reference, login)
        if view is None:
            return _login(visit, wrong=True)
        term, language = view.particulars.term_ends, visit.language
        values = {
            "view": view,
            "one": view.application,
            "who": view.particulars,
            "employment": EMPLOYMENTS[view.particulars.employment],
            "state": STATES[view.application.state],
            "flags": [FLAGS[flag] for flag in Flag if flag in view.application.flags],
            "term_ends": written(term, language) if term else "",
            "created_on": written(view.application.created_at.astimezone(JST).date(), language),
        }
        return Shown(template="registration/review.html", values=values)

    async def again(self, visit: Visit) -> Shown:
        """Show the login with what was typed."""
        return _login(visit)


def _login(visit: Visit, *, wrong: bool = False, names: Collection[str] = _NAMES) -> Shown:
    values = {
        "token": visit.token,
        "notice": visit.notice,
        "wrong": wrong,
        **{name: visible(visit.fields.one(name), limit=100) if name in names else "" for name in _NAMES},
    }
    return Shown(template="registration/review_login.html", values=values, status=422 if wrong else 200)
