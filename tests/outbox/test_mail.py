"""E-mail goes out over real SMTP: sealed until then, at least once, told how it ended; nothing of it shows anywhere."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from sqlalchemy import Row, make_url, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.core.errors import Permanent, Temporary
from oshiyakusho_matrix.core.sealing import Sealer, new_key
from oshiyakusho_matrix.outbox.interface import EndedMail, Mail, MailDelayed, MailEnd, MailTransport
from oshiyakusho_matrix.outbox.mail import MailOutbox, MailSender, forget_mails, in_hand_for
from oshiyakusho_matrix.outbox.smtp import Security, SmtpTransport
from oshiyakusho_matrix.outbox.tables import mail_message
from oshiyakusho_matrix.store.lanes import LEASE, MOST_FAILURES, Backlog
from oshiyakusho_matrix.store.unit_of_work import Store, Transaction
from tests.support.homeservers import Authority
from tests.support.mail import PASSWORD, SENDER, USERNAME, Mailbox, mail_server, trust

HANAKO, TARO, SAKURA = (f"{name}-canary@city.example.lg.jp" for name in ("hanako", "taro", "sakura"))
HOUR = timedelta(hours=1)


class Clock:
    """A clock that tests move on."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def __call__(self) -> datetime:
        return now() + self.ahead


class Post:
    """An outbox of e-mails with its sender on one database; ``restart`` makes the sender of the next process."""

    def __init__(self, store: Store, transport: MailTransport) -> None:
        self.store, self.transport = store, transport
        self.sealer = Sealer(new_key())
        self.clock = Clock()
        self.ends: list[tuple[str, MailEnd]] = []
        self.ended_ids: list[str] = []
        self.restart()

    def restart(self) -> None:
        self.outbox = MailOutbox(self.sealer, SENDER, now=self.clock)
        self.sender = MailSender(
            self.store, self.transport, self.outbox, self.sealer, on_end=[self.ended], now=self.clock
        )

    async def ended(self, _tx: Transaction, mail: EndedMail) -> None:
        self.ends.append((mail.reference, mail.end))
        self.ended_ids.append(mail.message_id)

    async def write(self, *to: str, subject: str = "確認番号 12345678", words: str = "確認番号：12345678") -> None:
        outbox: Mail = self.outbox
        async with self.store.transaction() as tx:
            for each in to:
                await outbox.send(
                    tx,
                    to=each,
                    subject=subject,
                    text=words,
                    reference=each[:4].upper(),
                    expires_at=self.clock() + HOUR,
                )

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.sender.run())
        await asyncio.sleep(0)
        try:
            yield
        finally:
            await self.sender.stop()
            await task
            self.restart()

    async def send_all(self) -> None:
        async with self.sending():
            await asyncio.wait_for(self.sender.idle(), 20)

    async def later(self, **ahead: float) -> None:
        """Send what is due after a while."""
        self.clock.ahead += timedelta(**ahead)
        await self.send_all()

    async def rows(self) -> list[Row[Any]]:
        async with self.store.reading() as connection:
            return list((await connection.execute(select(mail_message).order_by(mail_message.c.id))).all())


@pytest.fixture
def post(store: Store, mailbox: Mailbox) -> Post:
    return Post(store, mailbox.transport())


async def test_a_mail_arrives_as_it_was_written_and_nothing_of_it_stays(post: Post, mailbox: Mailbox) -> None:
    await post.write(HANAKO, words="一行目\n.\n..点で始まる行\n最後")
    (row,) = await post.rows()
    assert (row.state, row.reference) == ("pending", "HANA")
    await post.send_all()
    (mail,) = mailbox.received
    assert (mail.sender, mail.to, mail.subject) == (SENDER.address, HANAKO, "確認番号 12345678")
    assert mail.text == "一行目\n.\n..点で始まる行\n最後\n"
    assert mail.message["Message-ID"] == f"<{row.message_id}>"
    assert row.message_id.endswith("@cityhall.example.jp")
    (row,) = await post.rows()
    assert (row.state, row.outcome, row.sealed, row.last_error, row.attempts) == ("done", "sent", b"", None, 1)
    assert row.ended_at is not None
    assert post.ends == [("HANA", MailEnd.SENT)]
    assert await post.sender.backlog() == Backlog()


async def test_the_end_of_a_mail_is_told_by_what_was_returned_for_it(post: Post) -> None:
    async with post.store.transaction() as tx:
        ids = [
            await post.outbox.send(tx, to=to, subject="x", text="x", reference="X", expires_at=now() + HOUR)
            for to in (HANAKO, TARO)
        ]
    await post.send_all()
    assert sorted(post.ended_ids) == sorted(ids) == sorted(row.message_id for row in await post.rows())


async def test_a_line_that_is_a_dot_does_not_end_an_ascii_mail(post: Post, mailbox: Mailbox) -> None:
    await post.write(HANAKO, subject="Code", words="one\r\n.\r\nMAIL FROM:<x@y>\r\n..two\n")
    await post.send_all()
    (mail,) = mailbox.received
    assert mail.text == "one\n.\nMAIL FROM:<x@y>\n..two\n"


async def test_what_is_rolled_back_is_not_mailed(post: Post, mailbox: Mailbox) -> None:
    with pytest.raises(Permanent):
        await post.write(HANAKO, "nobody")
    await post.send_all()
    assert (mailbox.connections, await post.rows()) == (0, [])


async def test_what_would_be_two_mails_is_refused_when_it_is_written(post: Post) -> None:
    for to, subject in ((f"{HANAKO}\r\nBcc: x@y.jp", "x"), (HANAKO, "canary\r\nBcc: x@y.jp")):
        with pytest.raises(Permanent) as caught:
            await post.write(to, subject=subject)
        assert "canary" not in str(caught.value)
    assert await post.rows() == []


async def test_what_an_event_led_to_is_mailed_once_though_the_event_is_handled_again(
    post: Post, mailbox: Mailbox
) -> None:
    for _ in range(2):
        async with post.store.transaction() as tx:
            with tx.caused_by("$event"):
                await post.outbox.send(tx, to=HANAKO, subject="x", text="x", reference="X", expires_at=now() + HOUR)
        await post.send_all()
    assert len(mailbox.received) == 1


async def test_a_refused_recipient_is_told_at_once_and_not_asked_again(post: Post, mailbox: Mailbox) -> None:
    mailbox.refuse(HANAKO)
    await post.write(HANAKO, TARO)
    await post.send_all()
    assert sorted(post.ends) == [("HANA", MailEnd.REFUSED), ("TARO", MailEnd.SENT)]
    refused, _ = await post.rows()
    assert (refused.state, refused.outcome, refused.last_error, refused.sealed) == ("done", "refused", "550", b"")
    await post.later(hours=2)
    assert len(post.ends) == 2
    assert [mail.to for mail in mailbox.received] == [TARO]


async def test_a_mail_that_the_server_will_not_have_is_refused_too(post: Post, mailbox: Mailbox) -> None:
    mailbox.content = "554 5.7.1 looks like spam"
    await post.write(HANAKO)
    await post.send_all()
    assert post.ends == [("HANA", MailEnd.REFUSED)]


async def test_a_greylisting_server_is_asked_again_later_and_then_gets_the_same_mail(
    post: Post, mailbox: Mailbox
) -> None:
    mailbox.greylists[HANAKO] = 2
    await post.write(HANAKO)
    await post.send_all()
    await post.send_all()
    (row,) = await post.rows()
    assert (row.state, row.attempts, row.last_error, post.ends) == ("pending", 1, "451", [])
    assert timedelta(seconds=10) < row.due_at - now() < timedelta(seconds=20)
    assert await post.sender.backlog() == Backlog(pending=1, oldest=row.created_at)
    for _ in range(2):
        await post.later(minutes=1)
    assert len(mailbox.to(HANAKO)) == 1
    assert post.ends == [("HANA", MailEnd.SENT)]


async def test_what_cannot_be_sent_is_given_up_when_it_expires_and_not_later(post: Post, mailbox: Mailbox) -> None:
    mailbox.answers[HANAKO] = "450 4.2.1 try again"
    await post.write(HANAKO)
    await post.send_all()
    for _ in range(14):
        await post.later(minutes=4)
    assert post.ends == []
    (row,) = await post.rows()
    assert row.due_at <= row.expires_at
    post.clock.ahead = HOUR
    await post.send_all()
    assert post.ends == [("HANA", MailEnd.GIVEN_UP)]
    (row,) = await post.rows()
    assert (row.outcome, row.last_error, row.sealed) == ("given up", "450", b"")


async def test_a_server_that_is_away_is_waited_for(post: Post, mailbox: Mailbox) -> None:
    await mailbox.close()
    await post.write(HANAKO)
    await post.send_all()
    (row,) = await post.rows()
    assert (row.state, row.last_error) == ("pending", "not reachable")
    await mailbox.open(mailbox.port)
    await post.later(minutes=1)
    assert post.ends == [("HANA", MailEnd.SENT)]


async def test_one_slow_recipient_holds_nobody_back(store: Store, mailbox: Mailbox) -> None:
    post = Post(store, mailbox.transport(timeout=timedelta(seconds=100)))
    mailbox.hangs.add(HANAKO)
    async with post.sending():
        await post.write(HANAKO, TARO, SAKURA)
        await mailbox.until(2)
        assert {mail.to for mail in mailbox.received} == {TARO, SAKURA}
        await mailbox.close()


async def test_a_server_that_never_answers_is_left_after_the_time_that_is_set(store: Store, mailbox: Mailbox) -> None:
    post = Post(store, mailbox.transport(timeout=timedelta(seconds=0.3)))
    mailbox.hangs.add(HANAKO)
    await post.write(HANAKO)
    await post.send_all()
    (row,) = await post.rows()
    assert (row.state, row.last_error) == ("pending", "no answer in time")


@pytest.mark.parametrize(("when", "copies"), [("before", 1), ("after", 2)])
async def test_a_connection_that_breaks_off_makes_at_most_a_copy_with_the_same_message_id(
    post: Post, mailbox: Mailbox, when: str, copies: int
) -> None:
    mailbox.closes[HANAKO] = when  # type: ignore[assignment]
    await post.write(HANAKO)
    await post.send_all()
    assert post.ends == []
    mailbox.closes.clear()
    await post.later(minutes=1)
    assert post.ends == [("HANA", MailEnd.SENT)]
    assert len(mailbox.received) == copies
    assert len({mail.raw for mail in mailbox.received}) == 1


class Dying:
    """The process dies when the server has the mail and we have not noted it."""

    def __init__(self, transport: SmtpTransport) -> None:
        self._transport = transport
        self.sender, self.longest = transport.sender, transport.longest
        self.sent = asyncio.Event()

    async def deliver(self, message: Any, to: str) -> None:
        await self._transport.deliver(message, to)
        self.sent.set()
        await asyncio.Event().wait()


async def test_after_a_crash_between_sending_and_noting_the_same_mail_comes_once_more(
    post: Post, mailbox: Mailbox
) -> None:
    post.transport = dying = Dying(mailbox.transport())
    post.restart()
    await post.write(HANAKO)
    task = asyncio.create_task(post.sender.run())
    await asyncio.wait_for(dying.sent.wait(), 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    post.transport = mailbox.transport()
    post.restart()
    post.clock.ahead += LEASE
    await post.send_all()
    assert len(mailbox.received) == 1, "it is still in the hands of the process that died"
    if not post.store.shared:
        async with post.store.transaction() as tx:
            await post.sender.hurry(tx)
        await post.send_all()
    else:
        async with post.store.transaction() as tx:
            await post.sender.hurry(tx)
        await post.send_all()
        assert len(mailbox.received) == 1, "another process may have it in hand"
        await post.later(seconds=in_hand_for(post.transport).total_seconds())
    assert len(mailbox.received) == 2
    assert len({mail.message["Message-ID"] for mail in mailbox.received}) == 1
    assert post.ends == [("HANA", MailEnd.SENT)]


async def test_two_processes_do_not_send_a_mail_twice_however_slow_the_server_is(post: Post, mailbox: Mailbox) -> None:
    apart = MailOutbox(post.sealer, SENDER, now=post.clock)
    other = MailSender(post.store, mailbox.transport(), apart, post.sealer, on_end=[post.ended], now=post.clock)
    mailbox.hangs.add(HANAKO)
    async with post.sending():
        await post.write(HANAKO)
        await asyncio.wait_for(mailbox.asked.wait(), 20)
        assert in_hand_for(post.transport) > LEASE + timedelta(seconds=1)
        post.clock.ahead += LEASE + timedelta(seconds=1)  # its lease has run out; it has the mail in hand all the same
        task = asyncio.create_task(other.run())
        await asyncio.sleep(0)
        await asyncio.wait_for(other.idle(), 20)
        assert mailbox.connections == 1
        await other.stop()
        await task
        await mailbox.close()


async def test_nobody_reads_what_lies_there(
    post: Post, mailbox: Mailbox, engine: AsyncEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    mailbox.refuse(TARO)
    mailbox.greylists[SAKURA] = 1
    with structlog.testing.capture_logs() as logs:
        await post.write(HANAKO, TARO, SAKURA)
        traces = await everything_in(engine)
        await post.send_all()
    assert mailbox.received
    assert {line["event"] for line in logs} == {"an e-mail has ended", "an e-mail waits"}
    for name, found in {"database": traces, "later": await everything_in(engine)}.items():
        for word in (b"canary", b"12345678", "確認番号".encode()):
            assert word not in found, name
    said = caplog.text + repr(logs)
    assert not any(word in said for word in ("canary", "12345678", "確認番号", "no such user", "greylisted"))


async def everything_in(engine: AsyncEngine) -> bytes:
    url = make_url(str(engine.url))
    if url.get_backend_name() == "sqlite":
        file = Path(str(url.database))
        return b"".join(path.read_bytes() for path in file.parent.glob(f"{file.name}*"))
    async with engine.connect() as connection:
        rows = (await connection.execute(text("SELECT encode(sealed, 'escape'), * FROM mail_message"))).all()
    return repr(rows).encode()


async def test_with_the_key_gone_it_is_given_up_and_said(post: Post, mailbox: Mailbox) -> None:
    await post.write(HANAKO)
    post.sealer = Sealer(new_key())
    post.restart()
    with structlog.testing.capture_logs() as logs:
        await post.send_all()
    assert (post.ends, mailbox.connections) == ([("HANA", MailEnd.GIVEN_UP)], 0)
    assert "not among the keys" in logs[0]["reason"]


async def test_a_mail_that_was_moved_to_another_row_is_not_sent_to_the_wrong_one(post: Post, mailbox: Mailbox) -> None:
    await post.write(HANAKO, TARO)
    first, second = await post.rows()
    async with post.store.transaction() as tx:
        await tx.connection.execute(
            update(mail_message).where(mail_message.c.id == second.id).values(sealed=first.sealed)
        )
    await post.send_all()
    assert [mail.to for mail in mailbox.received] == [HANAKO]
    assert sorted(post.ends) == [("HANA", MailEnd.SENT), ("TARO", MailEnd.GIVEN_UP)]


class Broken:
    """A transport with a bug."""

    sender = SENDER
    longest = timedelta(seconds=1)

    def __init__(self) -> None:
        self.calls = 0

    async def deliver(self, _message: Any, _to: str) -> None:
        self.calls += 1
        raise KeyError("hanako-canary")


async def test_a_bug_is_tried_again_then_given_up(post: Post) -> None:
    post.transport = broken = Broken()
    post.restart()
    await post.write(HANAKO)
    with structlog.testing.capture_logs() as logs:
        for _ in range(MOST_FAILURES + 2):
            await post.later(minutes=6)
    assert broken.calls == MOST_FAILURES
    assert post.ends == [("HANA", MailEnd.GIVEN_UP)]
    assert "canary" not in repr(logs)


@pytest.mark.parametrize("error", [KeyError("x"), Permanent("x"), Temporary("x")])
async def test_who_fails_to_hear_of_the_end_does_not_have_it_sent_again_and_again(
    post: Post, mailbox: Mailbox, error: Exception
) -> None:
    calls = 0

    async def deaf(_tx: Transaction, _mail: EndedMail) -> None:
        nonlocal calls
        calls += 1
        if calls == 1 or not isinstance(error, Temporary):
            raise error

    post.ended = deaf  # type: ignore[method-assign, assignment]
    post.restart()
    await post.write(HANAKO)
    await post.send_all()
    await post.later(minutes=30)
    assert len(mailbox.received) == 1
    assert (await post.rows())[0].outcome == "sent"
    assert calls == (2 if isinstance(error, Temporary) else 1)


async def test_what_has_ended_is_forgotten_in_time(post: Post, mailbox: Mailbox) -> None:
    mailbox.refuse(HANAKO)
    mailbox.greylists[SAKURA] = 1
    await post.write(HANAKO, TARO, SAKURA)
    await post.send_all()
    async with post.store.transaction() as tx:
        assert await forget_mails(tx, now() - timedelta(days=30)) == 0
        assert await forget_mails(tx, now() + timedelta(seconds=1)) == 2
    assert [row.state for row in await post.rows()] == ["pending"]


async def test_what_nobody_sends_any_more_is_forgotten_once_it_has_long_expired(post: Post) -> None:
    await post.write(HANAKO)
    expires_at = (await post.rows())[0].expires_at
    async with post.store.transaction() as tx:
        assert await forget_mails(tx, expires_at) == 0
        assert await forget_mails(tx, expires_at + timedelta(seconds=1)) == 1
    assert await post.rows() == []


# --- the way to the server


async def send_one(transport: SmtpTransport) -> None:
    from oshiyakusho_matrix.outbox.letter import letter

    at = now()
    await transport.deliver(letter(SENDER, to=HANAKO, subject="x", text="x", message_id="x@y", at=at), HANAKO)


@pytest.mark.parametrize("security", [Security.STARTTLS, Security.TLS])
async def test_it_is_encrypted_and_logs_in(authority: Authority, security: Security) -> None:
    async with mail_server(security, authority, login=True) as box:
        server = box.server(security=security, username=USERNAME, password=PASSWORD)
        assert PASSWORD not in repr(server)
        transport = SmtpTransport(server, trust=trust(authority))
        await transport.examine()
        assert box.received == []
        await send_one(transport)
        assert [mail.encrypted for mail in box.received] == [True]


Wrong = Callable[[Mailbox, Authority], SmtpTransport]


@pytest.mark.parametrize(
    ("security", "wrong", "cause"),
    [
        (
            Security.STARTTLS,
            lambda box, ca: SmtpTransport(box.server(security=Security.STARTTLS), trust=trust(ca)),
            "530",
        ),
        (
            Security.STARTTLS,
            lambda box, ca: SmtpTransport(
                box.server(security=Security.STARTTLS, username=USERNAME, password="wrong"), trust=trust(ca)
            ),
            "535 to our password",
        ),
        (
            Security.STARTTLS,
            lambda box, _: SmtpTransport(box.server(security=Security.STARTTLS)),
            "certificate is not trusted",
        ),
        (Security.TLS, lambda box, _: SmtpTransport(box.server(security=Security.TLS)), "certificate is not trusted"),
        (
            Security.STARTTLS,
            lambda box, ca: SmtpTransport(box.server(security=Security.STARTTLS, host="127.0.0.2"), trust=trust(ca)),
            "not reachable",
        ),
        (
            Security.NONE,
            lambda box, ca: SmtpTransport(box.server(security=Security.STARTTLS), trust=trust(ca)),
            "no STARTTLS",
        ),
        (Security.NONE, lambda box, ca: SmtpTransport(box.server(security=Security.TLS), trust=trust(ca)), "no TLS"),
    ],
)
async def test_a_wrong_way_is_named_and_nothing_is_sent(
    authority: Authority, security: Security, wrong: Wrong, cause: str
) -> None:
    async with mail_server(
        security, authority if security is not Security.NONE else None, login=security is not Security.NONE
    ) as box:
        transport = wrong(box, authority)
        for attempt in (transport.examine, partial(send_one, transport)):
            with pytest.raises(MailDelayed, match=cause) as caught:
                await attempt()
            assert not any(word in str(caught.value) for word in ("canary", PASSWORD, "wrong"))
        assert box.received == []


async def test_a_server_that_speaks_something_else_is_told() -> None:
    async def talk(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(talk, "127.0.0.1", 0) as server:
        box = Mailbox()
        box.port = server.sockets[0].getsockname()[1]
        with pytest.raises(MailDelayed, match=r"does not speak SMTP|not reachable"):
            await box.transport().examine()
