"""Every mistake that an operator can make in ``rooms/`` is found, at its line, in words that say what to do."""

# ruff: noqa: E501  (a case is one line, so that what is written and what is found stand side by side)

from pathlib import Path

import pytest

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.text import plain
from oshiyakusho_matrix.divisions.catalogue import check, load_declaration
from oshiyakusho_matrix.divisions.catalogue.files import MAX_BYTES
from tests.divisions.small_hall import CITYHALL, DIVISION, KINDS, write_hall

Files = dict[str, str | bytes | None]
D = "divisions/zaisei.yaml"


def division(old: str, new: str) -> Files:
    return {D: changed(DIVISION, old, new)}


def kinds(old: str, new: str) -> Files:
    return {"kinds.yaml": changed(KINDS, old, new)}


def cityhall(old: str, new: str) -> Files:
    return {"cityhall.yaml": changed(CITYHALL, old, new)}


def changed(text: str, old: str, new: str) -> str:
    assert old in text
    return text.replace(old, new, 1)


def another(slug: str, more: str = "", file: str = "") -> Files:
    text = DIVISION.replace("slug: zaisei", f"slug: {slug}") + more
    text = text.replace("みんなの財政課", f"{slug}の課").replace("Everyone's Finance", f"The {slug}")
    return {file or f"divisions/{slug}.yaml": text}


NAMED = 'slug: bosai\nname: {{ja: {ja}, en: "{en}"}}\npurpose: {{ja: 防災, en: Safety}}\ngroup: zei\n'
CIRCLES = "kind: division\ngroup: zei\npurpose: {ja: a, en: a}\ncircles:\n  - {slug: kenjinkai-01, name: {ja: みんなの財政課, en: A}}\n"

LAST = '        topic: {ja: "{purpose}", en: "{purpose}"}\n'

ONE_MISTAKE: dict[str, tuple[Files, str, int, str]] = {
    # files
    "no hall": ({"cityhall.yaml": None}, "cityhall.yaml", 1, "This file is missing."),
    "no kinds": ({"kinds.yaml": None}, "kinds.yaml", 1, "This file is missing."),
    "an empty file": ({D: "# nothing yet\n"}, D, 1, "This file is empty."),
    "a list": ({D: "- a\n"}, D, 1, 'This file must be a mapping (lines of "key: value").'),
    "another encoding": ({D: "slug: zaisei\nname: 財政".encode("shift_jis")}, D, 2, "not UTF-8"),
    "a huge file": ({D: "#" * (MAX_BYTES + 1)}, D, 1, "larger than 1048576 bytes"),
    "a file of unknown name": ({"kind.yaml": ""}, "kind.yaml", 1, "Did you mean kinds.yaml?"),
    "a division at the top": ({"bosai.yaml": ""}, "bosai.yaml", 1, "divisions belong into divisions/"),
    "another ending": ({"divisions/bosai.yml": ""}, "divisions/bosai.yml", 1, "Files end in .yaml"),
    "a name that cannot be shown": (
        {"divisions/a\u202eb.yaml": ""},
        "divisions/ab.yaml",
        1,
        "The name of this file holds characters that cannot be shown.",
    ),
    # YAML
    "broken YAML": (division("group: kikaku", "group: kikaku: x"), D, 6, "mapping values are not allowed here"),
    "a tabulator": (division("  ja: み", "\tja: み"), D, 3, "This is not valid YAML"),
    "a control character": (division("財政,", "財\x07政,"), D, 5, "U+0007 is not allowed"),
    "a key twice": (division("group: kikaku", "slug: zaisei\ngroup: kikaku"), D, 6, '"slug" stands twice'),
    "an anchor": (division("kikaku", "&a kikaku"), D, 6, "Anchors (&) and aliases (*)"),
    "a bomb": ({D: "a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]\n"}, D, 1, "Anchors (&) and aliases (*)"),
    "a tag": (division("kikaku", "!!python/name:os.system kikaku"), D, 6, "Tags (!)"),
    "a deep nest": ({D: "slug: " + "[" * 500_000}, D, 1, "nested too deeply"),
    "two documents": (division("group: kikaku", "group: kikaku\n---\na: 1"), D, 7, "This is not valid YAML"),
    "a key that is a number": (division("group: kikaku", "group: kikaku\n7: x"), D, 7, "A key must be text."),
    "half a character": (division("{ja: 財政", '{ja: "\\uD800"'), D, 5, "lone surrogate"),
    "an escape out of range": (division("{ja: 財政", '{ja: "\\UFFFFFFFF"'), D, 5, "out of the range"),
    "an endless number": (division("group: kikaku", "group: kikaku\norder: " + "9" * 5000), D, 7, "too long"),
    # keys and types
    "an unknown key": (division("group: kikaku", "group: kikaku\nhaeds: []"), D, 7, 'Did you mean "heads"?'),
    "an unknown key below": (division("  en: Ev", "  fr: x\n  en: Ev"), D, 4, '"fr" is not known here. Known are: ja, en.'),
    "an unknown key in a room": (kinds("        topic: {ja: 事", "        topik: x\n        topic: {ja: 事"), "kinds.yaml", 8, 'mean "topic"?'),
    "a missing key": (division("group: kikaku\n", ""), D, 1, '"group" is missing.'),
    "a missing key below": (division("  ja: みんなの財政課\n", ""), D, 3, '"ja" is missing.'),
    "no value": (division("group: kikaku", "group:"), D, 6, '"group" has no value.'),
    "an empty text": (division("みんなの財政課", '" "'), D, 3, '"ja" has no value.'),
    "the word no": (division("みんなの財政課", "no"), D, 3, '"ja" must be text.'),
    "a list for text": (division("みんなの財政課", "[a]"), D, 3, '"ja" must be text.'),
    "text for a mapping": (division("{ja: 財政, en: Finance}", "財政"), D, 5, '"purpose" must be a mapping'),
    "text for a list": (division("group: kikaku", "group: kikaku\nheads: x"), D, 7, '"heads" must be a list'),
    "text for a number": (division("group: kikaku", "group: kikaku\norder: first"), D, 7, '"order" must be a whole number'),
    "a number too small": (division("group: kikaku", "group: kikaku\norder: -1"), D, 7, '"order" is too small'),
    "a number too large": (division("group: kikaku", "group: kikaku\norder: 99000"), D, 7, '"order" is too large'),
    "text for a truth": (kinds("alias: cityhall\n", "alias: cityhall\n    federate: perhaps\n"), "kinds.yaml", 4, '"federate" must be true or false'),
    # slugs, names, heads
    "a slug that is not ASCII": (division("slug: zaisei", "slug: 財政"), D, 1, '"財政" must be 2 to 40 characters'),
    "a slug in capitals": (division("slug: zaisei", "slug: Zaisei"), D, 1, '"Zaisei" must be 2 to 40 characters'),
    "a file of another name": (another("bosai", file="divisions/bousai.yaml"), "divisions/bousai.yaml", 1, "this would be divisions/bosai.yaml"),
    "a name too long": (division("みんなの財政課", "財" * 86), D, 3, "This has 258 bytes; 255 are allowed."),
    "a name too long for its rooms": (division("みんなの財政課", "財" * 84), D, 3, "The name of ka-zaisei-danwa would have 262 bytes"),
    "a purpose too long": (division("財政,", "財" * 334 + ","), D, 5, "This has 1002 bytes"),
    "text that is turned round": (division("みんなの財政課", "財政\u202e課"), D, 3, "U+202E hides"),
    "text that hides": (division("みんなの財政課", "財政\u200b課"), D, 3, "U+200B hides"),
    "an escaped line end": (division("みんなの財政課", '"財政\\n課"'), D, 3, "U+000A hides"),
    "a head that is none": (division("group: kikaku", "group: kikaku\nheads:\n  - '@a:b.example'\n  - akari"), D, 9, '"akari" is not a user id'),
    "a head as a link": (division("group: kikaku", "group: kikaku\nheads: ['https://matrix.to/#/@a:b']"), D, 7, "is not a user id"),
    "a head of a server with a dot too many": (division("group: kikaku", "group: kikaku\nheads: ['@a:b..example']"), D, 7, '"@a:b..example" is of a server that there cannot be.'),
    "a head of a server with a hyphen at its end": (division("group: kikaku", "group: kikaku\nheads: ['@a:b-.example']"), D, 7, "is of a server that there cannot be."),
    "a head of a port that there is not": (division("group: kikaku", "group: kikaku\nheads: ['@a:b.example:84480']"), D, 7, "is of a server that there cannot be."),
    "a head of half an address": (division("group: kikaku", "group: kikaku\nheads: ['@a:[::1::]']"), D, 7, "is of a server that there cannot be."),
    "a head twice": (division("group: kikaku", "group: kikaku\nheads: ['@a:b', '@a:b']"), D, 7, "A head is named twice."),
    # stages and news
    "speakers without a stage": (kinds(LAST, LAST + "        posting: speakers\n"), "kinds.yaml", 24, "Where speakers write is a stage"),
    "a space for speakers": (kinds("alias: ka-{slug}\n", "alias: ka-{slug}\n    space: {posting: speakers}\n"), "kinds.yaml", 20, "Where speakers write is a stage"),
    "a stage without seats": (kinds(LAST, LAST + "        posting: speakers\n        stage: hitotsu\n"), "kinds.yaml", 25, 'The stage "hitotsu" needs two rooms'),
    "seats without a studio": (kinds(LAST, LAST + "        stage: hitotsu\n"), "kinds.yaml", 24, 'The stage "hitotsu" needs two rooms'),
    "two rooms for news": (kinds(LAST, LAST + "        news: true\n      - {key: bb, name: {ja: b, en: b}, topic: {ja: b, en: b}, news: true}\n"), "kinds.yaml", 25, "one room for news"),
    # between files
    "a slug twice": (another("zei"), "divisions/zei.yaml", 1, 'The slug "zei" is taken: cityhall.yaml:9.'),
    "a Japanese name twice": ({"divisions/bosai.yaml": NAMED.format(ja="みんなの財政課", en="B")}, D, 3, 'The name "みんなの財政課" is taken: divisions/bosai.yaml:2.'),
    "an English name twice, in other letters": ({"divisions/bosai.yaml": NAMED.format(ja="防災課", en="Ｅveryone's FINANCE Division")}, D, 4, "is taken: divisions/bosai.yaml:2."),
    "a circle called like a division": ({"kenjinkai.yaml": CIRCLES}, "kenjinkai.yaml", 5, 'The name "みんなの財政課" is taken: divisions/zaisei.yaml:3.'),
    "a group called like another": (cityhall("{ja: 税, en: Taxes}", "{ja: 企画, en: Taxes}"), "cityhall.yaml", 10, 'The name "企画" is taken: cityhall.yaml:7.'),
    "an alias twice": (another("zaisei-danwa"), D, 1, "A room would have the alias ka-zaisei-danwa, which is taken: divisions/zaisei-danwa.yaml:1."),
    "a group called like a room of the hall": (cityhall("slug: zei", "slug: jimukyoku"), "cityhall.yaml", 9, "alias cityhall-jimukyoku, which is taken: cityhall.yaml:2"),
    "an unknown group": (division("group: kikaku", "group: kikakuu"), D, 6, 'There is no group "kikakuu". Did you mean "kikaku"?'),
    "a division in the hall itself": (division("group: kikaku", "group: cityhall"), D, 6, 'There is no group "cityhall". Known are: kikaku, zei.'),
    "an unknown kind": (division("group: kikaku", "group: kikaku\nkind: divison"), D, 7, 'There is no kind "divison". Did you mean "division"?'),
    "an unknown parent": (cityhall("parent: kikaku", "parent: fukushi"), "cityhall.yaml", 12, 'There is no group "fukushi"'),
    "a ring": (cityhall("    purpose: {ja: 計画, en: Plans}\n", "    purpose: {ja: 計画, en: Plans}\n    parent: zei\n"), "cityhall.yaml", 9, "kikaku → zei → kikaku"),
    "a group in itself": (cityhall("parent: kikaku", "parent: zei"), "cityhall.yaml", 12, "zei → zei"),
    "a second hall": (division("group: kikaku", "group: kikaku\nkind: hall"), D, 7, "There is one hall"),
    "a root of another kind": (cityhall("  slug: cityhall", "  kind: group\n  slug: cityhall"), "cityhall.yaml", 2, 'must be of the kind "hall"'),
    # kinds
    "no kind for the hall": ({"kinds.yaml": "kinds:\n" + KINDS[KINDS.index("  group:") :]}, "kinds.yaml", 2, 'The kind "hall" is missing.'),
    "a kind's name that is none": (kinds("  group:", "  A-Gruppe:\n    alias: ka-a-{slug}\n  group:"), "kinds.yaml", 16, '"A-Gruppe" must be 2 to 40'),
    "an unknown room version": (kinds("alias: ka-{slug}", 'alias: ka-{slug}\n    room_version: "5"'), "kinds.yaml", 20, '"5" is not possible for "room_version". Known are: 9, 10, 11, 12.'),
    "a room version as a number": (kinds("alias: ka-{slug}", "alias: ka-{slug}\n    room_version: 12"), "kinds.yaml", 20, "put the number in quotes"),
    "an unknown join rule": (kinds("        join_rule: invite", "        join_rule: open"), "kinds.yaml", 9, '"open" is not possible for "join_rule". Known are: knock,'),
    "a room for the world to read": (kinds("alias: ka-{slug}", "alias: ka-{slug}\n    history_visibility: world_readable"), "kinds.yaml", 20, "world_readable is refused"),
    "a gated kind that is public": (kinds("alias: ka-{slug}", "alias: ka-{slug}\n    join_rule: public"), "kinds.yaml", 20, "What has a gate cannot be public."),
    "a gated room that is public": (kinds("      - key: danwa", "      - key: danwa\n        join_rule: public"), "kinds.yaml", 22, "What has a gate cannot be public."),
    "an office anybody may enter": (kinds("        join_rule: invite\n", ""), "kinds.yaml", 6, "must have the join_rule invite"),
    "no office": (kinds("        audience: secretariat\n", ""), "kinds.yaml", 6, "audience secretariat is missing"),
    "a second office": (kinds("      - key: danwa", "      - key: danwa\n        join_rule: invite\n        audience: secretariat"), "kinds.yaml", 23, "this would be another"),
    "a hall that is knocked at": (kinds("{join_rule: invite}", "{join_rule: knock}"), "kinds.yaml", 4, "Whoever knocks and takes the knock back"),
    "a division that is knocked at": (kinds("alias: ka-{slug}", "alias: ka-{slug}\n    join_rule: knock"), "kinds.yaml", 20, "write invite here"),
    "no entrance": (kinds("        join_rule: knock\n        audience: nobody\n", "        join_rule: invite\n"), "kinds.yaml", 6, "As shipped, it is the one with the key genkan."),
    "an entrance for nobody to knock at": (kinds("join_rule: knock", "join_rule: invite"), "kinds.yaml", 15, "write join_rule: knock"),
    "a second entrance": (kinds("      - key: danwa", "      - key: danwa\n        join_rule: knock\n        audience: nobody"), "kinds.yaml", 23, "this would be another"),
    "a hall restricted to itself": (kinds("    space: {join_rule: invite}\n", ""), "kinds.yaml", 3, "The hall cannot be restricted"),
    "a hall without a gate": (kinds("{join_rule: invite}", "{join_rule: invite, audience: anyone}"), "kinds.yaml", 4, "The hall must have the audience members"),
    "a space restricted to itself": (kinds("alias: ka-{slug}", "alias: ka-{slug}\n    allow: space"), "kinds.yaml", 20, "write allow: hall under space"),
    "a kind without slugs": (kinds("alias: ka-{slug}", "alias: ka-x"), "kinds.yaml", 19, "Without {slug} all spaces"),
    "an alias with a server": (kinds("alias: ka-{slug}", 'alias: "#ka-{slug}:a"'), "kinds.yaml", 19, "without # and :"),
    "an alias that is not reserved": (kinds("alias: ka-{slug}", "alias: k{slug}"), "kinds.yaml", 19, "must begin with one of: cityhall, ka-, kenjinkai-."),
    "a slug whose alias is not reserved": (kinds("alias: ka-{slug}", 'alias: "{slug}"'), D, 1, "The alias zaisei must begin with one of"),
    "an alias too long": (kinds("alias: ka-{slug}", "alias: ka-" + "a" * 150 + "-{slug}"), D, 1, "153 bytes are left"),
    "a room twice": (kinds("      - key: danwa", "      - {key: danwa, name: {ja: a, en: a}, topic: {ja: a, en: a}}\n      - key: danwa"), "kinds.yaml", 22, 'key "danwa"; first in line 21.'),
    "an unknown placeholder": (kinds('"{name} 談話室"', '"{nmae} 談話室"'), "kinds.yaml", 22, "{nmae} is no placeholder here; known: {name}."),
    "an attribute in a placeholder": (kinds('"{name} 談話室"', '"{name.__class__}"'), "kinds.yaml", 22, "{name.__class__} is no placeholder"),
    "an open brace": (kinds('"{name} 談話室"', '"{name"'), "kinds.yaml", 22, "{ is no placeholder here"),
    "a power over the gate": (kinds("      - key: danwa", "      - key: danwa\n        powers: {m.room.join_rules: 50}"), "kinds.yaml", 22, "m.room.join_rules is kept by the city hall"),
    "a power beyond all": (kinds("      - key: danwa", "      - key: danwa\n        powers: {m.reaction: 101}"), "kinds.yaml", 22, '"m.reaction" is too large.'),
}  # fmt: skip


def test_the_sound_hall_is_sound(tmp_path: Path) -> None:
    assert check(write_hall(tmp_path, {})) == []
    assert list(load_declaration(tmp_path).spaces) == ["cityhall", "kikaku", "zei", "zaisei"]


@pytest.mark.parametrize(("files", "file", "line", "message"), ONE_MISTAKE.values(), ids=ONE_MISTAKE.keys())
def test_a_mistake_is_found_once_and_at_its_line(
    tmp_path: Path, files: Files, file: str, line: int, message: str
) -> None:
    found = check(write_hall(tmp_path, files))
    said = [(f.file, f.line, plain(f.message)) for f in found]
    assert [(each[0], each[1]) for each in said] == [(file, line)], said
    assert message in said[0][2]
    assert found[0].column >= 1
    with pytest.raises(Misconfigured, match=rf"{file}:{line}:"):
        load_declaration(tmp_path)


def test_all_mistakes_of_all_files_are_found_at_once(tmp_path: Path) -> None:
    files: Files = {
        "cityhall.yaml": CITYHALL.replace("parent: kikaku", "parnet: kikaku"),
        "kinds.yaml": KINDS.replace("        join_rule: invite", "        join_rule: public"),
        **division("group: kikaku", "group: nowhere\ncolour: red\norder: x"),
        **another("bosai", "heads: [nobody]\n"),
        **another("zei"),
    }
    found = check(write_hall(tmp_path, files))
    assert [(f.file, f.line) for f in found] == [
        ("cityhall.yaml", 12),
        ("divisions/bosai.yaml", 7),
        ("divisions/zaisei.yaml", 6),
        ("divisions/zaisei.yaml", 7),
        ("divisions/zaisei.yaml", 8),
        ("divisions/zei.yaml", 1),
        ("kinds.yaml", 9),
    ]
    with pytest.raises(Misconfigured, match=r"^\S*cityhall\.yaml:12:5: .* \(6 more; `rooms check` lists them\)$"):
        load_declaration(tmp_path)


@pytest.mark.parametrize(
    "files",
    [
        cityhall("slug: kikaku", "slug: 企画"),
        cityhall("    name: {ja: 企画, en: Planning}\n", ""),
        kinds("    alias: ka-{slug}\n", ""),
    ],
    ids=["a group of a bad slug", "a group without a name", "a kind without an alias"],
)
def test_what_may_follow_from_a_mistake_is_not_reported_beside_it(tmp_path: Path, files: Files) -> None:
    """A division in that group, or of that kind, is not called homeless as well."""
    assert len(check(write_hall(tmp_path, files))) == 1


def test_circles_share_one_mistake_of_their_file(tmp_path: Path) -> None:
    circles = "".join(f"  - {{slug: kenjinkai-{n:02d}, name: {{ja: a{n}, en: a{n}}}}}\n" for n in range(1, 48))
    text = f"kind: division\ngroup: nowhere\npurpose: {{ja: a, en: a}}\ncircles:\n{circles}"
    found = check(write_hall(tmp_path, {"kenjinkai.yaml": text}))
    assert [(f.file, f.line) for f in found] == [("kenjinkai.yaml", 2)]


def test_an_empty_directory_lacks_everything(tmp_path: Path) -> None:
    assert [f.file for f in check(tmp_path)] == ["cityhall.yaml", "kinds.yaml", "divisions"]


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    assert [plain(f.message) for f in check(tmp_path / "none")] == ["There is no such directory."]
    with pytest.raises(Misconfigured, match="There is no such directory"):
        load_declaration(tmp_path / "none")


def test_heads_may_be_of_any_server_that_can_be(tmp_path: Path) -> None:
    servers = ("b", "localhost:8448", "matrix.example.jp", "xn--eckwd4c7c.example", "192.0.2.1:8448", "[2001:db8::1]:1")
    heads = ", ".join(f"'@a:{server}'" for server in servers)
    assert check(write_hall(tmp_path, division("group: kikaku", f"group: kikaku\nheads: [{heads}]"))) == []


def test_a_group_and_a_division_may_share_a_name(tmp_path: Path) -> None:
    assert check(write_hall(tmp_path, division("みんなの財政課", "企画"))) == []


def test_what_is_not_ours_is_passed_over(tmp_path: Path) -> None:
    write_hall(tmp_path, {"README.md": "x", ".zaisei.yaml.swp": "x", "divisions/.hidden.yaml": "x"})
    (tmp_path / "schema").mkdir()
    (tmp_path / "divisions" / "old.yaml").mkdir()
    assert check(tmp_path) == []


def test_links_are_followed_and_broken_ones_reported(tmp_path: Path) -> None:
    """Kubernetes mounts a ConfigMap as links into a hidden directory."""
    write_hall(tmp_path, {})
    hidden = tmp_path / "divisions" / "..data"
    hidden.mkdir()
    (hidden / "bosai.yaml").write_text(str(another("bosai")["divisions/bosai.yaml"]), encoding="utf-8")
    (tmp_path / "divisions" / "bosai.yaml").symlink_to(hidden / "bosai.yaml")
    assert check(tmp_path) == []
    assert "bosai" in load_declaration(tmp_path).spaces
    (hidden / "bosai.yaml").unlink()
    assert [(f.file, plain(f.message)) for f in check(tmp_path)] == [("divisions/bosai.yaml", "This file is missing.")]


def test_a_room_says_only_what_differs_from_its_kind(tmp_path: Path) -> None:
    text = changed(KINDS, "alias: ka-{slug}", 'alias: ka-{slug}\n    room_version: "11"\n    federate: false')
    text = changed(
        text, "      - key: danwa", "      - key: danwa\n        federate: true\n        powers: {m.reaction: 0}"
    )
    kind = load_declaration(write_hall(tmp_path, {"kinds.yaml": text})).kinds["division"]
    assert (kind.space.room_version, kind.space.federate) == ("11", False)
    assert (kind.rooms[0].room_version, kind.rooms[0].federate, kind.rooms[0].powers) == ("11", True, {"m.reaction": 0})


def test_a_copy_that_left_the_divisions_out_is_no_city_hall_without_any(tmp_path: Path) -> None:
    rooms = write_hall(tmp_path / "rooms", {D: None})
    assert check(rooms) == []
    (rooms / "divisions").rmdir()
    (found,) = check(rooms)
    assert (found.file, plain(found.message)) == (
        "divisions",
        "There is no such directory. Without divisions, leave it empty.",
    )
    with pytest.raises(Misconfigured, match="There is no such directory"):
        load_declaration(rooms)
