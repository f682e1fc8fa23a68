"""What the service says of troubles and delays, of which a disturbed day has more than another.

Told from what it says besides by its sentences, as they read in Japanese.
"""

import re

from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.outbox.render import Renderer

#: What the secretariat says about what was set aside.
RETRY = "!retry"
_REFUSED = "This could not be done: {what}. The secretariat has been told."
_SORRY = (
    "Something went wrong on my side, so nothing was done. The secretariat has been told. Reference number: {reference}"
)


def _told(*sentences: str) -> re.Pattern[str]:
    """Return how to recognise what the service says about itself, whatever the values in it."""
    render = Renderer().render
    names = re.compile(r"{(\w+)}")
    patterns = []
    for sentence in sentences:
        text = render(say(sentence, **dict.fromkeys(names.findall(sentence), "@@")), "ja").body
        patterns.append(".*".join(map(re.escape, text.split("@@"))))
    return re.compile("|".join(patterns), re.DOTALL)


#: Said of work that people wait for, when it was refused for good.
FAILED = _told(
    _REFUSED,
    _SORRY,
)
#: Said because something went wrong, or takes its time: of which a day may have any number.
NOTICES = _told(
    "I have taken this on and am working on it; the outcome follows here.",
    "It has not worked yet and is tried again by itself; the outcome follows here.",
    _REFUSED,
    "The rest has been done.",
    _SORRY,
    "I could not handle a message or change in a room and have put it aside; nothing was half "
    "done. Please give the operators the reference {reference} (kind: {kind}, cause: {reason}).",
    "Something has not worked for a while and is tried again by itself: {what}.",
    "It works again: {what}.",
    "This could not be done, and I have stopped trying: {what}.",
    "More could not be done; I will not list it all here. `!status` shows how much is waiting.",
    "I could not deliver a message to the room {room} and have put it aside: {reason} (reference number: {reference})",
    "Tried again: {count}. `!status` shows what is left.",
    "Nothing was set aside, so there is nothing to try again.",
)


def may_differ(line: str) -> bool:
    """Whether it is only about how often something was tried, said or asked again."""
    _, _, said = line.partition(" message of ")
    sender, _, text = said.partition(": ")
    if said and (text == RETRY or (sender == "BOT" and NOTICES.match(text))):
        return True
    # What was sent is looked at in the rooms.
    if line.startswith("outbox_message: ") and "| sent |" in line:
        return True
    if line.startswith("not handled: ") and "'done'" in line:
        return True
    return line.startswith("audit: ") and "retry" in line
