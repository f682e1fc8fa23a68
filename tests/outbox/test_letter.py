"""An e-mail gets through to a government desk, and holds nothing but what was meant."""

import email
from datetime import timedelta
from email.header import decode_header
from email.message import EmailMessage
from email.policy import default

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oshiyakusho_matrix.core.clock import now
from oshiyakusho_matrix.outbox.interface import Sender
from oshiyakusho_matrix.outbox.letter import BadLetter, is_address, letter

SENDER = Sender("cityhall@cityhall.example.jp", "オンライン市役所")
AT = now()
TEXT = "確認番号：12345678\n\nこの番号を画面に入力してください。" + "長い行" * 60 + "\n"


def write(
    *, to: str = "hanako@city.example.lg.jp", subject: str = "確認番号 12345678", text: str = TEXT
) -> EmailMessage:
    return letter(SENDER, to=to, subject=subject, text=text, message_id="och-1@cityhall.example.jp", at=AT)


def test_it_is_one_plain_text_in_short_lines_of_7_bits() -> None:
    raw = write().as_bytes()
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) <= 78
    assert b"\n" not in raw.replace(b"\r\n", b"")
    read = email.message_from_bytes(raw, policy=default)
    assert read.get_content_type() == "text/plain"
    assert not read.is_multipart()
    assert read["Content-Transfer-Encoding"] == "base64"
    assert read.get_content().replace("\r\n", "\n") == TEXT
    assert read["Subject"] == "確認番号 12345678"
    assert str(read["From"]) == "オンライン市役所 <cityhall@cityhall.example.jp>"
    assert str(read["To"]) == "hanako@city.example.lg.jp"
    assert read["Message-ID"] == "<och-1@cityhall.example.jp>"
    assert read["Auto-Submitted"] == "auto-generated"
    assert abs(read["Date"].datetime - AT) < timedelta(seconds=1)
    assert read["Date"].datetime.utcoffset() == timedelta(hours=9)
    names = "From To Subject Date Message-ID Auto-Submitted MIME-Version Content-Type Content-Transfer-Encoding"
    assert sorted(read.keys()) == sorted(names.split())


def test_ascii_goes_as_it_stands_and_long_lines_do_not() -> None:
    plain = write(text="Your code: 12345678\n\nType it in.", subject="Code 12345678").as_bytes()
    assert b"Content-Transfer-Encoding: 7bit" in plain
    assert b"\r\n\r\nYour code: 12345678\r\n\r\nType it in.\r\n" in plain
    long = write(text="x" * 2000)
    assert long["Content-Transfer-Encoding"] == "base64"
    assert long.get_content() == "x" * 2000 + "\r\n"


def test_control_characters_are_left_out() -> None:
    assert write(text="a\x00b\x1b[31mc\td\x7f\re").get_content() == "ab[31mc\td\ne\n"


def test_the_same_makes_the_same_mail() -> None:
    assert write().as_bytes() == write().as_bytes()


@pytest.mark.parametrize(
    "to",
    [
        "a@b.jp\r\nBcc: all@example.jp",
        "a@b.jp\nX: y",
        "a@b.jp\r",
        "a@b.jp, c@d.jp",
        "a@b.jp;c@d.jp",
        "<a@b.jp>",
        '"a b"@b.jp',
        "(c)a@b.jp",
        "a@b@c.jp",
        "花子@city.example.jp",
        "a@市.jp",
        "a b@c.jp",
        "a@[127.0.0.1]",
        "@b.jp",
        "a@",
        "a..b@c.jp",
        "",
        "a" * 65 + "@b.jp",
        "a@" + "b." * 130 + "jp",
        "a@b.jp\x00",
        "a@b.jp ",
    ],
)
def test_what_is_no_plain_address_gets_no_mail_and_is_not_repeated(to: str) -> None:
    assert not is_address(to)
    with pytest.raises(BadLetter) as caught:
        write(to=to)
    assert "b.jp" not in str(caught.value)


@pytest.mark.parametrize("subject", ["x\r\nBcc: a@b.jp", "x\ny", "x\ry", "x\x00y", "x\u2028y", "", "  ", "x" * 201])
def test_a_subject_is_one_visible_line(subject: str) -> None:
    with pytest.raises(BadLetter) as caught:
        write(subject=subject)
    assert "Bcc" not in str(caught.value)


@given(st.text(), st.text(max_size=220))
def test_whatever_it_says_no_header_and_no_part_is_added(text: str, subject: str) -> None:
    try:
        raw = write(text=text, subject=subject).as_bytes()
    except BadLetter:
        return
    assert raw.isascii()
    assert raw.replace(b"\r\n", b"").count(b"\r") == raw.replace(b"\r\n", b"").count(b"\n") == 0
    read = email.message_from_bytes(raw, policy=default)
    assert len(read.keys()) == 9
    assert not read.defects
    assert [read["To"], read["Bcc"], read["Cc"]] == ["hanako@city.example.lg.jp", None, None]


def test_a_long_address_and_a_long_name_stay_whole() -> None:
    to = "a" * 64 + "@" + "b" * 60 + "." + "c" * 60 + ".jp"
    read = email.message_from_bytes(write(to=to).as_bytes(), policy=default)
    assert str(read["To"]) == to
    subject = "確認番号の" * 30 + "12345678"
    read = email.message_from_bytes(write(subject=subject).as_bytes(), policy=default)
    assert read["Subject"] == subject
    assert decode_header(str(read["Subject"]))
