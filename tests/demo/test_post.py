"""The demo's mail server shows what it catches, and what others wrote does nothing to the terminal."""

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.demo.post import post_office
from oshiyakusho_matrix.outbox.letter import letter
from oshiyakusho_matrix.outbox.smtp import MailServer, Security, SmtpTransport
from tests.support.mail import SENDER
from tests.support.ports import ReservedPort


async def test_it_shows_each_mail_and_no_control_characters() -> None:
    port, shown = ReservedPort(), list[str]()
    async with post_office(port.open_to_listeners(), shown.append):
        server = MailServer(host="localhost", port=port.number, sender=SENDER, security=Security.NONE)
        to, text = "hanako@city.example.lg.jp", "番号：12345678\n\u202eevil\u200e\n.\nend"
        at = now()
        message = letter(SENDER, to=to, subject="Code 12345678", text=text, message_id="x@y", at=at)
        await SmtpTransport(server).deliver(message, to)
    port.release()
    (mail,) = shown
    assert mail.splitlines()[2:] == ["  │ 番号：12345678", "  │ evil", "  │ .", "  │ end"]
    assert to in mail.splitlines()[1]
    assert "Code 12345678" in mail.splitlines()[1]
