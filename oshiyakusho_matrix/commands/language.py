"""``!language``: which language the bot speaks with somebody. Whoever finds out who asks reads the preference here."""

from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.reading.arguments import Positional
from oshiyakusho_matrix.commands.tables import language_preference
from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.store.statements import upsert
from oshiyakusho_matrix.store.unit_of_work import Transaction

DEFAULT: Final = "ja"


class Language(StrEnum):
    """What the bot speaks."""

    JAPANESE = "ja"
    ENGLISH = "en"


_SPELLINGS = {"日本語": "ja", "にほんご": "ja", "japanese": "ja", "英語": "en", "えいご": "en", "english": "en"}


class LanguageArguments(BaseModel):
    """The language that was chosen."""

    language: Annotated[
        Language, Positional(ja="言語", about=say("ja (日本語) or en (English)."), example="ja", spellings=_SPELLINGS)
    ]


async def preferred_language(connection: AsyncConnection, user_id: str) -> str:
    """Return the language somebody chose, ``ja`` if none."""
    query = select(language_preference.c.language).where(language_preference.c.user_id == user_id)
    return (await connection.execute(query)).scalar_one_or_none() or DEFAULT


async def prefer(tx: Transaction, user_id: str, language: str) -> None:
    """Speak a language with somebody who has not chosen one."""
    values = {"user_id": user_id, "language": language, "changed_at": now()}
    written = upsert(tx.connection, language_preference).values(values)
    await tx.connection.execute(written.on_conflict_do_nothing(index_elements=["user_id"]))


async def choose(call: Call[LanguageArguments]) -> Answer:
    """Keep the choice, and answer in that language."""
    table, chosen = language_preference, call.arguments.language.value
    values = {"language": chosen, "changed_at": now()}
    changed = await call.tx.connection.execute(
        update(table).where(table.c.user_id == call.asker.user_id).values(values)
    )
    if not changed.rowcount:
        await call.tx.connection.execute(insert(table).values(user_id=call.asker.user_id, **values))
    return Answer(say("From now on I speak English with you."), language=chosen)


LANGUAGE: Command[LanguageArguments] = Command(
    names=("language", "言語"),
    summary=say("Chooses the language in which I answer you."),
    role=Role.ANYONE,
    arguments=LanguageArguments,
    run=choose,
)
