"""Plans in words: as a tree for the command line and as a list for the bot. The same sentences for both."""

from collections.abc import Iterable, Iterator, Sequence

from oshiyakusho_matrix.core.text import Text, plain, say
from oshiyakusho_matrix.divisions.domain import Lifecycle
from oshiyakusho_matrix.divisions.drift import CHANGED
from oshiyakusho_matrix.divisions.merge import HeadChange, Merged, RecordChange
from oshiyakusho_matrix.divisions.planner import HallPlan
from oshiyakusho_matrix.reconcile.room_plan import Action, Conflict, CreateRoom, PutState, ReleaseAlias, TakeOut

#: A heading and what stands below it.
Branch = tuple[Text, Sequence[Text]]


def branches(plan: HallPlan) -> Iterator[Branch]:
    """Yield a plan as a tree of two levels: records first, then rooms."""
    yield from record_branches(plan.merged)
    if plan.no_members:
        yield (
            say("applying will be refused"),
            [
                say(
                    "{user} is not a member, so they cannot be head. Admit them first: `!member admit {user}`",
                    user=user,
                )
                for user in plan.no_members
            ],
        )
    for room in plan.rooms:
        if room.unknown is not None:
            yield (
                say("{room} (#{alias})", room=room.title, alias=room.alias_localpart),
                [say("could not be read, nothing is planned: {reason}", reason=room.unknown)],
            )
        else:
            title = say("{room} (#{alias})", room=room.title, alias=room.alias_localpart)
            yield title, _each_once(describe_action(a) for a in room.actions)


def _each_once(lines: Iterable[Text]) -> list[Text]:
    """Leave out repetitions: a space that gets two rooms has its list of rooms changed twice, one link each."""
    return list({plain(line): line for line in lines}.values())


def record_branches(merged: Merged) -> Iterator[Branch]:
    """Yield what would change on record."""
    new = [c for c in merged.changes if c.before is None]
    if new:
        yield (
            say("new spaces: {count}", count=len(new)),
            [say("{name} ({slug})", name=c.after.space.name.ja, slug=c.slug) for c in new],
        )
    for changed in merged.changes:
        if changed.before is not None:
            yield (
                say("{name} ({slug})", name=changed.after.space.name.ja, slug=changed.slug),
                list(_field_changes(changed)),
            )
    if merged.kinds_changed:
        yield say("changed kinds of spaces"), [say("{kind}", kind=kind) for kind in merged.kinds_changed]
    if merged.heads:
        yield say("heads"), [_head(change) for change in merged.heads]


def _field_changes(changed: RecordChange) -> Iterator[Text]:
    if changed.before is None:
        return
    before, after = changed.before.space, changed.after.space
    if changed.before.lifecycle is not changed.after.lifecycle:
        archived = changed.after.lifecycle is Lifecycle.ARCHIVED
        yield say("will be archived") if archived else say("will be opened again")
    pairs = (
        (say("name"), before.name.ja, after.name.ja),
        (say("English name"), before.name.en, after.name.en),
        (say("purpose"), before.purpose.ja, after.purpose.ja),
        (say("English purpose"), before.purpose.en, after.purpose.en),
        (say("group"), before.parent or "", after.parent or ""),
        (say("kind"), before.kind, after.kind),
        (say("place in the list"), str(before.order), str(after.order)),
    )
    for what, old, new in pairs:
        if old != new:
            yield say("{what}: {old} → {new}", what=what, old=old, new=new)


def _head(change: HeadChange) -> Text:
    if change.appointed:
        return say("{user} becomes head of {slug}", user=change.user_id, slug=change.slug)
    return say("{user} is head of {slug} no more", user=change.user_id, slug=change.slug)


def describe_action(action: Action) -> Text:
    """Say in a few words what an action does."""
    match action:
        case CreateRoom():
            return say("will be made")
        case ReleaseAlias(alias):
            return say("{alias} leads to a room that was never finished; the address is taken back", alias=alias)
        case PutState(_, event, undone):
            what = CHANGED.get(event.type, say("a setting"))
            if undone is not None:
                return say("{what} will be put back (changed by {who})", what=what, who=undone.sender)
            return say("{what} will be changed", what=what)
        case TakeOut(_, user_id):
            return say("{user} will be taken out", user=user_id)
        case Conflict(text):
            return text


def summary(merged: Merged) -> Text:
    """Say in one sentence what applying changes on record."""
    new = sum(c.before is None for c in merged.changes)
    return say(
        "On record: new spaces {new}, changed spaces {changed}, changes of heads {heads}.",
        new=new,
        changed=len(merged.changes) - new,
        heads=len(merged.heads),
    )
