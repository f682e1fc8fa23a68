"""``!help`` and ``!language``: generated, by role, in the asker's words."""

from oshiyakusho_matrix.commands.language import preferred_language
from oshiyakusho_matrix.core.ids import UserId
from tests.commands.conftest import Counter
from tests.commands.fakes import HANAKO, TARO, flat, message

STRANGER = UserId("@stranger:town.example")


async def test_help_lists_what_the_asker_may_use(counter: Counter) -> None:
    listed = {}
    for sender in (STRANGER, TARO, HANAKO):
        parts = (await counter.answer(message("!ヘルプ", sender=sender))).text.parts[:-1]
        listed[sender] = [flat(part).split("`")[1].split(" [")[0].split(" <")[0] for part in parts]
    assert listed[STRANGER] == ["!ヘルプ", "!言語", "!発言", "!故障"]
    assert listed[TARO] == ["!ヘルプ", "!言語", "!課 一覧", "!発言", "!故障"]
    assert listed[HANAKO][-2:] == ["!故障", "!監査"]
    assert "!会員 除名" in listed[HANAKO]


async def test_help_explains_one_command_from_its_declaration(counter: Counter) -> None:
    reply = await counter.answer(message("!ヘルプ 課 新設"))
    assert flat(reply.text) == (
        "Makes. Usage: `!課 新設 <識別名> [数] --名称 … [--課長 …] [--日付 …] [--言語 …] [--大きさ …] [--静かに]` "
        "- `識別名`: The short name. - `数`: How many. - `--名称 (--name)`: The name. - `--課長 (--head)`: The heads. "
        "- `--日付 (--day)`: When. - `--言語 (--language)`: Which. - `--大きさ (--size)`: How large. "
        "- `--静かに (--quiet, --silent)`: Tell nobody. "
        "Example: `!課 新設 zaisei 3 --名称 財政課` Also: `!division create, !部署 作成`"
    )


async def test_help_in_english_uses_english_names(counter: Counter) -> None:
    counter.askers.languages[HANAKO] = "en"
    reply = await counter.answer(message("!help !会員　除名"))
    assert flat(reply.text).startswith("Removes. Usage: `!member remove <user> [--yes] [reason…]` - `user`: Who.")
    assert "--yes (--はい)" in flat(reply.text)


async def test_help_on_a_group_lists_it_and_on_nothing_known_suggests(counter: Counter) -> None:
    assert flat((await counter.answer(message("!help 会員"))).text).startswith("These commands belong together:")
    assert "Did you mean `!課 一覧" in flat((await counter.answer(message("!help 課 一覧表", number=2))).text)


async def test_help_tells_strangers_nothing_of_hidden_commands(counter: Counter) -> None:
    for hidden in ("課 新設", "存在 しない"):
        reply = await counter.answer(message(f"!help {hidden}", sender=STRANGER))
        assert flat(reply.text) == f"There is no command “{hidden.split()[0]}”. Write `!ヘルプ` for all of them."


async def test_a_language_is_chosen_kept_and_answered_in(counter: Counter) -> None:
    for chosen in ("en", "EN", "英語", "English", "えいご", "ｅｎ"):
        reply = await counter.answer(message(f"!言語 {chosen}", sender=TARO))
        assert (reply.to.language, flat(reply.text)) == ("en", "From now on I speak English with you.")
    async with counter.store.reading() as connection:
        assert await preferred_language(connection, TARO) == "en"
        assert await preferred_language(connection, HANAKO) == "ja"


async def test_a_language_can_be_chosen_again(counter: Counter) -> None:
    await counter.hear(message("!language en"))
    assert (await counter.answer(message("!language 日本語", number=2))).to.language == "ja"
    async with counter.store.reading() as connection:
        assert await preferred_language(connection, HANAKO) == "ja"


async def test_an_unknown_language_is_refused_with_the_choices(counter: Counter) -> None:
    reply = await counter.answer(message("!言語 fr"))
    assert "“fr” is no 言語. Possible: ja、en、日本語" in flat(reply.text)
