"""The addresses of the registration desk's pages. ``app`` calls this; ``web.pages`` serves what it returns."""

from oshiyakusho_matrix.registration.domains import DomainRules
from oshiyakusho_matrix.registration.pages.interface import Desk, Reviews, Suggestions
from oshiyakusho_matrix.registration.pages.known_domains import KnownDomains
from oshiyakusho_matrix.registration.pages.registering import Registering
from oshiyakusho_matrix.registration.pages.reviewing import Reviewing
from oshiyakusho_matrix.registration.pages.standing import Standing
from oshiyakusho_matrix.store.unit_of_work import Store
from oshiyakusho_matrix.web.visits import Page, Route, Shown, Visit

REGISTER, STATUS, DOMAIN, REVIEW = "/register", "/register/status", "/register/domain", "/review"


def registration_routes(
    desk: Desk | None,
    reviews: Reviews | None,
    *,
    store: Store,
    rules: DomainRules,
    suggestions: Suggestions,
    porch: str,
    operator: str | None = None,
) -> tuple[Route, ...]:
    """Return the pages. Without a desk they say how to come in otherwise: by knocking at ``porch``.

    ``operator`` is who runs the city hall and answers for personal data, in one line.
    """
    domains = KnownDomains(rules, store=store)
    known = Route(path=DOMAIN, show=domains.show, receive=domains.receive, again=domains.again)
    if desk is None or reviews is None:
        closed = _closed(porch)
        shut = (Route(path=path, show=closed, receive=closed, again=closed) for path in (REGISTER, STATUS, REVIEW))
        return (known, *shut)
    registering = Registering(
        desk, store=store, organisations=rules.organisations, suggestions=suggestions, operator=operator
    )
    standing, reviewing = Standing(desk, store=store), Reviewing(reviews, store=store)
    return (
        known,
        Route(path=REGISTER, show=registering.show, receive=registering.receive, again=registering.again),
        Route(path=STATUS, show=standing.show, receive=standing.receive, again=standing.again),
        Route(path=REVIEW, show=reviewing.show, receive=reviewing.receive, again=reviewing.again),
    )


def _closed(porch: str) -> Page:
    async def closed(_visit: Visit) -> Shown:
        return Shown(template="registration/closed.html", values={"porch": porch})

    return closed
