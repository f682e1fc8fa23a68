"""What people read about talks: the announcement, the notices of its course, the list, the sheet."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from oshiyakusho_matrix.broadcasts.domain import STATES, Step, Talk
from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.ids import RoomId
from oshiyakusho_matrix.core.spoken_times import WEEKDAYS
from oshiyakusho_matrix.core.text import Text, Value, say
from oshiyakusho_matrix.roster.stages import House, Stage

#: The key in the content of an announcement; its value is the number of the talk.
CONTENT_KEY: Final = "jp.oshiyakusho.talk"
#: What people put under an announcement to be reminded.
HAND: Final = "✋"


def when(starts_at: datetime, ends_at: datetime) -> Text:
    """Return when a talk is, in Japan, with the day of the week."""
    begin, end = starts_at.astimezone(JST), ends_at.astimezone(JST)
    return say(
        "{year}-{month}-{day} ({weekday}) {start}–{end}",
        year=begin.year,
        month=begin.month,
        day=begin.day,
        weekday=WEEKDAYS[begin.weekday()],
        start=f"{begin:%H:%M}",
        end=f"{end:%H:%M}",
    )


def announcement(talk: Talk, house: House) -> Text:
    """Return how a talk is announced: what is said before it, and what a preview shows."""
    return say(
        "**Talk {number}: {title}**",
        *_facts(talk, house),
        say("With ✋ under this message I remind you a day, an hour and ten minutes before."),
        number=talk.number,
        title=talk.title,
    )


def sheet(talk: Talk, house: House, *, coming: int) -> Text:
    """Return what ``!talk show`` says."""
    return say(
        "**Talk {number}: {title}** ({state})",
        *_facts(talk, house),
        say("- {coming} put their hand up", coming=coming),
        number=talk.number,
        title=talk.title,
        state=STATES[talk.state],
    )


def _facts(talk: Talk, house: House) -> list[Text]:
    stage = house.stages.get(talk.stage)
    lines = [
        say("- When: {when}", when=when(talk.starts_at, talk.ends_at)),
        say("- Where: {stage}", stage=_called(stage, talk.stage)),
        say("- Host: {host}", host=talk.host),
    ]
    if talk.guests:
        lines.append(say("- Guests: {guests}", guests="、".join(talk.guests)))
    if not talk.questions:
        lines.append(say("- No questions are taken"))
    return lines


def _called(stage: Stage | None, name: str) -> Value:
    """Return a stage's name, as a text that is the same in all languages but for the files' own translation."""
    return name if stage is None else stage.ja


def list_of(talks: Sequence[Talk], house: House) -> Text:
    """Return the talks to come, the next one first."""
    if not talks:
        return say("No talk is planned.")
    lines = (
        say(
            "- `{number}` {when} **{title}** ({stage}): {state}",
            number=each.number,
            when=when(each.starts_at, each.ends_at),
            title=each.title,
            stage=_called(house.stages.get(each.stage), each.stage),
            state=STATES[each.state],
        )
        for each in talks
    )
    return say("Talks to come:", *lines)


def taken(others: Sequence[Talk], house: House, free: Sequence[Stage]) -> Text:
    """Say why a stage is not free at a time, and where it would be possible."""
    lines = [
        say(
            "- `{number}` {title}, {when}",
            number=each.number,
            title=each.title,
            when=when(each.starts_at, each.ends_at),
        )
        for each in others
    ]
    if free:
        names = "、".join(f"{_called(each, each.name)} (--stage {each.name})" for each in free)
        lines.append(say("At that time these stages are free: {stages}", stages=names))
    else:
        lines.append(say("At that time no stage is free. Choose another time."))
    return say("The stage is taken at that time:", *lines)


#: What the audience reads in the seats when a talk takes a step.
_COURSE: Final = {
    Step.OPEN: say("The doors are open: **{title}** begins at {start}."),
    Step.START: say("**{title}** is on air. Please listen in the studio; talk and ask here."),
    Step.TAKE_QUESTIONS: say("**{title}** takes questions now."),
    Step.END: say("**{title}** is over. Thank you for listening."),
}


def course(talk: Talk, step: Step, *, late: timedelta, opened: bool) -> Text | None:
    """Return what is said when a talk takes a step; None if nothing is. ``opened``: now people may have the link."""
    text = _COURSE.get(step)
    if text is None:
        return None
    parts: list[Text] = []
    if opened and talk.live_url:
        parts.append(say("- Listen here, too: {url}", url=talk.live_url))
    if late:
        parts.append(
            say("(This comes {minutes} minutes late: I was away.)", minutes=max(1, round(late.total_seconds() / 60)))
        )
    start = f"{talk.starts_at.astimezone(JST):%H:%M}"
    return Text(text.msgid, {"title": talk.title, "start": start}, tuple(parts))


def reminder(talk: Talk, house: House) -> Text:
    """Return what those read who put their hand up."""
    return say(
        "Your talk: **{title}**, {when}, {stage}.",
        title=talk.title,
        when=when(talk.starts_at, talk.ends_at),
        stage=_called(house.stages.get(talk.stage), talk.stage),
    )


def changed(before: Talk, after: Talk, house: House) -> Text:
    """Return what is said of a talk that was announced otherwise."""
    lines = _facts(after, house)
    if (before.starts_at, before.ends_at) != (after.starts_at, after.ends_at):
        lines.insert(0, say("- Not any more: {when}", when=when(before.starts_at, before.ends_at)))
    return say("**Talk {number} was changed: {title}**", *lines, number=after.number, title=after.title)


def cancelled(talk: Talk, reason: str) -> Text:
    """Return what is said of a talk that will not be."""
    return say(
        "**Talk {number} was cancelled: {title}** ({when})",
        say("- {reason}", reason=reason),
        number=talk.number,
        title=talk.title,
        when=when(talk.starts_at, talk.ends_at),
    )


def newsrooms(talk: Talk, house: House) -> list[RoomId]:
    """Return the rooms in which a talk is announced: the hall's, and those of the divisions concerned."""
    return [house.news[slug] for slug in dict.fromkeys((house.hall, *talk.divisions)) if slug in house.news]


def done(talk: Talk) -> Text:
    """Return what whoever moved a talk on reads."""
    return say("Talk {number} “{title}” is {state}.", number=talk.number, title=talk.title, state=STATES[talk.state])
