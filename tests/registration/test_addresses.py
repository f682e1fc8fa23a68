"""Mail addresses: what is taken for one, what for the same mailbox, and what is refused."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.registration.addresses import LONGEST, LONGEST_LOCAL, parse_address, parse_domain
from oshiyakusho_matrix.registration.roles import is_shared

DOMAIN = "city.kobe.lg.jp"


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("h.yamadano@city.kobe.lg.jp", "h.yamadano@city.kobe.lg.jp"),
        (" h_yamadano@city.kobe.lg.jp　", "h_yamadano@city.kobe.lg.jp"),
        ("ｈ－ｙａｍａｄａｎｏ＠ｃｉｔｙ．ｋｏｂｅ．ｌｇ．ｊｐ", "h-yamadano@city.kobe.lg.jp"),
        ("H.Yamadano@City.Kobe.LG.JP.", "H.Yamadano@city.kobe.lg.jp"),
        ("a@b.jp", "a@b.jp"),
    ],
)
def test_an_address_is_read_in_full_and_half_width(typed: str, read: str) -> None:
    assert str(parse_address(typed)) == read


@pytest.mark.parametrize(
    "text",
    [
        "", "@", "hanako", "hanako@", "@city.kobe.lg.jp", "a@b@city.kobe.lg.jp", "a＠b@city.kobe.lg.jp",
        '"hanako"@city.kobe.lg.jp', '"a@b"@city.kobe.lg.jp', "hanako(x)@city.kobe.lg.jp", "hanako@city.kobe.lg.jp(x)",
        "<hanako@city.kobe.lg.jp>", "Hanako <hanako@city.kobe.lg.jp>", "@relay.jp:hanako@city.kobe.lg.jp",
        "mailto:hanako@city.kobe.lg.jp", "a%b:c@city.kobe.lg.jp", "hana ko@city.kobe.lg.jp", "hanako@city.kobe lg.jp",
        "hanako@city.kobe.lg.jp\r\nBcc: x@example.com", "hanako@city.kobe.lg.jp\n", "\thanako@city.kobe.lg.jp",
        "hana\0ko@city.kobe.lg.jp", "hana\u200bko@city.kobe.lg.jp", "hanako@city.kobe.lg.jp\u202e",
        "hana\u2028ko@city.kobe.lg.jp",
        "花子@city.kobe.lg.jp", "hanako@神戸市.jp", "hanako@xn--58jza7h.jp", "hanako@city.XN--58jza7h.jp",
        "hanako@сity.kobe.lg.jp", "hanako@192.0.2.1", "hanako@[192.0.2.1]", "hanako@0x7f.0.0.0x1", "hanako@localhost",
        ".hanako@city.kobe.lg.jp", "hanako.@city.kobe.lg.jp", "ha..nako@city.kobe.lg.jp", "hanako@.city.kobe.lg.jp",
        "hanako@city..lg.jp", "hanako@city.kobe.lg.jp..", "hanako@-city.lg.jp", "hanako@city-.lg.jp", "hanako@ci_ty.jp",
        "+tag@city.kobe.lg.jp", f"{'a' * (LONGEST_LOCAL + 1)}@city.kobe.lg.jp", f"a@{'b' * 64}.jp",
        f"a@{'b.' * 130}jp", "a,b@city.kobe.lg.jp", "a;b@city.kobe.lg.jp", "a@b.jp,c@d.jp", "a\\@city.kobe.lg.jp",
    ],
)  # fmt: skip
def test_what_is_no_plain_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_address(text)
    said = plain(refused.value.text)
    assert "hanako" not in said
    assert "kobe" not in said


@pytest.mark.parametrize(
    ("text", "said"),
    [("hana\u200bko@a.jp", "invisible"), ("hanako@a.jp\r\nBcc: x", "invisible"), ("a@b@c.jp", "exactly one @")],
)
def test_what_is_wrong_is_said(text: str, said: str) -> None:
    with pytest.raises(Refused) as refused:
        parse_address(text)
    assert said in plain(refused.value.text)


def test_the_longest_address_is_still_one() -> None:
    local, label = "a" * LONGEST_LOCAL, "b" * 61
    domain = f"{label}.{label}.{label}b.jp"
    assert len(f"{local}@{domain}") == LONGEST
    assert parse_address(f"{local}@{domain}").domain == domain
    with pytest.raises(Refused):
        parse_address(f"{local}@b{domain}")


@pytest.mark.parametrize(
    "other", ["Hanako@CITY.kobe.lg.jp", "hanako+oshiyakusho@city.kobe.lg.jp", "ｈａｎａｋｏ＋x+y＠city.kobe.lg.jp."]
)
def test_spellings_of_one_mailbox_are_recognised(other: str) -> None:
    assert parse_address(other).mailbox == parse_address("hanako@city.kobe.lg.jp").mailbox
    assert parse_address(other).tagged is ("+" in other or "＋" in other)
    assert parse_address("hana.ko@city.kobe.lg.jp").mailbox != parse_address("hanako@city.kobe.lg.jp").mailbox


@pytest.mark.parametrize(
    "local",
    [
        "zaisei", "zaisei-ka", "zaiseika", "kikaku-ka", "kikaku_ka", "kikakuka", "info", "soumu", "somu", "SOUMU",
        "soumu01",
        "jinji.kakari", "kikakuzaisei", "zeimu-kacho", "d-kikaku", "kenko.fukushi", "hoken-nenkin", "info2",
        "shiminzei-ka",
        "syoubou", "toshi-keikaku", "kyouiku-iinkai", "dx", "dx-suishin", "kouhou", "norin-suisan", "no-reply",
        "soumu+x",
    ],
)  # fmt: skip
def test_mailboxes_of_offices_are_told(local: str) -> None:
    assert parse_address(f"{local}@{DOMAIN}").shared


@pytest.mark.parametrize(
    "local",
    ["hanako", "h.yamadano", "yamadano-t", "taro.suzukino", "t0123456", "saitono", "oka", "kato", "toshi", "k-ito"],
)
def test_mailboxes_of_persons_are_not(local: str) -> None:
    assert not is_shared(local)


@pytest.mark.parametrize(
    "typed", ["city.kobe.lg.jp", "＠City.Kobe.LG.jp", "hanako@city.kobe.lg.jp.", " city.kobe.lg.jp "]
)
def test_a_domain_is_read_alone_and_from_an_address(typed: str) -> None:
    assert parse_domain(typed) == DOMAIN


@pytest.mark.parametrize(
    "typed", ["", "@", "lg", "a b", "a@b@city.kobe.lg.jp", "@@city.kobe.lg.jp", "神戸.jp", "https://a.jp/"]
)
def test_what_is_no_domain_is_refused(typed: str) -> None:
    with pytest.raises(Refused):
        parse_domain(typed)


ODD = st.text(st.one_of(st.sampled_from('ab.@＠+-_"()<>[]:;,\\ \r\n\t\0。．'), st.characters()), max_size=40)


@given(ODD, ODD)
def test_whatever_is_accepted_is_a_plain_address(before: str, after: str) -> None:
    for text in (before, f"{before}@{after}", f"a{before}@city.kobe.lg.jp", f"hanako@{after}.lg.jp"):
        try:
            address = parse_address(text)
        except Refused:
            continue
        assert re.fullmatch(r"[!-~]+", str(address)), address
        assert str(address).count("@") == 1
        assert not set('"(),:;<>[\\] ') & set(str(address))
        assert address.domain == address.domain.lower().strip(".")
        assert "." in address.domain
        assert address.mailbox.endswith(f"@{address.domain}")
        # Read again it is the same: whoever stores it may rely on that.
        assert parse_address(str(address)) == address
        assert parse_address(address.mailbox).mailbox == address.mailbox


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_two_ats_are_never_accepted(one: str, two: str, three: str) -> None:
    with pytest.raises(Refused):
        parse_address(f"{one}@{two}@{three}")
