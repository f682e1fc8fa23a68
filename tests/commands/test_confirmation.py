"""✅ from the same person, once, in time, by whoever still may; anything else changes nothing."""

from datetime import timedelta

from sqlalchemy import select, update

from oshiyakusho_matrix.commands.confirmation import CONTENT_KEY, LIFECYCLE, Sign, State, expire
from oshiyakusho_matrix.commands.interface import Role
from oshiyakusho_matrix.commands.tables import confirmation
from tests.commands.conftest import Counter
from tests.commands.fakes import BOT, CHAT, HANAKO, ROOM, TARO, event, flat, message, reaction
from tests.commands.sample import notes

ASK = "!会員 除名 @taro:hub.example 長い間 お休みのため"
DONE = ["removed @taro:hub.example: 長い間 お休みのため"]


async def state_of(counter: Counter) -> tuple[str, object]:
    async with counter.store.reading() as connection:
        row = (await connection.execute(select(confirmation))).one()
    return row.state, row.arguments


async def test_a_preview_says_what_will_happen_and_writes_nothing_of_its_own(counter: Counter) -> None:
    reply = await counter.preview(message(ASK), echo_as="$event50")
    assert flat(reply.text).startswith("@taro:hub.example leaves 12 rooms. Nothing has been done yet.")
    assert "within 15 minutes" in flat(reply.text)
    assert reply.extra == {CONTENT_KEY: "REF00001"}
    assert await notes(counter.store) == []


async def test_a_check_mark_runs_it_and_the_answer_goes_to_the_message_that_asked(counter: Counter) -> None:
    await counter.preview(message(ASK), echo_as="$event50")
    reply = await counter.answer(reaction("✅", "$event50", number=51))
    assert (flat(reply.text), reply.to.event_id) == ("Done.", "$event1")
    assert await notes(counter.store) == DONE
    assert await state_of(counter) == ("confirmed", {})


async def test_check_marks_of_all_clients_are_understood(counter: Counter) -> None:
    for number, key in enumerate(("✅\ufe0f", "☑", "☑\ufe0f"), start=1):
        await counter.preview(message(ASK, number=number), echo_as=f"$event{50 + number}")
        assert flat((await counter.answer(reaction(key, f"$event{50 + number}", number=90 + number))).text) == "Done."


async def test_yes_runs_it_at_once(counter: Counter) -> None:
    assert flat((await counter.answer(message(f"{ASK} --はい"))).text) == "Done."
    assert await notes(counter.store) == DONE


async def test_a_second_check_mark_runs_nothing(counter: Counter) -> None:
    await counter.preview(message(ASK), echo_as="$event50")
    await counter.hear(reaction("✅", "$event50", number=51))
    assert await counter.hear(reaction("☑", "$event50", number=52)) == []
    assert await notes(counter.store) == DONE


async def test_two_check_marks_that_were_looked_at_at_the_same_time_run_it_once(counter: Counter) -> None:
    await counter.preview(message(ASK), echo_as="$event50")
    writes = [await counter.reactions(reaction("✅", "$event50", number=n)) for n in (51, 52)]
    for write in writes:
        assert write is not None
        async with counter.store.transaction() as tx:
            await write(tx)
    assert await notes(counter.store) == DONE
    assert len(counter.outbox.replies) == 2


async def test_a_cross_leaves_it(counter: Counter) -> None:
    await counter.preview(message(ASK), echo_as="$event50")
    assert "nothing was done" in flat((await counter.answer(reaction("❌", "$event50", number=51))).text)
    assert await counter.hear(reaction("✅", "$event50", number=52)) == []
    assert await notes(counter.store) == []
    assert await state_of(counter) == ("declined", {})


async def test_no_other_reaction_is_consent(counter: Counter) -> None:
    await counter.preview(message(ASK), echo_as="$event50")
    for key in ("👍", "👍️", "✔", "OK", "✅✅", ""):
        assert await counter.hear(reaction(key, "$event50", number=51)) == []
    assert (await state_of(counter))[0] == "waiting"


async def test_the_reactions_of_others_do_nothing(counter: Counter) -> None:
    counter.askers.roles[TARO] = Role.SECRETARIAT
    await counter.preview(message(ASK), echo_as="$event50")
    for number, key in enumerate(("✅", "❌"), start=51):
        assert await counter.hear(reaction(key, "$event50", sender=TARO, number=number)) == []
    assert (await state_of(counter))[0] == "waiting"
    assert await notes(counter.store) == []


async def test_a_reaction_in_another_room_or_to_another_message_does_nothing(counter: Counter) -> None:
    await counter.preview(message(ASK), echo_as="$event50")
    assert await counter.hear(reaction("✅", "$event50", room=CHAT, number=51)) == []
    assert await counter.hear(reaction("✅", "$event1", number=52)) == []
    assert await notes(counter.store) == []


async def test_after_a_quarter_of_an_hour_it_is_too_late(counter: Counter) -> None:
    await counter.preview(message(ASK), echo_as="$event50")
    counter.clock.time += timedelta(minutes=15)
    assert "took too long" in flat((await counter.answer(reaction("✅", "$event50", number=51))).text)
    assert await notes(counter.store) == []
    assert await state_of(counter) == ("expired", {})
    async with counter.store.transaction() as tx:
        await expire(tx, counter.clock() + timedelta(days=1), clock=lambda: counter.clock() + timedelta(days=2))
        assert (await tx.connection.execute(select(confirmation))).all() == []


async def test_just_before_that_it_is_not(counter: Counter) -> None:
    await counter.preview(message(ASK), echo_as="$event50")
    counter.clock.time += timedelta(minutes=14, seconds=59)
    await counter.answer(reaction("✅", "$event50", number=51))
    assert await notes(counter.store) == DONE


async def test_who_lost_the_right_meanwhile_is_refused(counter: Counter) -> None:
    await counter.preview(message(ASK), echo_as="$event50")
    counter.askers.roles[HANAKO] = Role.MEMBER
    assert "Only the secretariat" in flat((await counter.answer(reaction("✅", "$event50", number=51))).text)
    assert await notes(counter.store) == []


async def test_arguments_that_hold_no_more_after_an_upgrade_are_not_run(counter: Counter) -> None:
    await counter.preview(message(ASK), echo_as="$event50")
    async with counter.store.transaction() as tx:
        await tx.connection.execute(update(confirmation).values(arguments={"person": "@taro:hub.example"}))
    assert "has changed" in flat((await counter.answer(reaction("✅", "$event50", number=51))).text)
    assert await notes(counter.store) == []


async def test_a_command_that_is_gone_after_an_upgrade_is_not_run(counter: Counter) -> None:
    await counter.preview(message(ASK), echo_as="$event50")
    async with counter.store.transaction() as tx:
        await tx.connection.execute(update(confirmation).values(command="member banish"))
    assert "has changed" in flat((await counter.answer(reaction("✅", "$event50", number=51))).text)


async def test_a_preview_that_is_refused_waits_for_nothing(counter: Counter) -> None:
    reply = await counter.answer(message("!会員 除名 @nobody:hub.example"))
    assert (flat(reply.text), reply.extra) == ("They are not here.", {})
    async with counter.store.reading() as connection:
        assert (await connection.execute(select(confirmation))).all() == []


async def test_only_the_bots_own_message_says_where_a_preview_stands(counter: Counter) -> None:
    await counter.answer(message(ASK))
    forged = {"msgtype": "m.notice", "body": "…", CONTENT_KEY: "REF00001"}
    await counter.hear(event(forged, sender=HANAKO, number=60))
    assert await counter.hear(reaction("✅", "$event60", number=61)) == []
    assert (await state_of(counter))[0] == "waiting"


async def test_the_bots_message_in_another_room_is_not_where_a_preview_stands(counter: Counter) -> None:
    await counter.answer(message(ASK))
    await counter.hear(event({"body": "…", CONTENT_KEY: "REF00001"}, sender=BOT, room=CHAT, number=60))
    for room in (CHAT, ROOM):
        assert await counter.hear(reaction("✅", "$event60", room=room, number=61)) == []
    # It has not taken the place of the true one either.
    await counter.hear(event({"body": "…", CONTENT_KEY: "REF00001"}, sender=BOT, number=70))
    await counter.answer(reaction("✅", "$event70", number=71))
    assert await notes(counter.store) == DONE


async def test_a_check_mark_confirms_the_preview_that_it_stands_on_and_no_other(counter: Counter) -> None:
    counter.askers.roles[TARO] = Role.SECRETARIAT
    await counter.preview(message(ASK), echo_as="$event50")
    await counter.preview(message(ASK.replace("@taro", "@jiro"), sender=TARO, number=2), echo_as="$event60")
    await counter.answer(reaction("✅", "$event60", sender=TARO, number=61))
    assert await notes(counter.store) == [DONE[0].replace("@taro", "@jiro")]
    assert await counter.hear(reaction("✅", "$event50", sender=TARO, number=62)) == []
    async with counter.store.reading() as connection:
        rows = (await connection.execute(select(confirmation).order_by(confirmation.c.id))).all()
    assert [(row.asker, row.state) for row in rows] == [(HANAKO, "waiting"), (TARO, "confirmed")]


async def test_a_repeated_echo_does_not_move_the_preview(counter: Counter) -> None:
    await counter.preview(message(ASK), echo_as="$event50")
    await counter.hear(event({"body": "…", CONTENT_KEY: "REF00001"}, sender=BOT, number=70))
    await counter.answer(reaction("✅", "$event50", number=71))
    assert await notes(counter.store) == DONE


async def test_what_nobody_answered_is_forgotten_in_the_end(counter: Counter) -> None:
    await counter.preview(message(ASK), echo_as="$event50")
    async with counter.store.transaction() as tx:
        assert await expire(tx, counter.clock() - timedelta(days=1), clock=counter.clock) == 0
    async with counter.store.transaction() as tx:
        later = counter.clock() + timedelta(hours=1)
        assert await expire(tx, counter.clock() - timedelta(days=1), clock=lambda: later) == 1
    assert await state_of(counter) == ("expired", {})


def test_nothing_follows_on_an_end() -> None:
    assert {state for state, _ in LIFECYCLE} == {State.WAITING}
    assert {sign for _, sign in LIFECYCLE} == set(Sign)
