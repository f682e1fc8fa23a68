"""What the demo prints once it stands: addresses, accounts, and a first thing to try; as the records are now."""

from collections.abc import Mapping

from rich.cells import cell_len, set_cell_size

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.demo.cast import PLAYERS, SECRETARY, STRANGER, Part, Passwords, Player
from oshiyakusho_matrix.demo.home import Home
from oshiyakusho_matrix.demo.places import Places
from oshiyakusho_matrix.operations.terminal import words
from oshiyakusho_matrix.roster.tables import find_member

Standings = Mapping[Player, Text]


async def standings(app: CityHallApp) -> Standings:
    """Return what everybody is by now: since the first start people were let in, appointed, removed."""
    async with app.store.transaction() as tx:
        picture = await app.hall.picture(tx)
        known = {player: await find_member(tx.connection, player.user_id) for player in PLAYERS}
    heads = {user for slug in picture.records for user in picture.heads(slug)}
    found = dict[Player, Text]()
    for player, member in known.items():
        if member is None:
            found[player] = Part.STRANGER.value
        elif not member.current:
            found[player] = say("Member no more")
        elif member.secretariat:
            found[player] = Part.SECRETARY.value
        else:
            found[player] = (Part.HEAD if player.user_id in heads else Part.MEMBER).value
    return found


def print_welcome(home: Home, places: Places, passwords: Passwords, standing: Standings) -> None:
    """Print it to standard output. Lines are as long as they are: a password that is wrapped cannot be copied."""
    office = places.office.name
    lines = [
        "",
        words(say("The city hall is open.")),
        "",
        *_columns(
            ("homeserver:", home.homeserver_url),
            (words(say("City hall:")), places.hall.alias),
            (words(say("{name}:", name=places.favourite.name)), places.favourite.space.alias),
            (words(say("Public pages:")), home.pages_url),
            (words(say("E-mail:")), words(say("does not leave this machine, and is shown here"))),
        ),
        "",
        words(say("Accounts")),
        "",
        *_columns(*((words(standing[p]), p.name, p.user_id, passwords[p]) for p in PLAYERS)),
        "",
        words(say("To try first")),
        "",
        *(f"  {number}. {words(step)}" for number, step in enumerate(_steps(home, office, standing), start=1)),
        "",
        words(say("Ctrl-C ends it; started again it goes on where it was. The log is in {file}", file=str(home.log))),
    ]
    print(*lines, sep="\n", flush=True)


def _steps(home: Home, office: str, standing: Standings) -> tuple[Text, ...]:
    secretary = next((p for p in PLAYERS if standing[p] is Part.SECRETARY.value), SECRETARY)
    steps = (
        say(
            "Open Element (https://app.element.io) or Cinny, choose {url} as the homeserver, and log in as {user}.",
            url=home.homeserver_url,
            user=secretary.user_id,
        ),
        say("Open the room {room} and write: ！課　一覧", room=office),
        say(
            "Let the visitor in with {command}, then log in as {user} in another browser and accept the invitation.",
            command=f"!member admit {STRANGER.user_id}",
            user=STRANGER.user_id,
        ),
    )
    apply = say(
        "Or apply like somebody new: open {page} in a browser. The code that it asks for is in the e-mail shown here.",
        page=f"{home.pages_url}/register",
    )
    return (*(steps if standing[STRANGER] is Part.STRANGER.value else steps[:-1]), apply)


def _columns(*rows: tuple[str, ...]) -> list[str]:
    """Set rows in columns; a Japanese letter is two wide."""
    widths = [max(cell_len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return ["  " + "  ".join(set_cell_size(c, w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
