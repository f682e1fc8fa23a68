"""``init``: what it writes serves at once, is nobody else's to read, and never replaces anything."""

import os
import stat
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from oshiyakusho_matrix.core.errors import Misconfigured, Refused
from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.divisions.catalogue import check, shipped_directory
from oshiyakusho_matrix.operations import installation
from oshiyakusho_matrix.operations.installation import Order, write_installation
from oshiyakusho_matrix.outbox.interface import Sender
from oshiyakusho_matrix.settings import load_settings
from oshiyakusho_matrix.settings.keys import Keys
from oshiyakusho_matrix.settings.reading import known_keys


@pytest.fixture
def order(tmp_path: Path) -> Order:
    return Order(
        directory=tmp_path / "new" / "city",
        homeserver_url="http://127.0.0.1:8008/",
        server_name="matrix.example.jp",
        listen="127.0.0.1:9010",
        web_listen="127.0.0.1:9011",
        public_url="https://cityhall.example.jp/",
        secretariat=("@jimukyoku:matrix.example.jp", "@soumu:matrix.example.jp"),
    )


def everything_in(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*"))


def test_what_init_writes_is_read_by_serve_as_it_was_ordered(order: Order) -> None:
    write_installation(order)
    found = load_settings(order.directory / "config.yaml")
    assert found.homeserver.url == "http://127.0.0.1:8008"
    assert found.bot == "@shiyakusho:matrix.example.jp"
    assert (str(found.listen), str(found.web_listen)) == ("127.0.0.1:9010", "127.0.0.1:9011")
    assert found.public_url == "https://cityhall.example.jp"
    assert found.secretariat == order.secretariat
    assert found.registration.url == "http://127.0.0.1:9010"
    assert found.rooms == order.directory / "rooms"
    assert found.warnings == ()
    assert load_settings(order.directory / "config.yaml").registration == found.registration


def test_every_key_stands_in_the_file_with_its_description(order: Order) -> None:
    write_installation(order)
    text = (order.directory / "config.yaml").read_text(encoding="utf-8")
    joined = " ".join(line.strip().removeprefix("# ") for line in text.splitlines())
    for key in known_keys(Keys):
        assert f"{key.rpartition('.')[2]}: " in text
    for name, info in Keys.model_fields.items():
        if info.description is not None:
            assert info.description in joined, name


def test_an_example_in_the_file_can_be_uncommented_as_it_stands(order: Order) -> None:
    write_installation(replace(order, web_listen=None, public_url=None))
    path = order.directory / "config.yaml"
    for key in ("data", "display_name", "concurrency", "rooms"):
        path.write_text(path.read_text(encoding="utf-8").replace(f"# {key}: ", f"{key}: "), encoding="utf-8")
    assert load_settings(path).display_name == "市役所"


def test_tokens_are_random_and_only_the_owner_may_read_them(order: Order, tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        write_installation(order)
    finally:
        os.umask(old)
    path = order.directory / "registration.yaml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    first = yaml.safe_load(path.read_text())
    write_installation(replace(order, directory=tmp_path / "second"))
    second = yaml.safe_load((tmp_path / "second" / "registration.yaml").read_text())
    tokens = {found[name] for found in (first, second) for name in ("as_token", "hs_token")}
    assert len(tokens) == 4
    assert min(map(len, tokens)) >= 40


def test_a_key_is_written_that_only_the_owner_may_read_and_not_among_the_data(order: Order) -> None:
    old = os.umask(0)
    try:
        said = write_installation(order)
    finally:
        os.umask(old)
    file = order.directory / "sealing.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    found = load_settings(order.directory / "config.yaml")
    assert found.sealing_key_file == file
    assert found.sealer is not None
    assert not file.is_relative_to(found.data)
    assert any("Keep a copy of" in step.msgid and step.values["file"] == str(file) for step in said)


def test_mail_that_is_ordered_is_in_the_settings_and_else_nothing_is(order: Order, tmp_path: Path) -> None:
    mail = {"host": "localhost", "port": 2525, "security": "none", "sender": "cityhall@localhost"}
    write_installation(replace(order, mail=mail))
    found = load_settings(order.directory / "config.yaml").mail
    assert found is not None
    assert (found.host, found.port, found.sender) == ("localhost", 2525, Sender("cityhall@localhost", "市役所"))
    write_installation(replace(order, directory=tmp_path / "second"))
    assert load_settings(tmp_path / "second" / "config.yaml").mail is None


def test_a_wildcard_address_is_registered_as_loopback(order: Order) -> None:
    write_installation(replace(order, listen="0.0.0.0:9010"))
    assert load_settings(order.directory / "config.yaml").registration.url == "http://127.0.0.1:9010"


def test_the_copy_of_the_city_hall_is_complete_valid_and_can_be_edited(order: Order) -> None:
    write_installation(order)
    rooms = order.directory / "rooms"
    assert everything_in(rooms) == everything_in(shipped_directory())
    assert check(rooms) == []
    assert all(path.stat().st_mode & stat.S_IWUSR for path in rooms.rglob("*"))


def test_the_steps_name_the_files_and_the_commands(order: Order) -> None:
    said = " ".join(f"{step.msgid} {dict(step.values)}" for step in write_installation(order))
    for expected in ("app_service_config_files", "Restart", "registration.yaml", "oshiyakusho-matrix serve --config"):
        assert expected in said


@pytest.mark.parametrize("part", ["config.yaml", "registration.yaml", "sealing.key", "rooms"])
def test_what_is_there_is_named_and_left_alone(order: Order, part: str) -> None:
    order.directory.mkdir(parents=True)
    (order.directory / part).write_text("mine")
    with pytest.raises(Refused) as refused:
        write_installation(order)
    assert f"there is already: {part}. init overwrites nothing" in plain(refused.value.text)
    assert everything_in(order.directory) == [part]
    assert (order.directory / part).read_text() == "mine"


def test_a_dangling_link_is_not_written_through(order: Order, tmp_path: Path) -> None:
    order.directory.mkdir(parents=True)
    (order.directory / "registration.yaml").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(Refused) as refused:
        write_installation(order)
    assert "registration.yaml" in plain(refused.value.text)
    assert not (tmp_path / "elsewhere").exists()


def test_other_files_in_the_directory_stay(order: Order) -> None:
    order.directory.mkdir(parents=True)
    (order.directory / "notes.txt").write_text("mine")
    write_installation(order)
    assert {"notes.txt", "config.yaml", "registration.yaml", "sealing.key", "rooms"} == set(os.listdir(order.directory))


def test_what_appears_while_init_runs_is_not_replaced_and_nothing_is_left_half_done(
    order: Order, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another ``init`` wins the race after the first look: its file stays, and ours leaves no trace."""

    def look_and_lose(directory: Path) -> None:
        directory.mkdir(parents=True)
        (directory / "config.yaml").write_text("theirs")

    monkeypatch.setattr(installation, "_refuse_existing", look_and_lose)
    with pytest.raises(Misconfigured, match="cannot be written here"):
        write_installation(order)
    assert everything_in(order.directory) == ["config.yaml"]
    assert (order.directory / "config.yaml").read_text() == "theirs"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"homeserver_url": "matrix.example.jp"}, r"^--homeserver-url: must be an http:// or https:// address"),
        ({"server_name": "https://matrix.example.jp"}, r"^--server-name: must be the homeserver's name"),
        ({"listen": "9010"}, r"^--listen: must be HOST:PORT"),
        ({"web_listen": "127.0.0.1"}, r"^--web-listen: must be HOST:PORT"),
        ({"public_url": "http://cityhall.example.jp"}, r"^--public-url: must begin with https://"),
        ({"public_url": None}, r"^--web-listen and --public-url: web_listen and public_url belong together"),
        ({"web_listen": "127.0.0.1:9010"}, r"web_listen needs another port"),
        ({"secretariat": ()}, r"^--secretariat: secretariat must name somebody"),
        ({"secretariat": ("jimukyoku",)}, r"^--secretariat: entry 1 of secretariat is not a Matrix user id"),
        ({"secretariat": ("@a:elsewhere.example",)}, r"is not an account of matrix\.example\.jp"),
    ],
)
def test_a_wrong_option_is_named_before_anything_is_written(
    order: Order, change: dict[str, object], expected: str
) -> None:
    with pytest.raises(Misconfigured, match=expected):
        write_installation(replace(order, **change))  # type: ignore[arg-type]
    assert not order.directory.exists()


def test_a_directory_that_cannot_be_made_is_one_sentence(order: Order, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="cannot be written here"):
        write_installation(replace(order, directory=tmp_path / "file" / "city"))
