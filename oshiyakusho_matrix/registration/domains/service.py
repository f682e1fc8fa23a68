"""Use cases of domain rules: what a domain proves, and writing down what people know about it.

The form, the page on domains and the review ask ``look``; a reviewed application ties its domain; the commands add and
remove. What somebody wrote down beats what is shipped, and both beat the rules. Who writes is noted in the row.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from importlib.resources import files

from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import fold, say
from oshiyakusho_matrix.registration.addresses import parse_domain
from oshiyakusho_matrix.registration.domains.domain import Proof, Proves, Rule, Source, Verdict, suffixes
from oshiyakusho_matrix.registration.domains.parts import part_of
from oshiyakusho_matrix.registration.domains.rules import PUPILS, Rules, belongs, told
from oshiyakusho_matrix.registration.domains.tables import remove_rule, rules_among, rules_like, write_rule
from oshiyakusho_matrix.roster.organisations import Organisations
from oshiyakusho_matrix.store.unit_of_work import Transaction


class DomainRules:
    """Judges domains. ``organisations`` is the list that rules name the bodies of."""

    def __init__(self, organisations: Organisations, *, clock: Callable[[], datetime] = now) -> None:
        self.organisations = organisations
        self._rules = Rules(organisations)
        self._clock = clock
        self.shipped = {rule.domain: rule for rule in _shipped()}

    async def look(self, connection: AsyncConnection, domain: str) -> Verdict:
        """Return what is known of a mail domain (or of that of an address); ``Refused`` if it is none."""
        domain = parse_domain(domain)
        lies_in = list(suffixes(domain))
        written = {rule.domain: rule for rule in await rules_among(connection, lies_in)}
        for rules in (written, self.shipped):
            for suffix in lies_in:
                # Below a public suffix everybody has names: what is said of it holds for itself alone.
                if suffix in rules and (suffix == domain or not self._rules.is_suffix(suffix)):
                    return self._by_rule(domain, rules[suffix])
        return self._rules.judge(domain)

    async def tie(self, tx: Transaction, domain: str, organisation: str, *, by: str, note: str = "") -> None:
        """Remember whose a domain is: the code of a body, or what one is called that is not in the list.

        It then proves no more than before. A domain that is tied already stays as it is.
        """
        found = await self.look(tx.connection, domain)
        if found.organisation is not None or found.name is not None:
            return
        known = self.organisations.get(organisation)
        await write_rule(
            tx.connection,
            Rule(
                domain=found.anchor,
                proves=Proves.GENUINE if found.genuine else Proves.REVIEW,
                source=Source.DECISION,
                organisation=known.code if known else None,
                name=None if known else organisation,
                note=note,
                added_by=by,
                added_at=self._clock(),
            ),
        )

    async def add(self, tx: Transaction, rules: Sequence[Rule], *, by: str) -> int:
        """Write rules down, in place of those on the same domains; return how many were not there before."""
        before = await self._written_on(tx.connection, [rule.domain for rule in rules])
        for rule in rules:
            await write_rule(tx.connection, replace(rule, added_by=by, added_at=self._clock()))
        return len({rule.domain for rule in rules} - before)

    def refuse_unsafe(self, domain: str, proves: Proves) -> None:
        """Raise ``Refused`` for a domain that nobody can have for their own, or that is to prove what it cannot."""
        if self._rules.is_suffix(domain) and domain.count(".") < 2:
            raise Refused(say("{domain} is no domain of a body: many have names below it.", domain=domain))
        if proves is Proves.GENUINE and self._rules.is_free(domain):
            raise Refused(say("Anybody can have a mailbox at {domain}, so it cannot prove anything.", domain=domain))

    async def remove(self, tx: Transaction, domain: str) -> None:
        """Remove what was written down about a domain; ``Refused`` if nothing was."""
        if await remove_rule(tx.connection, domain):
            return
        if domain in self.shipped:
            raise Refused(say("{domain} is in the list that I came with. Add it with other words to change that.",
                              domain=domain))  # fmt: skip
        raise Refused(say("Nothing is written down about {domain}.", domain=domain))

    async def listed(self, connection: AsyncConnection, text: str, *, shipped: bool = False) -> Sequence[Rule]:
        """Return what is written down, or shipped, in whose domain or body ``text`` occurs; all for an empty one."""
        wanted = fold(text)
        codes = {each.code for each in self.organisations if wanted in fold(each.label) or wanted == each.code}
        if shipped:
            return [rule for rule in self.shipped.values() if wanted in rule.domain or rule.organisation in codes]
        return await rules_like(connection, wanted, codes if wanted else ())

    async def _written_on(self, connection: AsyncConnection, domains: Sequence[str]) -> set[str]:
        found = set[str]()
        for start in range(0, len(domains), 1_000):
            found |= {rule.domain for rule in await rules_among(connection, domains[start : start + 1_000])}
        return found

    def _by_rule(self, domain: str, rule: Rule) -> Verdict:
        body = self.organisations.get(rule.organisation) if rule.organisation is not None else None
        name = body.label if body is not None else rule.name
        part = part_of(body, domain.removesuffix(rule.domain).split("."))
        proof = Proof.UNKNOWN if rule.proves is Proves.REVIEW or part.schools else Proof.GENUINE
        if part.schools:
            reason = told(PUPILS, domain)
        elif rule.proves is Proves.REVIEW:
            reason = say(
                "{domain} is known, but a mailbox there does not prove enough. A person will look.", domain=domain
            )
        elif body is not None:
            reason = belongs(domain, body, part.name)
        else:
            reason = say("{domain} belongs to {organisation}.", domain=domain, organisation=name or "")
        return Verdict(
            domain=domain,
            proof=proof,
            reason=reason,
            anchor=rule.domain,
            organisation=body.code if body is not None else None,
            name=name,
            part=part.name,
            listed=True,
        )


def _shipped() -> list[Rule]:
    text = files(__package__).joinpath("shipped.csv").read_text(encoding="utf-8")
    return [
        Rule(
            domain=row["domain"],
            proves=Proves(row["proves"]),
            source=Source.RULE,
            organisation=row["organisation"] or None,
            note=row["note"],
        )
        for row in csv.DictReader(text.splitlines())
    ]
