"""The city hall that comes with the product is sound, complete, and described by the published schemas."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.divisions.catalogue import (
    check,
    json_schemas,
    load_declaration,
    shipped_directory,
    write_schemas,
)
from oshiyakusho_matrix.divisions.desired import alias_localpart
from oshiyakusho_matrix.divisions.domain import Audience, Declaration, JoinRule, Posting, RoomRule

ATTESTED = [
    "zaisei", "sdgs-kanmin", "yameyou", "omatsuri", "game", "shiminzei", "shisanzei", "saiken", "seiho-cw",
    "kansensho", "bosai", "koei-jutaku", "kokusai", "rekishi", "toshoshitsu", "writing", "graphic", "powerpoint",
    "programming", "hokenshitsu", "kosodate-salon", "ongaku", "manga",
]  # fmt: skip
ROOMS = shipped_directory()
FILES = sorted(path.relative_to(ROOMS).as_posix() for path in ROOMS.rglob("*.yaml"))


@pytest.fixture(scope="module")
def declared() -> Declaration:
    return load_declaration(ROOMS)


def test_nothing_is_found_in_it() -> None:
    assert [(f.file, f.line, plain(f.message)) for f in check(ROOMS)] == []


def test_it_holds_every_attested_division_and_every_prefecture(declared: Declaration) -> None:
    counts = Counter(space.kind for space in declared.spaces.values())
    assert counts["hall"] == 1
    assert 50 <= counts["division"] <= 60
    assert len(ATTESTED) == 23
    assert {slug for slug in ATTESTED if declared.spaces[slug].kind == "division"} == set(ATTESTED)
    circles = [slug for slug, space in declared.spaces.items() if space.kind == "kenjinkai"]
    assert circles == [f"kenjinkai-{number:02d}" for number in range(1, 48)]
    assert declared.spaces["kenjinkai-01"].name.ja == "北海道人会"
    assert declared.spaces["kenjinkai-13"].purpose.ja.startswith("東京都人会です。")


def test_no_space_has_more_children_than_a_federated_lobby_lists(declared: Declaration) -> None:
    children = Counter(space.parent for space in declared.spaces.values())
    rooms = {slug: len(declared.kinds[space.kind].rooms) for slug, space in declared.spaces.items()}
    assert max(children[slug] + rooms[slug] for slug in declared.spaces) < 50


def test_divisions_lie_behind_restricted_groups(declared: Declaration) -> None:
    in_the_hall = {space.kind for space in declared.spaces.values() if space.parent == declared.hall}
    assert in_the_hall == {"group", "broadcasts"}
    assert {declared.kinds[kind].space.join_rule for kind in in_the_hall} == {JoinRule.RESTRICTED}


def test_the_gate_stands_everywhere_but_at_the_entrance(declared: Declaration) -> None:
    rules = {(kind.key, rule.key): rule for kind in declared.kinds.values() for rule in (kind.space, *kind.rooms)}
    join_rules = {where: rule.join_rule for where, rule in rules.items() if rule.join_rule is not JoinRule.RESTRICTED}
    assert join_rules == {
        ("hall", ""): JoinRule.INVITE,
        ("hall", "jimukyoku"): JoinRule.INVITE,
        ("hall", "genkan"): JoinRule.KNOCK,
    }
    assert {where for where, rule in rules.items() if rule.audience is not Audience.MEMBERS} == {
        ("hall", "jimukyoku"),
        ("hall", "genkan"),
    }
    assert [where for where, rule in rules.items() if not rule.federate] == [("hall", "jimukyoku")]


def test_a_division_has_its_three_rooms(declared: Declaration) -> None:
    rooms = declared.kinds["division"].rooms
    assert [(room.key, room.posting) for room in rooms] == [
        ("oshirase", Posting.HEADS),
        ("soudan", Posting.ALL),
        ("danwa", Posting.ALL),
    ]
    assert [room.name.ja.format(name="みんなの財政課") for room in rooms] == [
        "みんなの財政課 お知らせ",
        "みんなの財政課 相談室",
        "みんなの財政課 談話室",
    ]
    assert declared.kinds["division"].space.posting is Posting.BOT


def test_each_room_has_an_alias_of_its_own_in_the_reserved_namespaces(declared: Declaration) -> None:
    def rules(kind: str) -> tuple[RoomRule, ...]:
        return (declared.kinds[kind].space, *declared.kinds[kind].rooms)

    aliases = [
        alias_localpart(declared.kinds[space.kind], slug, rule)
        for slug, space in declared.spaces.items()
        for rule in rules(space.kind)
    ]
    assert len(set(aliases)) == len(aliases)
    assert {"cityhall", "cityhall-genkan", "cityhall-kikaku", "ka-zaisei-soudan", "kenjinkai-47-danwa"} <= set(aliases)


def test_the_committed_schemas_are_current(tmp_path: Path) -> None:
    write_schemas(tmp_path)
    written = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    committed = {path.name: path.read_text(encoding="utf-8") for path in (ROOMS / "schema").iterdir()}
    assert committed == written, "run write_schemas(Path('rooms/schema'))"


@pytest.mark.parametrize("file", FILES)
def test_a_shipped_file_names_its_schema_and_fits_it(file: str) -> None:
    text = (ROOMS / file).read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    assert first.startswith("# yaml-language-server: $schema=")
    schema_path = (ROOMS / file).parent / first.partition("$schema=")[2]
    assert schema_path.is_file()
    schema: dict[str, Any] = json.loads(schema_path.read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(schema).validate(yaml.safe_load(text))


@pytest.mark.parametrize("name", sorted(json_schemas()))
def test_a_schema_is_one_and_refuses_an_unknown_key(name: str) -> None:
    schema = json_schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    errors = jsonschema.Draft202012Validator(schema).iter_errors({"no-such-key": 1})
    assert any(error.validator == "additionalProperties" for error in errors)
