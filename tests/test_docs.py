"""The documentation tells all there is and nothing that is not: held against commands, settings, schemas, tables."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncEngine
from typer.main import get_command

from oshiyakusho_matrix.app import CityHallApp
from oshiyakusho_matrix.cli import cli
from oshiyakusho_matrix.commands.audit import PATIENCE
from oshiyakusho_matrix.commands.confirmation import LIFECYCLE
from oshiyakusho_matrix.commands.confirmation import State as Confirmation
from oshiyakusho_matrix.commands.interface import Command, Role
from oshiyakusho_matrix.commands.reading.usage import PREFIX, usage
from oshiyakusho_matrix.commands.registry import Registry
from oshiyakusho_matrix.core.errors import CityHallError
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.sealing import Sealer, new_key
from oshiyakusho_matrix.divisions.catalogue import json_schemas, load_from, shipped_directory
from oshiyakusho_matrix.divisions.domain import Lifecycle
from oshiyakusho_matrix.homeserver.fake import FakeHomeserver
from oshiyakusho_matrix.homeserver.identity import Identity
from oshiyakusho_matrix.reconcile import policy
from oshiyakusho_matrix.registration.composition import Policy, Reception
from oshiyakusho_matrix.roster.domain import HallState, Standing, decide_invite
from oshiyakusho_matrix.settings.keys import Keys
from oshiyakusho_matrix.store.engine import create_engine
from oshiyakusho_matrix.web.markdown import anchor
from tests.support.mail import Mailbox
from tests.web.documents import (
    DOCUMENTS,
    LANGUAGES,
    ROOT,
    Invocation,
    code,
    handbook,
    invocations,
    table,
    tables,
)

PACKAGE = ROOT / "oshiyakusho_matrix"
ROLES = {
    "ja": {Role.ANYONE: "だれでも", Role.MEMBER: "会員", Role.SECRETARIAT: "事務局"},
    "en": {Role.ANYONE: "anyone", Role.MEMBER: "member", Role.SECRETARIAT: "secretariat"},
}
in_both = pytest.mark.parametrize("language", LANGUAGES)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """The commands as the house composes them; its database is never opened."""
    engine: AsyncEngine = create_engine(f"sqlite+aiosqlite:///{tmp_path / 'unused.sqlite3'}")
    homeserver = FakeHomeserver(UserId("@shiyakusho:example.jp"))
    identity = Identity(appservice_id="x", server_name="example.jp", bot=homeserver.bot)
    reception = Reception(
        sealer=Sealer(new_key()),
        mail=Mailbox().transport(),
        policy=Policy(public_url="https://cityhall.example.jp"),
    )
    app = CityHallApp(
        identity=identity,
        homeserver=homeserver,
        engine=engine,
        load=load_from(shipped_directory()),
        reception=reception,
    )
    return app.registry


@in_both
def test_every_command_is_told_with_both_names_and_who_may_use_it(registry: Registry, language: str) -> None:
    page = handbook(language, "secretariat")
    other = next(each for each in LANGUAGES if each != language)

    def row(command: Command[Any]) -> list[str]:
        usages = [f"`{usage(command, each)}`" for each in (language, other)]
        return [*usages, ROLES[language][command.role]]

    rows = table(page, "commands")
    assert [cells[:3] for cells in rows] == [row(command) for command in registry.commands]
    for command, cells in zip(registry.commands, rows, strict=True):
        assert ("✅" in cells[3]) is (command.preview is not None), cells
        assert (("監査に残" if language == "ja" else "Audited") in cells[3]) is command.audited, cells
        assert all(f"{PREFIX}{name}" in page for name in command.names)
    assert f"{PATIENCE.total_seconds() / 60:.0f} " in page


def keys(model: type[BaseModel], lead: str = "") -> Iterator[tuple[str, Any]]:
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield from keys(info.annotation, f"{name}.")
        else:
            yield lead + name, info


@in_both
def test_every_setting_is_told_with_its_default(language: str) -> None:
    required, none = {"ja": ("必須", "なし"), "en": ("required", "none")}[language]

    def default(info: Any) -> str:
        if info.is_required() or info.default is None:
            return required if info.is_required() else none
        return f"`{str(info.default).lower() if isinstance(info.default, bool) else info.default}`"

    rows = table(handbook(language, "administrators"), "settings")
    assert [cells[:2] for cells in rows] == [[f"`{name}`", default(info)] for name, info in keys(Keys)]
    if language == "en":
        assert [cells[2] for cells in rows] == [info.description for _, info in keys(Keys)]


def objects() -> dict[str, Mapping[str, Any]]:
    """All that has keys in the YAML files: ``division`` for a file, ``kinds.RoomRules`` for what lies inside."""
    found: dict[str, Mapping[str, Any]] = {}
    for file, schema in json_schemas().items():
        name = file.partition(".")[0]
        found[name] = schema["properties"]
        for inner, definition in schema["$defs"].items():
            if "properties" in definition:
                found[f"{name}.{inner}"] = definition["properties"]
    return found


@in_both
def test_every_key_of_the_yaml_files_is_told_where_it_may_stand(language: str) -> None:
    known, told = objects(), set[str]()
    for mark, (head, *rows) in tables(handbook(language, "rooms"), "keys"):
        places = mark.split()
        told |= set(places)
        assert {name for cells in rows for name in code(cells[0])} == {key for place in places for key in known[place]}
        if len(head) > 2:
            for cells in rows:
                marked = [cell == "●" for cell in cells[1:-1]]
                assert marked == [code(cells[0])[0] in known[place] for place in places], cells
    assert told == set(known)


@in_both
def test_every_value_that_a_yaml_key_may_have_is_told(language: str) -> None:
    definitions = json_schemas()["kinds.schema.json"]["$defs"]
    ((_, (_, *rows)),) = [t for t in tables(handbook(language, "rooms"), "keys") if "kinds.RoomRules" in t[0]]
    told = {code(cells[0])[0]: set(code(cells[-1])) for cells in rows}
    for key, rule in definitions["RoomRules"]["properties"].items():
        where = definitions[rule["$ref"].rpartition("/")[2]] if "$ref" in rule else rule
        if key != "room_version":
            assert set(where.get("enum", ())) <= told[key], key


def commands(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    inner = getattr(command, "commands", {})
    if not inner or command.params:
        yield words, command
    for name, each in inner.items():
        yield from commands(each, (*words, name))


def options(command: Any) -> set[str]:
    return {name for p in command.params for name in p.opts if name.startswith("--")} - {"--help"}


@in_both
def test_every_command_and_option_of_the_command_line_is_told(language: str) -> None:
    rows = table(handbook(language, "administrators"), "cli")
    told = {tuple(code(cells[0])[0].split()[1:]): set(code(cells[1])) for cells in rows}
    assert told == {words: options(command) for words, command in commands(get_command(cli))}


@pytest.mark.parametrize("call", sorted(set(invocations()), key=str), ids=lambda call: f"{call.where}: {call.words}")
def test_every_call_that_is_shown_is_understood(call: Invocation) -> None:
    command: Any = get_command(cli)
    rest = list(call.words)
    while rest and hasattr(command, "commands"):
        assert rest[0] in command.commands, f"there is no command {' '.join(call.words)}"
        command = command.commands[rest.pop(0)]
    # Parses, and complains of what is missing or unknown; runs nothing.
    command.make_context("oshiyakusho-matrix", rest, resilient_parsing=not call.complete)


def test_the_calls_are_found() -> None:
    found = {(Path(call.where).name, call.words[0]) for call in invocations() if call.complete}
    assert {("README.md", "init"), ("README.md", "serve"), ("administrators.md", "rooms")} <= found


@in_both
def test_every_examination_of_the_doctor_is_told(language: str) -> None:
    sources = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.glob("operations/doctor/*.py"))
    names = set(re.findall(r'(?:fine|warning|failed)\(\s*"([a-z_ ]+)"', sources))
    assert "clock" in names
    told = {name for cells in table(handbook(language, "administrators"), "doctor") for name in code(cells[0])}
    assert told == names | {"limit:…", "power:…"}


@in_both
def test_the_lifecycles_are_those_of_the_code(language: str) -> None:
    page = handbook(language, "how-it-works")
    assert [code(cells[0]) for cells in table(page, "standing")] == [[s.value] for s in Standing]
    assert [code(cells[0]) for cells in table(page, "hall-states")] == [[s.value] for s in HallState]
    assert {(code(a)[0], code(c)[0]) for a, _, c in table(page, "space")} == {
        (Lifecycle.ACTIVE, Lifecycle.ARCHIVED),
        (Lifecycle.ARCHIVED, Lifecycle.ACTIVE),
    }
    told = {(code(a)[0], code(b)[0]): code(c)[0] for a, b, c in table(page, "confirmation")}
    assert told == {(state.value, sign.value): after.value for (state, sign), after in LIFECYCLE.items()}
    assert {*(state for state, _ in told), *told.values()} == {state.value for state in Confirmation}


@in_both
def test_who_is_invited_is_told_as_it_is_decided(language: str) -> None:
    doing, nothing = {"ja": ("招待して", "なし"), "en": ("invite, then", "nothing")}[language]
    (mark_rows,) = [rows for mark, rows in tables(handbook(language, "how-it-works"), "table") if mark == "invite"]
    head, *rows = mark_rows
    assert [cell.strip("`") for cell in head[1:]] == [state.value for state in HallState]
    assert [cells[0].strip("`") for cells in rows] == ["join", "invite", "knock", "leave", "ban", nothing]
    for cells in rows:
        seen = None if cells[0] == nothing else cells[0].strip("`")
        for before, cell in zip(HallState, cells[1:], strict=True):
            invite, after = decide_invite(seen, before)
            assert cell == (f"{doing} `{after.value}`" if invite else f"`{after.value}`"), (seen, before)


@in_both
def test_the_errors_and_how_often_things_are_tried_are_those_of_the_code(language: str) -> None:
    page = handbook(language, "how-it-works")
    rows = {code(cells[0])[0]: cells for cells in table(page, "errors")}
    words = {error.__name__ for error in CityHallError.__subclasses__() if error.__module__.endswith("core.errors")}
    assert set(rows) == words
    numbers = [int(number) for number in re.findall(r"\d+", rows["Temporary"][2])]
    seconds = [int(delay.total_seconds()) for delay in (policy.FIRST_DELAY, policy.LONGEST_DELAY)]
    assert numbers == [*seconds, policy.TELL_ASKER_AFTER, policy.TELL_SECRETARIAT_AFTER]
    assert re.findall(r"\d+", page.rstrip().rpartition("\n")[2]) == [str(policy.BUG_RETRIES)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_link_leads_somewhere(document: Path) -> None:
    for link in re.findall(r"(?<!!)\[[^]]*\]\(([^)\s]+)\)", document.read_text(encoding="utf-8")):
        # What begins with $ is put in when the page is served.
        if link.startswith(("https://", "http://", "mailto:", "$")):
            continue
        path, _, fragment = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.is_file(), link
        if fragment:
            headings = re.findall(r"^#+ (.+)$", target.read_text(encoding="utf-8"), re.MULTILINE)
            assert fragment in {anchor(heading) for heading in headings}, link


def test_both_languages_have_the_same_pages_and_sections() -> None:
    def outline(language: str) -> dict[str, list[str]]:
        pages = sorted((PACKAGE / "web" / "handbook" / language).glob("*.md"))
        return {p.name: re.findall(r"^(#+) ", p.read_text(encoding="utf-8"), re.MULTILINE) for p in pages}

    assert outline("ja") == outline("en")
