"""Collects what is known about an application: its mailbox, domain, person and account. Used by ``decisions``."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Row
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.core.clock import JST, now
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.core.text import Text
from oshiyakusho_matrix.registration.addresses import parse_address
from oshiyakusho_matrix.registration.cards import references
from oshiyakusho_matrix.registration.domain import Flag
from oshiyakusho_matrix.registration.domains import DomainRules
from oshiyakusho_matrix.registration.findings import Findings, decide_flags
from oshiyakusho_matrix.registration.particulars import person_of
from oshiyakusho_matrix.registration.tables import open_particulars, others_like, read_application
from oshiyakusho_matrix.roster.tables import find_member


class Examiner:
    """Changes nothing."""

    def __init__(self, *, sealer: Sealer, rules: DomainRules) -> None:
        self._sealer, self._rules = sealer, rules

    async def flags(self, connection: AsyncConnection, row: Row[Any]) -> frozenset[Flag]:
        """Return what a reviewer should look at, as things stand now."""
        return decide_flags(row.shared, row.tagged, read_application(row), await self._find(connection, row))

    async def details(self, connection: AsyncConnection, row: Row[Any]) -> Mapping[Flag, Text]:
        """Return what else there is to say of some flags: which others there are, why the domain proves nothing."""
        others = await self.others(connection, row)
        reason = (await self._rules.look(connection, row.domain)).reason
        named = {flag: references(found) for flag, found in others.items() if found}
        return {Flag.UNKNOWN_DOMAIN: reason, Flag.SUSPICIOUS_DOMAIN: reason, **named}

    async def others(self, connection: AsyncConnection, row: Row[Any]) -> Mapping[Flag, Sequence[str]]:
        """Return others by what they are flagged for; they may have been indexed under an older key."""
        who = open_particulars(self._sealer, row)
        mailbox = parse_address(who.address).mailbox
        person = person_of(who, row.organisation or row.organisation_name)
        same, similar = await others_like(
            connection,
            row,
            mailboxes=self._sealer.indexes(mailbox, "application.mailbox"),
            people=self._sealer.indexes(person, "application.person"),
        )
        return {Flag.SECOND_ACCOUNT: same, Flag.SIMILAR_NAME: similar}

    async def _find(self, connection: AsyncConnection, row: Row[Any]) -> Findings:
        verdict = await self._rules.look(connection, row.domain)
        others = await self.others(connection, row)
        ends = open_particulars(self._sealer, row).term_ends
        known = await find_member(connection, row.account) if row.account else None
        chosen = self._rules.organisations.get(row.organisation or "")
        return Findings(
            genuine=verdict.genuine,
            suspicious=verdict.suspicious,
            tied_to=verdict.organisation,
            tied_name=verdict.name,
            candidates=verdict.candidates,
            ministry="" if chosen is None else chosen.parent,
            mailbox_known=bool(others[Flag.SECOND_ACCOUNT]),
            name_known=bool(others[Flag.SIMILAR_NAME]),
            term_over=ends is not None and ends < now().astimezone(JST).date(),
            removed_before=known is not None and not known.current,
        )
