"""``/register/domain``: "is my mail domain known?", to be asked before anything about oneself is told.

Of a whole address the part before the @ is dropped at once; nothing that is asked here is kept.
"""

from oshiyakusho_matrix.registration.addresses import parse_domain
from oshiyakusho_matrix.registration.domains import DomainRules, Proof, Verdict
from oshiyakusho_matrix.store.unit_of_work import Store
from oshiyakusho_matrix.web.visits import Shown, Visit


class KnownDomains:
    """Works while the desk is closed, too."""

    def __init__(self, rules: DomainRules, *, store: Store) -> None:
        self._rules, self._store = rules, store

    async def show(self, visit: Visit) -> Shown:
        """Ask for a domain."""
        return _page(visit, "", None)

    async def receive(self, visit: Visit) -> Shown:
        """Tell what is known of it."""
        domain = parse_domain(visit.fields.one("domain"))
        async with self._store.reading() as connection:
            return _page(visit, domain, await self._rules.look(connection, domain))

    async def again(self, visit: Visit) -> Shown:
        """Show what was typed, without the part before the @."""
        return _page(visit, visit.fields.one("domain").replace("＠", "@").rpartition("@")[2], None)


def _page(visit: Visit, domain: str, verdict: Verdict | None) -> Shown:
    values = {
        "token": visit.token,
        "notice": visit.notice,
        "domain": domain,
        "verdict": verdict,
        "genuine": verdict is not None and verdict.proof is Proof.GENUINE,
    }
    return Shown(template="registration/domain.html", values=values)
