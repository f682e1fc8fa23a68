"""The three-way merge of files, files as applied last, and records."""

from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from oshiyakusho_matrix.divisions.domain import (
    Audience,
    Declaration,
    JoinRule,
    Kind,
    Lifecycle,
    Names,
    Posting,
    RoomRule,
    Space,
)
from oshiyakusho_matrix.divisions.merge import HeadChange, Merged, merge
from oshiyakusho_matrix.divisions.tables import SpaceRecord

SLUGS = ("zaisei", "juumin", "koen", "suido")
WORDS = st.sampled_from(["財政課", "公園課", "新しい名前", "x"])
HEADS = ("@kacho:city.example", "@hosa:city.example")
PLACES = ("kikaku", "zei")


def rule(topic: str = "t") -> RoomRule:
    return RoomRule(
        "",
        Names("{name}", "{name}"),
        Names(topic, topic),
        JoinRule.RESTRICTED,
        Audience.MEMBERS,
        Posting.ALL,
        "12",
        "shared",
    )


def kind(key: str, topic: str = "t") -> Kind:
    return Kind(key, f"{key}-{{slug}}", rule(topic), ())


NAMES = st.builds(Names, WORDS, WORDS)
KINDS = st.dictionaries(
    st.sampled_from(["division", "circle"]), st.sampled_from(["t", "u"]), min_size=1
).map(lambda found: {key: kind(key, topic) for key, topic in found.items()})  # fmt: skip


@st.composite
def space(draw: st.DrawFn, slug: str) -> Space:
    return Space(
        slug=slug,
        kind=draw(st.sampled_from(["division", "circle"])),
        parent=draw(st.sampled_from(PLACES)),
        name=draw(NAMES),
        purpose=draw(NAMES),
        order=draw(st.integers(0, 3)),
        heads=draw(st.sampled_from([(), HEADS[:1], HEADS[1:], HEADS])),
    )


def spaces() -> st.SearchStrategy[dict[str, Space]]:
    return st.sets(st.sampled_from(SLUGS)).flatmap(lambda slugs: st.fixed_dictionaries({s: space(s) for s in slugs}))


DECLARATIONS = st.builds(lambda kinds, found: Declaration("cityhall", kinds, found), KINDS, spaces())


@st.composite
def records(draw: st.DrawFn) -> dict[str, SpaceRecord]:
    """Records as any history of applying and of commands may have left them."""
    found = draw(spaces())
    return {
        slug: SpaceRecord(one, draw(st.sampled_from(Lifecycle)), draw(st.one_of(st.none(), space(slug))))
        for slug, one in found.items()
    }


def again(declaration: Declaration, merged: Merged) -> Merged:
    return merge(declaration, merged.kinds, merged.records)


@settings(deadline=None)
@given(DECLARATIONS, KINDS, records())
def test_applying_twice_changes_nothing_the_second_time(
    declaration: Declaration, kinds: Mapping[str, Kind], before: dict[str, SpaceRecord]
) -> None:
    first = merge(declaration, kinds, before)
    second = again(declaration, first)
    assert (second.changes, second.heads, second.kinds_changed) == ([], [], [])
    assert (second.records, second.kinds) == (first.records, first.kinds)


@settings(deadline=None)
@given(DECLARATIONS, KINDS, records(), st.data())
def test_what_was_changed_by_command_survives_files_that_did_not_change(
    declaration: Declaration, kinds: Mapping[str, Kind], before: dict[str, SpaceRecord], data: st.DataObject
) -> None:
    applied = merge(declaration, kinds, before).records
    changed = {
        slug: replace(
            record,
            space=replace(
                record.space,
                name=data.draw(NAMES),
                purpose=data.draw(NAMES),
                parent=data.draw(st.sampled_from(PLACES)),
            ),
            lifecycle=data.draw(st.sampled_from(Lifecycle)),
        )
        for slug, record in applied.items()
        if data.draw(st.booleans())
    }
    after = merge(declaration, declaration.kinds, {**applied, **changed})
    assert after.records == {**applied, **changed}
    assert after.changes == []


@settings(deadline=None)
@given(DECLARATIONS, KINDS, records())
def test_nothing_is_ever_taken_off_the_records(
    declaration: Declaration, kinds: Mapping[str, Kind], before: dict[str, SpaceRecord]
) -> None:
    merged = merge(declaration, kinds, before)
    assert merged.records.keys() == before.keys() | declaration.spaces.keys()
    assert merged.kinds == {**kinds, **declaration.kinds}
    for slug in before.keys() - declaration.spaces.keys():
        left = before[slug].declared is not None
        assert merged.records[slug].lifecycle is (Lifecycle.ARCHIVED if left else before[slug].lifecycle)
        assert merged.records[slug].space == before[slug].space


ONE = Space("zaisei", "division", "kikaku", Names("財政課", "Finance"), Names("財政", "Finance"), 1)


def declared(*found: Space) -> Declaration:
    return Declaration("cityhall", {"division": kind("division")}, {s.slug: s for s in found})


def test_only_the_field_that_changed_in_the_files_is_taken_over() -> None:
    edited = replace(ONE, purpose=Names("みんなの財政", "Finance"), parent="zei")
    before = {"zaisei": SpaceRecord(replace(edited, heads=()), Lifecycle.ACTIVE, ONE)}
    files = replace(ONE, name=Names("みんなの財政課", "Finance"))
    merged = merge(declared(files), {"division": kind("division")}, before)
    assert merged.records["zaisei"] == SpaceRecord(replace(edited, name=files.name), Lifecycle.ACTIVE, files)


def test_a_space_that_returns_to_the_files_is_active_again() -> None:
    gone = merge(declared(), {}, {"zaisei": SpaceRecord(ONE, Lifecycle.ACTIVE, ONE)}).records
    assert gone["zaisei"] == SpaceRecord(ONE, Lifecycle.ARCHIVED, None)
    assert merge(declared(ONE), {}, gone).records["zaisei"] == SpaceRecord(ONE, Lifecycle.ACTIVE, ONE)


def test_heads_change_where_the_files_do_and_nowhere_else() -> None:
    before = {"zaisei": SpaceRecord(ONE, Lifecycle.ACTIVE, replace(ONE, heads=HEADS[:1]))}
    assert merge(declared(replace(ONE, heads=HEADS[:1])), {}, before).heads == []
    assert merge(declared(replace(ONE, heads=HEADS[1:])), {}, before).heads == [
        HeadChange("zaisei", HEADS[1], appointed=True),
        HeadChange("zaisei", HEADS[0], appointed=False),
    ]
