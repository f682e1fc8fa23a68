"""Settings: what is written becomes ``Settings``; every mistake is one sentence that helps and gives nothing away."""

import os
import re
import string
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.sealing import Sealer, new_key
from oshiyakusho_matrix.outbox.interface import Sender
from oshiyakusho_matrix.outbox.smtp import Security
from oshiyakusho_matrix.settings import Settings, load_settings
from oshiyakusho_matrix.settings.accounts import MasAccess, SynapseAccess
from oshiyakusho_matrix.settings.keys import Keys
from oshiyakusho_matrix.settings.reading import known_keys

AS_TOKEN = "as-secret-word"
HS_TOKEN = "hs-secret-word"
KEY = new_key()
REGISTRATION = f"""
id: oshiyakusho
url: http://127.0.0.1:9010
as_token: {AS_TOKEN}
hs_token: {HS_TOKEN}
sender_localpart: shiyakusho
"""
CONFIG = """\
homeserver:
  url: http://127.0.0.1:8008/
  server_name: matrix.example.jp
listen: 127.0.0.1:9010
secretariat: ["@jimukyoku:matrix.example.jp"]
"""


@pytest.fixture(autouse=True)
def _no_variables_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("OSHIYAKUSHO_"):
            monkeypatch.delenv(name)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    registration = tmp_path / "registration.yaml"
    registration.write_text(REGISTRATION)
    registration.chmod(0o600)
    (tmp_path / "config.yaml").write_text(CONFIG)
    return tmp_path


def load(place: Path, *, add: str = "", config: str = CONFIG) -> Settings:
    (place / "config.yaml").write_text(config + add)
    return load_settings(place / "config.yaml")


def mistake(place: Path, *, add: str = "", config: str = CONFIG) -> str:
    with pytest.raises(Misconfigured) as caught:
        load(place, add=add, config=config)
    return assert_one_sentence(str(caught.value))


def assert_one_sentence(message: str) -> str:
    assert "\n" not in message
    assert len(message) < 600
    assert message.endswith((".", "?"))
    assert not re.search(r"pydantic|validation error|Traceback|input_value|type=", message)
    assert AS_TOKEN not in message
    assert HS_TOKEN not in message
    return message


def test_a_short_file_is_enough_and_paths_lie_beside_it(place: Path) -> None:
    found = load(place)
    assert found.homeserver.url == "http://127.0.0.1:8008"
    assert found.bot == "@shiyakusho:matrix.example.jp"
    assert (found.listen.host, found.listen.port) == ("127.0.0.1", 9010)
    assert (found.registration.as_token, found.registration.hs_token) == (AS_TOKEN, HS_TOKEN)
    assert found.rooms == place / "rooms"
    assert found.database_url == f"sqlite+aiosqlite:///{place}/data/oshiyakusho.sqlite3"
    assert found.secretariat == ("@jimukyoku:matrix.example.jp",)
    assert (found.display_name, found.log.level, found.log.format, found.concurrency) == (
        "市役所",
        "info",
        "console",
        8,
    )
    assert found.warnings == ()


def test_settings_are_frozen_and_keep_secrets_out_of_their_repr(place: Path) -> None:
    found = load(place, add="database_url: postgresql://u:hunter2@db/och\n")
    with pytest.raises(AttributeError):
        found.concurrency = 9  # type: ignore[misc]
    assert not re.search(f"{AS_TOKEN}|{HS_TOKEN}|hunter2", repr(found))
    assert found.database_url == "postgresql+psycopg://u:hunter2@db/och"


def test_a_relative_database_lies_beside_the_file(place: Path) -> None:
    assert load(place, add="database_url: sqlite:///mine.db\n").database_url == f"sqlite+aiosqlite:///{place}/mine.db"


def test_a_key_without_a_value_counts_as_not_set(place: Path) -> None:
    assert load(place, add="web_listen:\nlog:\n  level:\n").log.level == "info"


def test_the_environment_wins_over_the_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OSHIYAKUSHO_HOMESERVER__URL", "https://inside.example.jp")
    monkeypatch.setenv("OSHIYAKUSHO_CONCURRENCY", "3")
    monkeypatch.setenv("OSHIYAKUSHO_SECRETARIAT", "@a:matrix.example.jp, @b:matrix.example.jp")
    monkeypatch.setenv("OSHIYAKUSHO_AS_TOKEN", "from-environment")
    monkeypatch.setenv("OSHIYAKUSHO_DATA", "")
    found = load(place)
    assert (found.homeserver.url, found.homeserver.server_name) == ("https://inside.example.jp", "matrix.example.jp")
    assert (found.concurrency, found.registration.as_token) == (3, "from-environment")
    assert found.secretariat == ("@a:matrix.example.jp", "@b:matrix.example.jp")
    assert found.data == place / "data"


def test_tokens_and_the_database_come_from_files_too(place: Path) -> None:
    (place / "registration.yaml").write_text("id: oshiyakusho\nsender_localpart: shiyakusho\n")
    for name, secret in (("as", "one"), ("hs", "two"), ("db", "postgresql://u:p@h/n")):
        (place / name).write_text(secret + "\n")
    found = load(place, add="as_token_file: as\nhs_token_file: hs\ndatabase_url_file: db\n")
    assert (found.registration.as_token, found.registration.hs_token) == ("one", "two")
    assert found.database_url == "postgresql+psycopg://u:p@h/n"


def test_what_kubernetes_injects_for_a_service_of_this_name_is_no_mistake(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OSHIYAKUSHO_MATRIX_SERVICE_HOST", "10.0.0.1")
    assert load(place).concurrency == 8


def test_a_registration_open_to_everybody_is_a_warning(place: Path) -> None:
    (place / "registration.yaml").chmod(0o644)
    (warning,) = load(place).warnings
    assert "registration.yaml" in warning
    assert "chmod o= " in warning


def test_a_password_in_an_open_configuration_is_a_warning_and_an_open_one_without_is_none(place: Path) -> None:
    (place / "config.yaml").chmod(0o644)
    assert load(place).warnings == ()
    (warning,) = load(place, add="database_url: postgresql://u:p@h/n\n").warnings
    assert "config.yaml" in warning


MISTAKES = [
    ("lisen: 1", r"config\.yaml, line 6: there is no key lisen; did you mean listen\?"),
    ("log:\n  levle: info", r"line 7: there is no key log\.levle; did you mean log\.level\?"),
    ("zzz: 1", r"line 6: there is no key zzz; the file that `init` writes lists"),
    ("concurrency: many", r"line 6: concurrency must be a whole number; it looks like this: 8\."),
    ("live_hosts: https://zoom.us", r"line 6: live_hosts must be host names such as zoom\.us"),
    ("live_hosts: [zoom.us, zoom]", r"line 6: live_hosts must be host names"),
    ("concurrency: 0", r"line 6: concurrency must be at least 1"),
    ("concurrency: 65", r"line 6: concurrency must be at most 64"),
    ("log: info", r"line 6: log must be a group of keys"),
    ("log:\n  format: xml", r"line 7: log\.format must be 'json' or 'console'"),
    ("display_name: yes", r"line 6: display_name must be text \(put it in quotes\)"),
    ('display_name: "  "', r"line 6: display_name must be a visible name"),
    ("web_listen: here", r"line 6: web_listen must be HOST:PORT .*; it looks like this: 127\.0\.0\.1:9011\."),
    ("web_listen: 127.0.0.1:9012", r"web_listen and public_url belong together"),
    ("web_listen: 0.0.0.0:9010\npublic_url: https://a.example", r"web_listen needs another port than listen"),
    ("web_listen: 127.0.0.1:9012\npublic_url: http://a.example", r"line 7: public_url must begin with https://"),
    ("database_url: mysql://u:hunter2@h/n", r"database_url must begin with sqlite:/// or postgresql://"),
    ('database_url: "sqlite://"', r"database_url must name a file"),
    ('database_url: "hunter2"', r"database_url is no URL"),
    ("database_url: postgresql://u:hunter2@h:port/n", r"database_url is no URL"),
    ("as_token: hunter2\nas_token_file: x", r"as_token and as_token_file are both set"),
    ("as_token_file: nowhere", r"nowhere: as_token is missing"),
    ("registration: nowhere.yaml", r"nowhere\.yaml: the registration is missing; run `oshiyakusho-matrix init`"),
    ("registration: .", r"the registration is not a file"),
    ("listen: 127.0.0.1:1", r"line 6: the key listen stands there a second time"),
    ("data: &x a\nrooms: *x", r"line 6: anchors \(&\), aliases \(\*\) and tags"),
    ("data: !!python/object:os.system a", r"line 6: anchors \(&\), aliases \(\*\) and tags"),
    ("data: [", r"the configuration is not valid YAML"),
    ("1: 2", r"line 6: a key must be a plain word"),
    ("data: 2001-99-99", r"unquoted value that YAML cannot read"),
    ("_env_file: x", r"there is no key _env_file"),
]


@pytest.mark.parametrize(("add", "expected"), MISTAKES, ids=[add.replace("\n", " ") for add, _ in MISTAKES])
def test_a_mistake_is_named_with_its_place_and_what_is_expected(place: Path, add: str, expected: str) -> None:
    message = mistake(place, add=add + "\n")
    assert re.search(expected, message), message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("  url: http://127.0.0.1:8008/\n", "", r"line 1: homeserver\.url is missing; it looks like this: http://"),
        ("http://127.0.0.1:8008/", "ftp://x", r"line 2: homeserver\.url must be an http:// or https:// address"),
        ("http://127.0.0.1:8008/", "http://u:hunter2@x", r"line 2: homeserver\.url must be a bare address"),
        ("http://127.0.0.1:8008/", "http://[x", r"line 2: homeserver\.url must be an http:// or https:// address"),
        ("server_name: matrix", "server_name: https://matrix", r"line 3: homeserver\.server_name must be the home"),
        ("listen: 127.0.0.1:9010", "listen: 127.0.0.1:0", r"line 4: listen must be HOST:PORT"),
        ("listen: 127.0.0.1:9010", "listen: 9010", r"line 4: listen must be text"),
        ("listen: 127.0.0.1:9010\n", "", r"listen is missing"),
        ('["@jimukyoku:matrix.example.jp"]', "[]", r"line 5: secretariat must name somebody"),
        ('["@jimukyoku:matrix.example.jp"]', "[5]", r"line 5: secretariat\.0 must be text"),
        ('["@jimukyoku:matrix.example.jp"]', "[me]", r"entry 1 of secretariat is not a Matrix user id"),
        ('["@jimukyoku:matrix.example.jp"]', '["@a:else.example"]', r"entry 1 of secretariat is not an account of"),
    ],
)
def test_a_mistake_in_what_must_be_there_is_named(place: Path, old: str, new: str, expected: str) -> None:
    assert old in CONFIG
    message = mistake(place, config=CONFIG.replace(old, new))
    assert re.search(expected, message), message
    assert "hunter2" not in message


@pytest.mark.parametrize(
    ("registration", "expected"),
    [
        ("", r"registration\.yaml: as_token is missing, here and in the settings as_token and as_token_file"),
        (REGISTRATION.replace(AS_TOKEN, ""), r"as_token is missing"),
        (REGISTRATION.replace(AS_TOKEN, "two words"), r"as_token must be printable ASCII text without spaces"),
        (REGISTRATION.replace(AS_TOKEN, "12345"), r"as_token must be printable ASCII .* in quotes if it is a number"),
        (REGISTRATION.replace(AS_TOKEN, HS_TOKEN), r"as_token and hs_token are the same"),
        (REGISTRATION.replace("id: oshiyakusho", ""), r"id is missing"),
        (REGISTRATION.replace("shiyakusho\n", "Shi Yakusho\n"), r"sender_localpart is missing or is none"),
        ("- a", r"the registration must consist of `key: value` lines"),
    ],
)
def test_a_registration_that_does_not_serve_is_named(place: Path, registration: str, expected: str) -> None:
    (place / "registration.yaml").write_text(registration)
    message = mistake(place)
    assert re.search(expected, message), message


def test_a_file_that_is_missing_or_unreadable_is_named(place: Path) -> None:
    with pytest.raises(Misconfigured, match="the configuration is missing"):
        load_settings(place / "nothing.yaml")
    with pytest.raises(Misconfigured, match="is not a file"):
        load_settings(place)
    (place / "config.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(Misconfigured, match="is not UTF-8 text"):
        load_settings(place / "config.yaml")
    (place / "config.yaml").write_text("a: b\n" * 300_000)
    with pytest.raises(Misconfigured, match="larger than 1 MiB"):
        load_settings(place / "config.yaml")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("OSHIYAKUSHO_LISTN", r"OSHIYAKUSHO_LISTN; did you mean OSHIYAKUSHO_LISTEN\?"),
        ("OSHIYAKUSHO_HOMESERVER", r"variable OSHIYAKUSHO_HOMESERVER; did you mean OSHIYAKUSHO_HOMESERVER__URL\?"),
        ("OSHIYAKUSHO_CONCURRENCY", r"the environment variable OSHIYAKUSHO_CONCURRENCY: concurrency must be a whole"),
        ("OSHIYAKUSHO_LOG__LEVEL", r"the environment variable OSHIYAKUSHO_LOG__LEVEL: log\.level must be 'debug'"),
    ],
)
def test_a_mistake_in_the_environment_names_the_variable(
    place: Path, monkeypatch: pytest.MonkeyPatch, name: str, expected: str
) -> None:
    monkeypatch.setenv(name, "hunter2")
    message = mistake(place)
    assert re.search(expected, message), message
    assert "hunter2" not in message


def test_every_key_says_what_it_does_and_shows_an_example() -> None:
    def fields(model: type) -> Iterator[tuple[str, str | None, list[object] | None]]:
        for name, info in model.model_fields.items():  # type: ignore[attr-defined]
            if hasattr(info.annotation, "model_fields"):
                yield from fields(info.annotation)
            else:
                yield name, info.description, info.examples

    found = list(fields(Keys))
    assert len(found) == len(list(known_keys(Keys)))
    for name, description, examples in found:
        assert description, name
        assert "default" in description, name
        assert examples, name


def test_every_example_is_itself_accepted(place: Path) -> None:
    """Examples are what a mistake's sentence shows, so they must be right."""
    for field in ("web_listen", "display_name", "concurrency", "data", "rooms", "secretariat", "database_url"):
        example = Keys.model_fields[field].examples
        assert example
        extra = "public_url: https://cityhall.example.jp\n" if field == "web_listen" else ""
        config = yaml.safe_load(CONFIG) | yaml.safe_load(f"{field}: {example[0]}\n{extra}")
        load(place, config=yaml.safe_dump(config))


WORDS = st.sampled_from([*known_keys(Keys), "homeserver", "log", "url", "self", "_env_file", "model_config", "<<", "~"])
KEYS = st.one_of(WORDS, st.text(max_size=8), st.integers(), st.none(), st.booleans())
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.dates(),
    st.sampled_from(["http://x", "@a:matrix.example.jp", "127.0.0.1:80", "sqlite:///a", "registration.yaml", "."]),
)
JUNK = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(KEYS, inner, max_size=4)),
    max_leaves=12,
)


@given(junk=st.dictionaries(KEYS, JUNK, max_size=6), whole=st.booleans())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_mapping_is_settings_or_one_sentence(place: Path, junk: dict[object, object], whole: bool) -> None:
    content = (yaml.safe_load(CONFIG) | junk) if whole else junk
    (place / "config.yaml").write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    settings_or_sentence(place)


@given(
    text=st.one_of(
        st.text(),
        st.text(alphabet=string.printable),
        st.text(alphabet="[]{}:,-&*!?|>'\"\\%@` \nab01.~<"),
        st.binary(),
        st.sampled_from(
            ["[" * 1500, "{a: " * 1500, "a: 0b_", "a: !!bool x", "a: !!timestamp x", "? [a]\n: b", "9" * 9000]
        ),
    )
)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_bytes_are_settings_or_one_sentence(place: Path, text: str | bytes) -> None:
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
    (place / "config.yaml").write_bytes(data)
    settings_or_sentence(place)
    (place / "config.yaml").write_text(CONFIG)
    registration = (place / "registration.yaml").read_bytes()
    (place / "registration.yaml").write_bytes(data)
    settings_or_sentence(place)
    (place / "registration.yaml").write_bytes(registration)


def settings_or_sentence(place: Path) -> None:
    try:
        found = load_settings(place / "config.yaml")
    except Misconfigured as error:
        assert_one_sentence(str(error))
    else:
        assert isinstance(found, Settings)


# --- e-mail, and the key that seals

MAIL = "mail: {host: mail.example.jp, sender: cityhall@example.jp, username: cityhall, password: smtp-secret}\n"


def test_mail_is_left_out_or_whole(place: Path) -> None:
    assert load(place).mail is None
    found = load(place, add=MAIL).mail
    assert found is not None
    assert (found.host, found.port, found.security, found.username) == (
        "mail.example.jp",
        587,
        Security.STARTTLS,
        "cityhall",
    )
    assert found.password == "smtp-secret"
    assert found.sender == Sender("cityhall@example.jp", "市役所")
    assert found.timeout.total_seconds() == 60
    assert "smtp-secret" not in repr(load(place))


def test_the_mail_password_comes_from_the_environment_or_a_file_too(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = MAIL.replace(", password: smtp-secret", "")
    (place / "mail.password").write_text("from-a-file\n")
    found = load(place, add=without.replace("}", ", password_file: mail.password}")).mail
    assert found is not None
    assert found.password == "from-a-file"
    monkeypatch.setenv("OSHIYAKUSHO_MAIL__PASSWORD", "from-the-environment")
    monkeypatch.setenv("OSHIYAKUSHO_MAIL__SENDER_NAME", "オンライン市役所")
    found = load(place, add=without).mail
    assert found is not None
    assert (found.password, found.sender.name) == ("from-the-environment", "オンライン市役所")


@pytest.mark.parametrize(
    ("mail", "told"),
    [
        ("{sender: a@example.jp}", "mail.host is missing"),
        ("{password: smtp-secret}", "mail.host is missing"),
        ("{host: mail.example.jp}", "mail.sender is missing"),
        ("{host: mail.example.jp, sender: a@example.jp, username: x}", "mail.username and mail.password"),
        ("{host: mail.example.jp, sender: a@example.jp, password: smtp-secret}", "mail.username and mail.password"),
        ("{host: mail.example.jp, sender: a@example.jp, security: none}", "mail.security is none"),
        ("{host: 10.0.0.1, sender: a@example.jp, security: none}", "mail.security is none"),
        ("{host: mail.example.jp, sender: a@example.jp, security: ssl}", "mail.security must be"),
        ("{host: 'mail.example.jp:25', sender: a@example.jp}", "mail.host must be the name"),
        ("{host: mail.example.jp, sender: 'City <a@example.jp>'}", "mail.sender must be a plain e-mail address"),
        ('{host: mail.example.jp, sender: "a@example.jp\\nBcc: b@example.jp"}', "mail.sender must be"),
        ('{host: mail.example.jp, sender: a@example.jp, sender_name: "x\\ny"}', "mail.sender_name must be"),
        ("{host: mail.example.jp, sender: a@example.jp, port: 0}", "mail.port must be at least 1"),
        ("{host: mail.example.jp, sender: a@example.jp, timeout: 101}", "mail.timeout must be at most 100"),
        ("{host: mail.example.jp, sender: a@example.jp, tls: yes}", "there is no key mail.tls"),
    ],
)
def test_a_mistake_about_mail_is_one_sentence(place: Path, mail: str, told: str) -> None:
    message = mistake(place, add=f"mail: {mail}\n")
    assert told in message
    assert "smtp-secret" not in message


def test_none_is_enough_for_a_mail_server_on_this_machine(place: Path) -> None:
    for host in ("localhost", "127.0.0.1", "'::1'"):
        found = load(place, add=f"mail: {{host: {host}, sender: a@example.jp, security: none}}\n").mail
        assert found is not None
        assert found.security is Security.NONE


def test_a_mail_password_in_a_file_that_all_can_read_is_warned_of(place: Path) -> None:
    load(place, add=MAIL)
    (place / "config.yaml").chmod(0o644)
    assert "config.yaml" in load(place, add=MAIL).warnings[0]


def test_a_key_beside_the_file_is_used_without_being_named(place: Path) -> None:
    assert (load(place).sealer, load(place).sealing_key_file) == (None, None)
    (place / "sealing.key").write_text(KEY)
    (place / "sealing.key").chmod(0o600)
    found = load(place)
    assert found.sealer is not None
    assert found.sealer.fingerprint == Sealer(KEY).fingerprint
    assert found.warnings == ()
    assert KEY not in repr(found)
    (place / "sealing.key").chmod(0o644)
    assert "sealing.key holds secrets" in load(place).warnings[0]


def test_a_key_in_the_environment_stands_in_for_the_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "sealing.key").write_text(new_key())
    monkeypatch.setenv("OSHIYAKUSHO_SEALING_KEY", f"{KEY} {new_key()}")
    found = load(place)
    assert found.sealer is not None
    assert found.sealer.fingerprint == Sealer(KEY).fingerprint
    assert len(found.sealer.fingerprints) == 2
    assert found.sealing_key_file is None
    assert "both set" in mistake(place, add="sealing_key_file: sealing.key\n")


def test_a_wrong_key_is_one_sentence_without_the_key(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "is missing" in mistake(place, add="sealing_key_file: nowhere.key\n")
    (place / "sealing.key").write_text("hunter2hunter2")
    message = mistake(place)
    assert "sealing.key, line 1: this is no key" in message
    assert "hunter2" not in message
    (place / "sealing.key").write_text("")
    assert "key new" in mistake(place)
    monkeypatch.setenv("OSHIYAKUSHO_SEALING_KEY", "hunter2hunter2")
    message = mistake(place)
    assert "OSHIYAKUSHO_SEALING_KEY" in message
    assert "hunter2" not in message


def test_a_key_among_the_data_is_refused_unless_it_was_put_there_expressly(place: Path) -> None:
    (place / "sealing.key").write_text(KEY)
    assert "lies in the directory for data" in mistake(place, add="data: .\n")
    assert load(place, add="data: .\nsealing_key_file: sealing.key\n").sealer is not None
    assert load(place, add="data: data\n").sealer is not None
    (place / "data").mkdir()
    (place / "data" / "elsewhere.key").write_text(KEY)
    (place / "sealing.key").unlink()
    (place / "sealing.key").symlink_to(place / "data" / "elsewhere.key")
    assert "lies in the directory for data" in mistake(place)


# --- accounts

SYNAPSE = "accounts: {provider: synapse, token: syt-secret}\n"
MAS = "accounts: {provider: mas, url: 'http://127.0.0.1:8081/', client_id: CITY, client_secret: mas-secret}\n"


def test_accounts_are_left_out_or_whole(place: Path) -> None:
    assert load(place).accounts is None
    assert load(place, add="accounts: {provider: none}\n").accounts is None
    synapse = load(place, add=SYNAPSE).accounts
    assert synapse == SynapseAccess(url="http://127.0.0.1:8008", token="syt-secret", where="matrix.example.jp")
    mas = load(place, add=MAS.replace("}", ", register_at: https://client.example.jp/#/register}")).accounts
    assert mas == MasAccess(
        url="http://127.0.0.1:8081",
        client_id="CITY",
        client_secret="mas-secret",
        where="https://client.example.jp/#/register",
    )
    for found in (synapse, mas):
        assert "secret" not in repr(found).replace("client_secret", "")


def test_the_secrets_of_accounts_come_from_the_environment_or_a_file_too(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place / "token").write_text("from-a-file\n")
    (place / "token").chmod(0o600)
    found = load(place, add="accounts: {provider: synapse, token_file: token}\n").accounts
    assert isinstance(found, SynapseAccess)
    assert found.token == "from-a-file"
    monkeypatch.setenv("OSHIYAKUSHO_ACCOUNTS__CLIENT_SECRET", "from-outside")
    given = load(place, add="accounts: {provider: mas, url: 'http://127.0.0.1:8081', client_id: CITY}\n").accounts
    assert isinstance(given, MasAccess)
    assert given.client_secret == "from-outside"


@pytest.mark.parametrize(
    ("accounts", "told"),
    [
        ("{provider: synapse}", "accounts.token is missing"),
        ("{provider: synapse, token: syt-secret, token_file: x}", "accounts.token and accounts.token_file"),
        ("{provider: synapse, token: syt-secret, client_id: a}", "are for mas"),
        ("{provider: mas, client_id: a, client_secret: mas-secret}", "what mas needs"),
        ("{provider: mas, url: 'http://127.0.0.1:1', client_id: a}", "what mas needs"),
        ("{provider: mas, url: 'http://127.0.0.1:1', client_id: a, token: syt-secret}", "is for the provider synapse"),
        ("{provider: keycloak}", "accounts.provider must be"),
        ("{token: syt-secret}", "is for the provider synapse"),
        ("{client_secret: mas-secret}", "are for mas"),
        ("{url: 'http://127.0.0.1:1'}", "accounts.provider is missing"),
        ("{provider: synapse, token: syt-secret, register_at: 'http://client.example.jp'}", "must begin with https"),
        ("{provider: synapse, token: syt-secret, register_at: 'https://client.example.jp/#/a b'}", "of a page"),
    ],
)
def test_a_mistake_about_accounts_is_one_sentence(place: Path, accounts: str, told: str) -> None:
    message = mistake(place, add=f"accounts: {accounts}\n")
    assert told in message
    assert "syt-secret" not in message
    assert "mas-secret" not in message


@pytest.mark.parametrize(
    ("file", "keys"),
    [
        ("as_token", "as_token_file: as_token\n"),
        ("hs_token", "hs_token_file: hs_token\n"),
        (
            "mail.password",
            "mail: {host: mail.example.jp, sender: a@example.jp, username: a, password_file: mail.password}\n",
        ),
        ("accounts.token", "accounts: {provider: synapse, token_file: accounts.token}\n"),
        (
            "mas.secret",
            "accounts: {provider: mas, url: 'http://127.0.0.1:1', client_id: a, client_secret_file: mas.secret}\n",
        ),
    ],
    ids=["as_token", "hs_token", "mail_password", "accounts_token", "accounts_client_secret"],
)
def test_each_file_of_a_secret_that_all_can_read_is_warned_of(place: Path, file: str, keys: str) -> None:
    secret = place / file
    secret.write_text("a-long-random-word-of-a-test\n")
    secret.chmod(0o644)
    assert secret in load(place, add=keys).open_files
    secret.chmod(0o600)
    assert secret not in load(place, add=keys).open_files


def test_a_token_of_an_administrator_in_a_file_that_all_can_read_is_warned_of(place: Path) -> None:
    (place / "config.yaml").write_text("")
    (place / "config.yaml").chmod(0o644)
    assert (place / "config.yaml") in load(place, add=SYNAPSE).open_files
