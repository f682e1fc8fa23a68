"""Whatever a transaction holds, its good events are kept and nothing is stored that a database refuses."""

import json
import time
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oshiyakusho_matrix.appservice.border import NAMED, BadTransaction, ClientEvent, NotJson, read_transaction
from tests.appservice.fakes import message

ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(st.characters()), inner, max_size=4),
    max_leaves=15,
)


def body_of(*events: Any) -> bytes:
    return json.dumps({"events": events}).encode()


@given(content=st.dictionaries(st.text(st.characters()), ANY_JSON, max_size=4), junk=st.lists(ANY_JSON, max_size=4))
@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
def test_good_events_pass_among_junk_and_everything_kept_is_storable(content: dict[str, Any], junk: list[Any]) -> None:
    good = message("$good", content=content)
    arrived = read_transaction(body_of(*junk, good))
    assert [event.event_id for event in arrived.events] == ["$good"]
    assert (arrived.misfits, len(arrived.named)) == (len(junk), len(junk))
    kept = json.dumps(arrived.events[0].model_dump(), allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in kept
    kept.encode("utf-8")


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with suppress(NotJson, BadTransaction):
        assert read_transaction(body).events == []


@given(field=st.sampled_from(sorted(message("$a"))), value=ANY_JSON)
def test_any_field_of_any_type_never_breaks_the_others(field: str, value: object) -> None:
    arrived = read_transaction(body_of(message("$odd") | {field: value}, message("$good")))
    assert arrived.events[-1].event_id == "$good"
    assert len(arrived.events) + arrived.misfits == 2
    assert len(arrived.named) == arrived.misfits


def test_nul_and_lone_surrogates_are_replaced_everywhere() -> None:
    raw = json.dumps({"events": [message("$a", body="a\x00b\ud800", state_key="\x00")]}).encode()
    (event,) = read_transaction(raw).events
    assert event.content["body"] == "a\ufffdb\ufffd"
    assert event.state_key == "\ufffd"


def test_a_wrong_clock_or_odd_unsigned_costs_no_event() -> None:
    arrived = read_transaction(
        body_of(
            message("$far", origin_server_ts=10**18),
            message("$early", origin_server_ts=-5),
            message("$word", origin_server_ts="soon", unsigned=[1]),
        )
    )
    assert [event.origin_server_ts for event in arrived.events] == [253_402_300_799_999, 0, 0]
    assert arrived.events[2].unsigned == {}


@pytest.mark.parametrize("depth", [65, 900, 5_000, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"[}":', "}")])
def test_endless_nesting_neither_crashes_nor_costs_other_events(depth: int, opening: str, closing: str) -> None:
    deep = opening * depth + ("null" if opening != "[" else "") + closing * depth
    bomb = json.dumps(message("$bomb", content={"body": "x", "deep": "HERE"})).replace('"HERE"', deep)
    raw = '{"events": [' + bomb + "," + json.dumps(message("$good", body='"[[{')) + "]}"
    arrived = read_transaction(raw.encode())
    assert [event.event_id for event in arrived.events] == ["$bomb", "$good"]
    assert arrived.events[0].content["body"] == "x"
    assert arrived.events[1].content["body"] == '"[[{'


@pytest.mark.parametrize("number", ["1e999", "NaN", "-Infinity", "9" * 5000])
def test_numbers_that_are_none_become_nothing(number: str) -> None:
    raw = body_of(message("$a", content={"n": "N"})).replace(b'"N"', number.encode())
    assert read_transaction(raw).events[0].content == {"n": None}


@pytest.mark.parametrize("raw", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"events": [' + b"[" * 100_000])
def test_what_is_no_json_is_refused(raw: bytes) -> None:
    with pytest.raises(NotJson):
        read_transaction(raw)


@pytest.mark.parametrize("raw", [b"[]", b"3", b"{}", b'{"events": {}}', b'{"events": null}'])
def test_what_has_no_events_is_refused(raw: bytes) -> None:
    with pytest.raises(BadTransaction):
        read_transaction(raw)


def test_ids_longer_than_matrix_allows_are_misfits() -> None:
    arrived = read_transaction(body_of(message("$" + "x" * 300), message("$b", type="t" * 256), message("$c")))
    assert [event.event_id for event in arrived.events] == ["$c"]
    assert arrived.misfits == 2
    assert max(map(len, arrived.named)) <= 100


def test_of_many_misfits_few_are_named_and_all_are_counted() -> None:
    odd = [message(f"$long{number}", sender="s" * 300) for number in range(30)]
    arrived = read_transaction(body_of(*odd, *([[]] * 1000), message("$good")))
    assert (arrived.misfits, len(arrived.events)) == (1030, 1)
    assert list(arrived.named) == [event["event_id"] for event in odd][:NAMED]


@pytest.mark.parametrize("odd", [3, "x", [], {}, {"event_id": "$a"}, {**message("$a"), "room_id": 1}, [message("$a")]])
def test_what_is_plainly_no_event_is_not_examined(odd: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def examine(_value: object) -> None:
        raise AssertionError

    monkeypatch.setattr(ClientEvent, "model_validate", examine)
    assert read_transaction(body_of(odd, odd)).misfits == 2


def test_a_string_without_an_end_is_looked_through_once() -> None:
    began = time.process_time()
    with pytest.raises(NotJson):
        read_transaction(b'{"events":[' + b"[" * 2000 + b'"' + b'\\"' * 100_000)
    assert time.process_time() - began < 2
