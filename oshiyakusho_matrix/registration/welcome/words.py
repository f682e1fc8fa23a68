"""What the welcome says: greeting, reminder, and answers. Names of divisions, and nothing about the member."""

from collections.abc import Sequence

from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.registration.welcome.domain import SIGNS
from oshiyakusho_matrix.roster.entrances import Entrance

#: Divisions with their numbers, from zero.
Numbered = Sequence[tuple[int, Entrance]]

#: The key in the content of a greeting; its value is the reference of the welcome.
CONTENT_KEY = "jp.oshiyakusho.welcome"


def greeting(offers: Numbered, *, language: str) -> Text:
    """Return the one message to whoever has come in."""
    begin = say(
        "To begin, enter a division 課 that interests you. A tap on a name below joins it. Or tap a number under this "
        "message, or write the number or the name of any division here: then I invite you, and you accept the "
        "invitation in your client."
    )
    return say(
        "**Welcome to the city hall!**",
        *((begin, *_offered(offers, language)) if offers else ()),
        say(
            "A division has several rooms: join those that you want. `!division list` shows all divisions, `!help` "
            "what else I can do. In this chat you may leave out the `!`."
        ),
        say("If you have joined no division in two days, I remind you, once. Write `stop` if you do not want that."),
    )


def reminder(offers: Numbered, *, language: str) -> Text:
    """Return what is said two days later to whoever has joined no division."""
    return say(
        "You have not joined a division yet. How about one of these? A tap on a name joins it; if you write the number "
        "or the name here, I invite you.",
        *_offered(offers, language),
        say("`!division list` shows all divisions. I will not remind you again."),
    )


def _offered(offers: Numbered, language: str) -> list[Text]:
    return [
        say(
            "{sign} Your prefecture's circle: [{name}](https://matrix.to/#/{alias})"
            if each.circle
            else "{sign} [{name}](https://matrix.to/#/{alias})",
            sign=SIGNS[number],
            name=each.called(language),
            alias=each.alias,
        )
        for number, each in offers
    ]


def invited(entrance: Entrance) -> Text:
    """Say that the invitation is there."""
    return say(
        "You are invited. Accept the invitation in your client, and you are inside. If none shows, this link joins it, "
        "too: [{alias}](https://matrix.to/#/{alias})",
        alias=entrance.alias,
    )


def not_invited(entrance: Entrance) -> Text:
    """Say that an invitation was refused: by the account, or by its homeserver."""
    return say(
        "Your account takes no invitation from me. This link joins it all the same: "
        "[{alias}](https://matrix.to/#/{alias})",
        alias=entrance.alias,
    )


INSIDE = say("You are inside already.")
CLOSED = say("This division cannot be entered now. `!division list` shows those that can.")
OUTSIDE = say("You are outside the city hall now. Knock at its entrance 玄関, and you are let in again.")
STOPPED = say("I will not remind you.")
