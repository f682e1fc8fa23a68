"""What identifies an applicant is nowhere in the clear: not in the database or its log, the mail queue, rooms, logs.

A canary goes through every path; then each place is searched for every piece of it, in the encodings it might be in.
"""

import base64
import json
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import quote

import pytest

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.registration.addresses import parse_address
from oshiyakusho_matrix.registration.domain import State
from oshiyakusho_matrix.registration.particulars import Employment, Form, Particulars
from oshiyakusho_matrix.registration.views import Ticket
from tests.conftest import NewDatabase
from tests.registration.desk import FORM, TARO, Desk, form_of, open_desk
from tests.support.fake_city import someone
from tests.support.mail import Mailbox

#: Nothing else happens on that day.
TERM_ENDS = date(2097, 7, 17)
CANARY = Particulars(
    name="金糸雀 さえずり",
    yomi="かなりあ さえずり",
    address="canary.saezuri@city.otaru.lg.jp",
    department="鳥籠管理課",
    employment=Employment.FIXED_TERM,
    term_ends=TERM_ENDS,
)
#: Nowhere at all.
SECRET = (
    *("金糸雀", "さえずり", "かなりあ", "canary", "saezuri", "籠の鳥の回答"),
    *("2097-07-17", "2097/7/17", "令和79年7月17日", "17 July 2097"),
)
#: In 事務局室, where the card shows it or a secretary wrote it; so it passes through the database, never the log.
IN_THE_OFFICE = ("鳥籠管理課", "籠の鳥の質問", "籠の鳥の理由")


def canary(**changed: object) -> Form:
    return replace(FORM, **{"particulars": CANARY, "mailbox": CANARY.address, **changed})  # type: ignore[arg-type]


def traces(raw: bytes, words: tuple[str, ...]) -> list[str]:
    """Return what of the words is in there, as such or in an encoding."""
    found = []
    for word in words:
        forms = {
            word.encode(),
            word.encode("utf-16-le"),
            word.encode("utf-16-be"),
            json.dumps(word)[1:-1].encode(),
            quote(word).encode(),
            # The middle of it in base64, whatever comes before: three places to begin.
            *(base64.b64encode(b"\0" * shift + word.encode())[4:-4] for shift in range(3) if len(word.encode()) > 8),
        }
        if any(form and form.lower() in raw.lower() for form in forms):
            found.append(word)
    return found


@pytest.mark.parametrize("form", ["as such", "escaped", "in base64"])
def test_a_trace_would_be_found(form: str) -> None:
    place = {
        "as such": "…金糸雀…".encode(),
        "escaped": json.dumps({"name": "金糸雀"}).encode(),
        "in base64": base64.b64encode("お名前は籠の鳥の質問です".encode()),
    }[form]
    assert traces(place, (*SECRET, *IN_THE_OFFICE))


async def every_path(desk: Desk) -> None:
    """Take the canary through all that can happen to an application."""
    ticket = await desk.file(canary())
    await desk.prove(ticket, "00000000")
    await desk.prove(ticket, desk.code(canary()))
    chat = await desk.chat(TARO)
    await desk.city.ask((await desk.status(ticket)).claim or "", sender=TARO, room=chat)
    await desk.city.ask(f"!application show {ticket.reference}")
    await desk.city.ask("!application list")
    await desk.city.ask(f"!application assign {ticket.reference}")
    await desk.react(ticket, "❓")
    await desk.reply(desk.city.said()[-1]["event_id"], "籠の鳥の質問")
    await desk.do("answer", ticket, "籠の鳥の回答")
    await desk.react(ticket, "✅")
    assert (await desk.status(ticket)).application.state is State.ADMITTED
    await desk.city.ask(f"!member show {TARO}")
    rejected = await desk.complete(someone("q2m8t"), canary(), token="rejected")
    await desk.city.ask(f"!application reject {rejected.reference} 籠の鳥の理由")
    withdrawn = await desk.complete(someone("w5n9z"), canary(), token="withdrawn")
    await desk.do("withdraw", withdrawn)
    desk.mailbox.refuse("saezuri@city.otaru.lg.jp")
    refused = await desk.file(form_of("saezuri"), token="refused")
    await desk.do("change_address", refused, parse_address(CANARY.address))
    desk.mailbox.greylists[CANARY.address] = 1000
    await desk.file(canary(has_account=False), token="never delivered")
    with pytest.raises(Refused):
        await desk.do("withdraw", Ticket(ticket.reference, "WRONG"))
    await desk.city.confirm(f"!member remove {TARO}")


@pytest.fixture
def quiet_mail_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test's own mail server writes down whom it answers; that is not the product's log."""
    monkeypatch.setattr("aiosmtpd.smtp.log.disabled", True)


@pytest.mark.usefixtures("quiet_mail_server")
async def test_the_canary_leaves_no_trace(
    tmp_path: Path,
    new_database: NewDatabase,
    mailbox: Mailbox,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    url = new_database("sqlite")
    file = Path(url.partition("///")[2])
    async with open_desk(url, tmp_path, mailbox) as desk:
        await every_path(desk)
        rooms = json.dumps([room.timeline for room in desk.city.hs.world.rooms.values()], ensure_ascii=False)
        # While it serves: the log of the database is not written back yet.
        kept = {path.name: path.read_bytes() for path in file.parent.iterdir() if path.name.startswith(file.name)}
    assert f"{file.name}-wal" in kept
    kept |= {f"{path.name} after the end": path.read_bytes() for path in file.parent.iterdir() if path == file}
    captured = capfd.readouterr()
    logs = captured.out + captured.err + caplog.text
    assert "an application was filed" in logs
    assert {name: traces(raw, SECRET) for name, raw in kept.items()} == {name: [] for name in kept}
    assert traces(logs.encode(), (*SECRET, *IN_THE_OFFICE)) == []
    assert traces(rooms.encode(), SECRET) == []
