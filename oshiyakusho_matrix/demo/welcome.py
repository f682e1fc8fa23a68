"""What the demo prints once it stands: addresses, accounts, and a first thing to try."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table

from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.demo.cast import PLAYERS, SECRETARY, STRANGER, Passwords
from oshiyakusho_matrix.demo.home import Home
from oshiyakusho_matrix.demo.places import Places
from oshiyakusho_matrix.terminal import words


def print_welcome(home: Home, places: Places, passwords: Passwords) -> None:
    """Print it to standard output."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    console.print()
    console.print(words(say("The city hall is open.")), style="bold")
    console.print()
    console.print(Padding(_addresses(home, places), (0, 2)))
    console.print()
    console.print(words(say("Accounts")), style="bold")
    console.print(Padding(_accounts(passwords), (0, 2)))
    console.print()
    console.print(words(say("To try first")), style="bold")
    steps = (
        say(
            "Open Element (https://app.element.io) or Cinny, choose {url} as the homeserver, and log in as {user}.",
            url=home.homeserver_url,
            user=SECRETARY.user_id,
        ),
        say("Open the room {room} and write: {command}", room=places.office.name, command="！課　一覧"),
        say(
            "Let the visitor in with {command}, then log in as {user} in another browser and accept the invitation.",
            command=f"!member admit {STRANGER.user_id}",
            user=STRANGER.user_id,
        ),
    )
    for number, step in enumerate(steps, start=1):
        console.print(f"  {number}. {words(step)}")
    console.print()
    log = str(home.log)
    console.print(words(say("Ctrl-C ends it; started again it goes on where it was. The log is in {file}", file=log)))


def _addresses(home: Home, places: Places) -> Table:
    table = _table()
    table.add_row("homeserver:", home.homeserver_url)
    table.add_row(words(say("City hall:")), places.hall.alias)
    table.add_row(words(say("{name}:", name=places.favourite.name)), places.favourite.space.alias)
    table.add_row(words(say("Public pages:")), home.pages_url)
    return table


def _accounts(passwords: Passwords) -> Table:
    table = _table()
    for player in PLAYERS:
        table.add_row(words(player.part.value), player.name, player.user_id, passwords[player])
    return table


def _table() -> Table:
    # Columns as wide as what they hold: a password that is cut off or wrapped cannot be copied.
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    for _ in range(4):
        table.add_column(no_wrap=True, overflow="ignore")
    return table
