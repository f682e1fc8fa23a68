"""Whoever reaches the port can neither fill the memory, nor keep the homeserver out, nor have anything stored."""

import asyncio
import itertools
import json
import os
import random
import resource
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oshiyakusho_matrix.appservice.routes import LARGEST_BODY
from oshiyakusho_matrix.operations.listener import Limits
from tests.appservice.fakes import message
from tests.appservice.hostile import (
    Target,
    counts,
    deliver,
    is_closed,
    put,
    seconds_until_closed,
    serving,
    status_of,
)
from tests.support.memory import TELLS

pytestmark = pytest.mark.skipif(not TELLS, reason="this system does not tell how much memory a process has")

MOST = Limits().connections
#: A body larger than any that was seen, in bytes; and what it may take, in MiB: bytes, text, text that is kept, and
#: what is made of it.
_LARGE, MOST_TAKEN = 16 * 1024 * 1024, 150
FUZZED = int(os.environ.get("FUZZ_TRANSACTIONS", "1000000"))
MANY = int(os.environ.get("HOSTILE_CONNECTIONS", "10000"))


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    """A server with patience."""
    with serving(tmp_path) as running:
        yield running


def flood(target: Target, connections: int) -> None:
    """Open idle connections; look that the homeserver's old connection and a new one get through, and at the memory."""
    old = target.homeserver()
    assert deliver(old, "before", [message("$before")]) == 200
    before = target.memory()
    for number in range(connections):
        target.connect().sendall(b"PUT /_matrix")
        if number % 500 == 250:
            assert deliver(target.homeserver(), f"new{number}", [message(f"$new{number}")]) == 200
    # Behind all of them in line: once it is answered, they have been taken up.
    assert deliver(target.homeserver(), "last", [message("$last")]) == 200
    socket_before = old.sock
    assert deliver(old, "after", [message("$after")]) == 200
    assert old.sock is socket_before, "the homeserver's own connection was spared"
    closed = sum(is_closed(each) for each in target.open)
    assert closed >= connections - MOST
    assert target.memory() - before < 20
    print(f"{connections} connections: {closed} were closed, memory {before:.0f} → {target.memory():.0f} MiB")


def test_idle_connections_take_no_memory_and_keep_the_homeserver_not_out(target: Target) -> None:
    flood(target, 3 * MOST)


@pytest.mark.soak
def test_ten_thousand_idle_connections(target: Target) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, MANY + 500), hard))
    try:
        flood(target, MANY)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize(
    ("said", "drip"),
    [(b"", b""), (b"GET /", b"x"), (b"GET /counts HTTP/1.1\r\nHost: x\r\nX: ", b"x")],
    ids=["nothing", "the request line", "the headers"],
)
def test_a_head_that_does_not_end_is_not_waited_for(tmp_path: Path, said: bytes, drip: bytes) -> None:
    with serving(tmp_path, head=1) as target:
        connection = target.connect()
        connection.sendall(said)
        assert 0.5 < seconds_until_closed(connection, drip) < 5


GET = b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n"


def test_a_stranger_gets_one_answer_a_connection_however_many_are_asked_for(target: Target) -> None:
    connection = target.connect()
    connection.sendall(GET % b"counts" + GET % b"counts")
    said = b"".join(iter(lambda: connection.recv(1000), b""))
    assert (said.count(b"HTTP/1.1 200"), said.count(b"pending")) == (1, 1)
    refused = target.connect()
    refused.sendall(GET % b"nothing" + GET % b"nothing")
    assert b"".join(iter(lambda: refused.recv(1000), b"")).count(b"HTTP/1.1 404") == 1


def test_strangers_who_are_being_answered_make_room_those_first_who_came_first(target: Target) -> None:
    old = target.homeserver()
    assert deliver(old, "before", [message("$before")]) == 200
    socket_before = old.sock
    for _ in range(MOST + 20):
        target.connect().sendall(GET % b"never")
    assert deliver(target.homeserver(), "new", [message("$new")]) == 200
    assert deliver(old, "after", [message("$after")]) == 200
    assert old.sock is socket_before
    closed = [is_closed(each) for each in target.open]
    assert all(closed[:20])
    assert not any(closed[30:])


def test_who_has_shown_the_token_is_spared_while_the_first_body_still_comes(target: Target) -> None:
    homeserver = target.connect()
    body = json.dumps({"events": [message("$a")]}).encode()
    homeserver.sendall(put(1, length=len(body)) + body[:10])
    for _ in range(2 * MOST):
        target.connect().sendall(b"GET /")
    while not is_closed(target.open[MOST - 1]):  # whoever came before has been closed, too
        time.sleep(0.05)
    homeserver.sendall(body[10:])
    assert status_of(homeserver) == 200


def ask_without_end(target: Target, callers: int, until: threading.Event) -> int:
    """Ask again and again on many connections, and anew when one is closed; return how often there was an answer."""

    async def ask() -> int:
        answers = 0
        while not until.is_set():
            with suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
                with closing(writer):
                    while not until.is_set():
                        writer.write(GET % b"counts")
                        if not await reader.read(1000):
                            break
                        answers += 1
        return answers

    async def all_() -> int:
        return sum(await asyncio.gather(*(ask() for _ in range(callers))))

    return asyncio.run(all_())


@pytest.mark.parametrize("callers", [MOST + 50, pytest.param(4 * MOST, marks=pytest.mark.soak)])
def test_whoever_asks_without_end_keeps_the_homeserver_not_out(target: Target, callers: int) -> None:
    until = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        flood = pool.submit(ask_without_end, target, callers, until)
        try:
            while len(os.listdir(f"/proc/{target.pid}/fd")) < MOST:
                assert not flood.done()
                time.sleep(0.05)
            began = time.monotonic()
            for number in range(20):
                assert deliver(target.homeserver(), f"new{number}", [message(f"$new{number}")]) == 200
            took = time.monotonic() - began
        finally:
            until.set()
        print(f"{callers} callers, {flood.result(30)} answers: 20 transactions on new connections took {took:.1f} s")


def test_a_body_that_does_not_end_is_not_waited_for_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    with serving(tmp_path, request=1) as target:
        connection = target.connect()
        connection.sendall(put(1, length=1_000_000))
        assert 0.5 < seconds_until_closed(connection, b" ") < 5
        assert counts(target)["pending"] == 0
        assert deliver(target.homeserver(), 2, [message("$a")]) == 200


def test_a_body_without_the_right_token_is_refused_before_it_comes_and_not_waited_for(target: Target) -> None:
    for token, status in ((None, 401), ("wrong", 403)):
        connection = target.connect()
        connection.sendall(put(1, length=50_000_000, token=token))
        assert status_of(connection) == status
        assert seconds_until_closed(connection, b" ") < 10


def bodies(target: Target, connections: int, token: str | None, *, patience: float) -> list[int]:
    """Declare a body of 15 MB on each of many connections, and send two of it; return the answers, -1 for none.

    ``patience`` is in seconds, for each answer.
    """
    made = []
    for number in range(connections):
        connection = target.connect()
        made.append(connection)
        connection.settimeout(0.5)
        with suppress(OSError):  # it may be refused while we send
            connection.sendall(put(number, length=15_000_000, token=token) + b" " * 2_000_000)
    answers = []
    for connection in made:
        connection.settimeout(patience)
        try:
            answers.append(status_of(connection))
        except TimeoutError:
            answers.append(-1)
    return answers


@pytest.mark.parametrize("connections", [pytest.param(60), pytest.param(1000, marks=pytest.mark.soak)])
def test_many_large_bodies_are_held_no_more_than_one_may_be(target: Target, connections: int) -> None:
    before = target.memory()
    assert set(bodies(target, connections, "wrong", patience=20)) <= {0, 403}
    refused = target.memory()
    assert refused - before < 30, "who has no token has no memory"
    answers = bodies(target, connections, "the-homeservers-token", patience=0.01)
    assert target.memory() - before < 130
    print(f"{connections} bodies: {before:.0f} MiB, refused {refused:.0f}, with the token {target.memory():.0f} MiB")
    assert 503 in answers or 0 in answers
    assert counts_when_there_is_room(target)["pending"] == 0


def counts_when_there_is_room(target: Target) -> dict[str, int]:
    """Ask once those who showed the token have gone: they are spared, and while there is no room others are not."""
    for _ in range(100):
        try:
            return counts(target)
        except ConnectionError:
            time.sleep(0.1)
    raise AssertionError("there was no room for 10 s")


@pytest.mark.soak
def test_two_hundred_slow_bodies(target: Target) -> None:
    before = target.memory()
    connections = [target.connect() for _ in range(200)]
    for number, connection in enumerate(connections):
        connection.sendall(put(number, length=1_000_000))
    for _ in range(100):
        for connection in connections:
            connection.sendall(b"x" * 100)
    assert target.memory() - before < 20
    print(f"200 slow bodies: memory {before:.0f} → {target.memory():.0f} MiB")
    assert deliver(target.homeserver(), "x", [message("$a")]) == 200


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(st.characters()), inner, max_size=3),
    max_leaves=10,
)
FIELDS = sorted({*message("$"), "state_key", "redacts", "age"})
RELATION = st.fixed_dictionaries(
    {}, optional={"rel_type": st.sampled_from(["m.replace", "m.annotation"]) | ANY, "event_id": ANY, "key": ANY}
)
EVENT = st.dictionaries(st.sampled_from(FIELDS), ANY).map(lambda odd: message("$odd") | odd) | RELATION.map(
    lambda relation: message("$related", content={"m.relates_to": relation})
)
TYPED = st.sampled_from(["m.room.message", "m.reaction", "m.room.redaction", "m.room.member", "m.room.encrypted"])


@pytest.fixture(scope="module")
def sturdy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A server for many examples."""
    with serving(tmp_path_factory.mktemp("sturdy")) as running:
        yield running


NUMBERS = itertools.count()


@given(events=st.lists(EVENT | ANY, max_size=4), kind=TYPED, raw=st.binary(max_size=50))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_transaction_holds_is_taken_or_refused_and_handled(
    sturdy: Target, events: list[Any], kind: str, raw: bytes
) -> None:
    homeserver = sturdy.homeserver()
    typed = [event | {"type": kind} if isinstance(event, dict) else event for event in events]
    assert deliver(homeserver, f"h{next(NUMBERS)}", [*typed, message(f"$good{next(NUMBERS)}")]) == 200
    assert deliver(homeserver, f"h{next(NUMBERS)}", raw) in (200, 400)
    assert deliver(homeserver, f"h{next(NUMBERS)}", b'{"events": [' + raw + b"]}") in (200, 400)
    homeserver.close()
    assert counts(sturdy)["parked"] == 0


def test_a_transaction_as_large_as_they_get_is_taken(target: Target) -> None:
    text = "x" * 65_000
    events = [message(f"$e{n}", body=text, unsigned={"prev_content": {"body": text}}) for n in range(100)]
    assert deliver(target.homeserver(), 1, events) == 200
    assert deliver(target.homeserver(), 2, b" " * (LARGEST_BODY + 1)) == 413


FEW = b"[]," * 300_000 + b'{"event_id":"$x"},' * 50_000 + b"1]}"
HUGE = {
    "deep, then one long string": b'{"events":[' + b"[" * 2000 + b'"' + b"a" * (_LARGE - 3000),
    "the same with an end": b'{"events":[' + b"[" * 2000 + b'"' + b"a" * (_LARGE - 5000) + b'"' + b"]" * 2000 + b"]}",
    "deep without an end": b'{"events":' + b"[" * (_LARGE - 100),
    "much that is no event": b'{"events":[' + FEW,
}


@pytest.mark.parametrize("body", HUGE.values(), ids=HUGE)
def test_huge_json_takes_little_more_memory_than_its_size_and_few_words_in_the_log(
    target: Target, tmp_path: Path, body: bytes
) -> None:
    homeserver = target.homeserver()
    assert deliver(homeserver, "before", [message("$before")]) == 200
    before = target.memory(peak=True)
    assert deliver(homeserver, "huge", body) in (200, 400)
    while counts(target)["pending"]:
        time.sleep(0.1)
    taken = target.memory(peak=True) - before
    print(f"{len(body)} bytes: {taken:.0f} MiB at most")
    assert taken < MOST_TAKEN
    assert (tmp_path / "log").stat().st_size < 10_000


DEEP = [
    b"[" * 200_000,
    b'{"events":[' + b'{"content":' * 50_000,
    b'{"events":[' + b"[" * 90_000 + b"]" * 90_000 + b"]}",
]


@pytest.mark.parametrize("body", [*DEEP, b"9" * 1_000_000, b'{"events":[' + b"1," * 500_000 + b"1]}"])
def test_deep_and_huge_json_is_answered(sturdy: Target, body: bytes) -> None:
    homeserver = sturdy.homeserver()
    assert deliver(homeserver, f"d{next(NUMBERS)}", body) in (200, 400)
    assert deliver(homeserver, f"d{next(NUMBERS)}", [message(f"$well{next(NUMBERS)}")]) == 200
    homeserver.close()


def broken(random_: random.Random, number: int) -> bytes:
    """Return a transaction that is odd somewhere: a value of another type, a byte of its body, an end too early."""
    odd: list[Any] = [None, True, -1, 10**30, 1e300, "", "\0", "\ud800", "x" * 300, [], {}, [[]], {"a": {"a": 1}}, "$a"]
    events: list[Any] = [message(f"$f{number}-{each}") for each in range(random_.randrange(4))]
    for event in events:
        if random_.random() < 0.7:
            event[random_.choice(FIELDS)] = random_.choice(odd)
        if random_.random() < 0.3:
            event["content"] = {"m.relates_to": {"rel_type": "m.annotation", "event_id": random_.choice(odd)}}
    body = bytearray(json.dumps({"events": events}).encode())
    if random_.random() < 0.3:
        body[random_.randrange(len(body))] = random_.randrange(256)
    return bytes(body[: random_.randrange(len(body))] if random_.random() < 0.1 else body)


@pytest.mark.soak
def test_a_million_broken_transactions(target: Target) -> None:
    random_, homeserver = random.Random(int(os.environ.get("FUZZ_SEED", "1"))), target.homeserver()  # noqa: S311
    statuses = dict.fromkeys((200, 400), 0)
    began, before = time.monotonic(), target.memory()
    for number in range(FUZZED):
        body = broken(random_, number)
        status = deliver(homeserver, f"z{number}", body)
        assert status in statuses, (number, status, body)
        statuses[status] += 1
    rate = FUZZED / (time.monotonic() - began)
    while (found := counts(target))["pending"]:
        time.sleep(0.5)
    memory = f"{before:.0f} → {target.memory():.0f} MiB"
    print(f"{FUZZED} transactions, {rate:.0f} a second: {statuses}, {found}, {memory}")
    assert found["parked"] == 0
    assert target.memory() < before + 60
