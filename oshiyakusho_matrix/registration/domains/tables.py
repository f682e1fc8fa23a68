"""The table of domain rules that people wrote, and the mapping of its rows. Names are for ever."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Column, Row, String, Table, delete, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.registration.domains.domain import Proves, Rule, Source
from oshiyakusho_matrix.store.metadata import Moment, metadata
from oshiyakusho_matrix.store.rows import readable
from oshiyakusho_matrix.store.statements import upsert

#: ``organisation`` is a code of the shipped list, ``name`` a body that is not in it.
domain_rule = Table(
    "domain_rule",
    metadata,
    Column("domain", String(253), primary_key=True),
    Column("organisation", String(32)),
    Column("name", String(255)),
    Column("proves", String(16), nullable=False),
    Column("source", String(16), nullable=False),
    Column("note", String(500), nullable=False),
    Column("added_by", String(255), nullable=False),
    Column("added_at", Moment, nullable=False),
)


def _rule(row: Row[Any]) -> Rule:
    return Rule(
        domain=row.domain,
        proves=Proves(row.proves),
        source=Source(row.source),
        organisation=row.organisation,
        name=row.name,
        note=row.note,
        added_by=row.added_by,
        added_at=row.added_at,
    )


async def rules_among(connection: AsyncConnection, domains: Collection[str]) -> Sequence[Rule]:
    """Return the rules on some domains; one that cannot be read is none."""
    rows = await connection.execute(select(domain_rule).where(domain_rule.c.domain.in_(domains)))
    return list(readable(rows, _rule))


async def rules_like(connection: AsyncConnection, text: str, codes: Collection[str]) -> Sequence[Rule]:
    """Return the rules in which ``text`` occurs in the domain or the free name, or whose body is among ``codes``."""
    query = select(domain_rule).order_by(domain_rule.c.domain)
    if text:
        query = query.where(
            or_(
                domain_rule.c.domain.contains(text.lower(), autoescape=True),
                domain_rule.c.name.contains(text, autoescape=True),
                domain_rule.c.organisation.in_(codes),
            )
        )
    return list(readable(await connection.execute(query), _rule))


async def write_rule(connection: AsyncConnection, rule: Rule) -> None:
    """Write a rule in place of the one on the same domain, if there is one."""
    values = {column.name: getattr(rule, column.name) for column in domain_rule.columns}
    statement = upsert(connection, domain_rule).values(values)
    changed = {name: value for name, value in values.items() if name != "domain"}
    await connection.execute(statement.on_conflict_do_update(index_elements=["domain"], set_=changed))


async def remove_rule(connection: AsyncConnection, domain: str) -> bool:
    """Remove the rule on a domain; False if there is none."""
    return (await connection.execute(delete(domain_rule).where(domain_rule.c.domain == domain))).rowcount > 0
