"""Which offices somebody holds, in words: what ``!member show`` says beyond the record of a member."""

from oshiyakusho_matrix.core.clock import JST, now
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.divisions.listing import last_day
from oshiyakusho_matrix.divisions.tables import mandates, spaces
from oshiyakusho_matrix.store.unit_of_work import Transaction


async def offices(tx: Transaction, user_id: UserId, language: str) -> list[Text]:
    """Return a line for each mandate in force: of which division, since when and until when."""
    held = await mandates(tx.connection, now(), user_id=user_id)
    records = await spaces(tx.connection) if held else {}
    lines = list[Text]()
    for one in held:
        name = records[one.slug].space.name
        line = say(
            "- Head of {name} (`{slug}`) since {since}",
            name=name.ja if language == "ja" else name.en,
            slug=one.slug,
            since=f"{one.since.astimezone(JST):%Y-%m-%d}",
        )
        lines.append(
            line if one.until is None else say("{office}, until {until}", office=line, until=last_day(one.until))
        )
    return lines
