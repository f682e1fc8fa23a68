"""Kinds: from ``kinds.yaml`` to the domain, and what is wrong between the values of one kind.

Called by ``catalogue``. A room says only what differs from its kind; here both are laid over each other.
"""

from collections.abc import Iterator
from typing import Final

from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.divisions.catalogue.files import Finding, Loaded
from oshiyakusho_matrix.divisions.catalogue.schema import Access, KindModel, Kinds, RoomRules, SpaceRules
from oshiyakusho_matrix.divisions.catalogue.yaml_lines import Place
from oshiyakusho_matrix.divisions.domain import HALL, Allow, Audience, JoinRule, Kind, Names, Posting, RoomRule


def kind_of(key: str, model: KindModel) -> Kind:
    """Build the domain's kind."""
    rooms = tuple(rule_of(model, room) for room in model.rooms)
    return Kind(key=key, alias=model.alias, space=rule_of(model, model.space), rooms=rooms)


def rule_of(kind: KindModel, own: SpaceRules | RoomRules) -> RoomRule:
    """Lay what a room (or the space) says over what its kind says."""
    access = {name: getattr(own if name in own.model_fields_set else kind, name) for name in Access.model_fields}
    return RoomRule(
        key=own.key if isinstance(own, RoomRules) else "",
        name=Names(own.name.ja, own.name.en),
        topic=Names(own.topic.ja, own.topic.en),
        posting=own.posting,
        suggested=own.suggested,
        powers=dict(own.powers),
        stage=(own.stage or "") if isinstance(own, RoomRules) else "",
        news=own.news if isinstance(own, RoomRules) else False,
        **access,
    )


def kind_findings(loaded: Loaded[Kinds]) -> Iterator[Finding]:
    """Yield the mistakes between the values of each kind."""
    if loaded.model is None:
        return
    kinds = loaded.model.kinds
    if HALL not in kinds and loaded.complete:
        yield Finding(loaded.file, *loaded.model.place("kinds"), say('The kind "hall" is missing.'))
    # A kind that lost a value to a mistake reported already would contradict itself by the default in its place.
    lost = {loc[1] for loc in loaded.lost or () if len(loc) > 1}
    for key, kind in kinds.items():
        if key in lost:
            continue
        if key != HALL and "{slug}" not in kind.alias:
            sign = "{slug}"
            text = say("Without {placeholder} all spaces of this kind would have one alias.", placeholder=sign)
            yield Finding(loaded.file, *kind.place("alias"), text)
        yield from _own_findings(loaded.file, key, kind)
        yield from _stage_findings(loaded.file, kind)
        yield from _repeated_keys(loaded.file, kind)


#: What the hall has one of: what is said about another, and about none.
_ONE_EACH: Final = {
    Audience.SECRETARIAT: (
        say("The secretariat has one room, and it is a room of the hall; this would be another."),
        say("A room with the audience secretariat is missing: whoever is in it is the secretariat."),
    ),
    Audience.NOBODY: (
        say("People knock at one room, and it is a room of the hall; this would be another."),
        say(
            "A room with join_rule: knock and audience: nobody is missing: people knock there. As shipped, it is the "
            "one with the key genkan."
        ),
    ),
}


def _own_findings(file: str, key: str, kind: KindModel) -> Iterator[Finding]:
    found: dict[Audience, list[SpaceRules | RoomRules]] = {Audience.SECRETARIAT: [], Audience.NOBODY: []}
    owners: tuple[SpaceRules | RoomRules, ...] = (kind.space, *kind.rooms)
    for owner in owners:
        rule = rule_of(kind, owner)
        if rule.audience in found:
            found[rule.audience].append(owner)
        for field, text in (*_contradictions(rule), *(_about_root(rule) if key == HALL else ())):
            yield Finding(file, *_said_at(kind, owner, field), text)
    wanted = 1 if key == HALL else 0
    for audience, those in found.items():
        another, missing = _ONE_EACH[audience]
        for owner in those[wanted:]:
            yield Finding(file, *owner.place("audience", "key"), another)
        if len(those) < wanted:
            yield Finding(file, *kind.place("rooms"), missing)


def _stage_findings(file: str, kind: KindModel) -> Iterator[Finding]:
    pairs: dict[str, list[RoomRules]] = {}
    news = [room for room in kind.rooms if room.news]
    for room in kind.rooms:
        if room.stage is not None:
            pairs.setdefault(room.stage, []).append(room)
    for owner in (kind.space, *kind.rooms):
        if owner.posting is Posting.SPEAKERS and (not isinstance(owner, RoomRules) or owner.stage is None):
            text = say("Where speakers write is a stage: write stage, and the same for the room of its audience.")
            yield Finding(file, *owner.place("posting"), text)
    for name, rooms in pairs.items():
        if sorted(room.posting for room in rooms) != [Posting.ALL, Posting.SPEAKERS]:
            text = say(
                'The stage "{name}" needs two rooms: one with posting: speakers, one with posting: all.', name=name
            )
            yield Finding(file, *rooms[0].place("stage"), text)
    for room in news[1:]:
        yield Finding(file, *room.place("news"), say("A space has one room for news; this would be another."))


def _said_at(kind: KindModel, own: SpaceRules | RoomRules, field: str) -> Place:
    """Return where a value is said: by the room, else by its kind, else (a default) where the room begins."""
    if field in own.model_fields_set:
        return own.place(field)
    if field in kind.model_fields_set or not own.model_fields_set:
        return kind.place(field)
    return own.place()


def _contradictions(rule: RoomRule) -> Iterator[tuple[str, Text]]:
    restricted = rule.join_rule is JoinRule.RESTRICTED
    if rule.audience is not Audience.ANYONE and rule.join_rule is JoinRule.PUBLIC:
        yield "join_rule", say("What has a gate cannot be public. A room without a gate has the audience anyone.")
    if rule.audience is Audience.SECRETARIAT and restricted:
        yield "join_rule", say("A room of the secretariat must have the join_rule invite.")
    if rule.audience is Audience.NOBODY and (rule.join_rule is not JoinRule.KNOCK or not rule.key):
        yield "audience", say("The audience nobody is for the room at which people knock: write join_rule: knock.")
    if rule.audience is not Audience.NOBODY and rule.join_rule is JoinRule.KNOCK:
        yield (
            "join_rule",
            say(
                "Whoever knocks and takes the knock back can read on some homeservers who is inside. People knock at "
                "the room with the audience nobody; write invite here."
            ),
        )
    if not rule.key and restricted and rule.allow is Allow.SPACE:
        yield "allow", say("A space cannot let in its own members only; write allow: hall under space.")


def _about_root(rule: RoomRule) -> Iterator[tuple[str, Text]]:
    if rule.key:
        return
    if rule.join_rule is JoinRule.RESTRICTED:
        yield "join_rule", say("The hall cannot be restricted to members of the hall; write invite.")
    if rule.audience is not Audience.MEMBERS:
        yield "audience", say("The hall must have the audience members: membership of the hall opens all the rest.")


def _repeated_keys(file: str, kind: KindModel) -> Iterator[Finding]:
    lines: dict[str, int] = {}
    for room in kind.rooms:
        place = room.place("key")
        if room.key in lines:
            text = say(
                'Two rooms of this kind have the key "{key}"; first in line {line}.', key=room.key, line=lines[room.key]
            )
            yield Finding(file, *place, text)
        lines.setdefault(room.key, place.line)
