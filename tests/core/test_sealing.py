"""What is sealed opens where it belongs, with any of the keys, and nowhere else; digests tell nothing without a key."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oshiyakusho_matrix.core.errors import Misconfigured, Permanent
from oshiyakusho_matrix.core.sealing import NotOpened, Sealer, new_key, read_keys

OLD, NEW = new_key(), new_key()
SECRET = "財政 花子 hanako@city.example.lg.jp"
PLACE = "application.sealed:7KQ2M9XA"


@given(st.text(st.characters()), st.text(st.characters()))
def test_what_is_sealed_opens_in_its_place_whatever_it_says(text: str, context: str) -> None:
    sealer = Sealer(NEW)
    sealed = sealer.seal(text, context)
    assert sealer.open(sealed, context) == text
    with pytest.raises(NotOpened):
        sealer.open(sealed, context + "x")


def test_it_shows_nothing_and_looks_different_each_time() -> None:
    sealer = Sealer(NEW)
    first, second = (sealer.seal(SECRET, PLACE) for _ in range(2))
    assert first != second
    assert first[9:21] != second[9:21], "the nonce came twice"
    for part in ("花子", "hanako", "lg.jp", NEW):
        assert part.encode() not in first


def test_every_change_of_every_byte_is_noticed_and_the_error_says_nothing_of_the_text() -> None:
    sealer = Sealer(NEW)
    sealed = sealer.seal(SECRET, PLACE)
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(Permanent) as caught:
            sealer.open(bytes(changed), PLACE)
        assert not any(word in str(caught.value) for word in ("hanako", "花子", "7KQ2M9XA"))
    for short in (b"", sealed[:5], sealed[:20], sealed[:-1]):
        with pytest.raises(NotOpened):
            sealer.open(short, PLACE)


def test_keys_are_changed_by_putting_a_new_one_in_front() -> None:
    before, after = Sealer(OLD), Sealer(NEW, OLD)
    sealed = before.seal(SECRET, PLACE)
    assert after.open(sealed, PLACE) == SECRET
    assert after.fingerprints == (Sealer(NEW).fingerprint, before.fingerprint)
    with pytest.raises(NotOpened, match=after.fingerprint):
        before.open(after.seal(SECRET, PLACE), PLACE)
    assert after.index("a@b", "mail") == Sealer(NEW).index("a@b", "mail") != before.index("a@b", "mail")
    assert before.index("a@b", "mail") in after.indexes("a@b", "mail")
    assert after.is_digest(before.digest("12345678", PLACE), "12345678", PLACE)
    assert not before.is_digest(after.digest("12345678", PLACE), "12345678", PLACE)


def test_an_index_is_the_same_for_the_same_text_and_context_alone() -> None:
    sealer = Sealer(NEW)
    index = sealer.index("a@city.example.jp", "mail")
    assert len(index) == 32
    assert index == Sealer(NEW).index("a@city.example.jp", "mail")
    others = {
        sealer.index("b@city.example.jp", "mail"),
        sealer.index("a@city.example.jp", "name"),
        sealer.index("ila@city.example.jp", "ma"),  # the border between the two counts
        sealer.digest("a@city.example.jp", "mail"),
        Sealer(OLD).index("a@city.example.jp", "mail"),
    }
    assert index not in others
    assert len(others) == 5


def test_a_digest_is_that_of_its_text_and_place() -> None:
    sealer = Sealer(NEW)
    digest = sealer.digest("12345678", PLACE)
    assert sealer.is_digest(digest, "12345678", PLACE)
    assert not sealer.is_digest(digest, "12345679", PLACE)
    assert not sealer.is_digest(digest, "12345678", PLACE + "x")
    assert not sealer.is_digest("ü", "12345678", PLACE)


def test_nothing_that_is_printed_shows_a_key() -> None:
    sealer = Sealer(NEW)
    shown = f"{sealer!r} {vars(sealer)}"
    secret = base64.urlsafe_b64decode(NEW + "=")
    assert NEW not in shown
    assert repr(secret) not in shown
    assert sealer.fingerprint not in secret.hex()


def test_a_key_file_is_read_with_comments_and_the_first_key_seals() -> None:
    text = f"# keys of the city hall\n\n{NEW}  # since April\n{OLD}=\n"
    assert read_keys(text, "x").fingerprints == Sealer(NEW, OLD).fingerprints
    assert read_keys(f"{NEW} {OLD}", "x").fingerprints == Sealer(NEW, OLD).fingerprints


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "sealing.key: there is no key"),
        ("# nothing\n", "sealing.key: there is no key"),
        ("hunter2", "line 1: this is no key"),
        (f"{NEW}\n\nhunter2hunter2hunter2hunter2hunter2hunter2hunt", "line 3: this is no key"),
        (f"{NEW}\n{NEW}", "line 2: this key stands there a second time"),
        ("A" * 43, "line 1: this key was not drawn at random"),
        ("鍵" * 43, "line 1: this is no key"),
    ],
    # Keys are drawn anew in each process, and all of them must call a test the same.
    ids=["empty", "comment", "word", "second is a word", "twice", "not random", "not ASCII"],
)
def test_a_wrong_key_file_is_one_sentence_that_shows_no_key(text: str, told: str) -> None:
    with pytest.raises(Misconfigured) as caught:
        read_keys(text, "sealing.key")
    assert told in str(caught.value)
    assert not any(word in str(caught.value) for word in ("hunter2", NEW, "AAAA", "鍵"))


def test_a_new_key_is_new_and_one_line() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100
    assert {len(key) for key in keys} == {43}
