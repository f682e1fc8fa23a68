"""What applying ``rooms/`` does to the records: a three-way merge of files, files as applied last, and records. Pure.

A field that changed in the files since they were applied last is taken over; a field that was changed by command and
not in the files stays. A space that left the files is archived, never deleted. Used by ``rooms plan``
and ``rooms apply``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from oshiyakusho_matrix.divisions.domain import Declaration, Kind, Lifecycle, Space
from oshiyakusho_matrix.divisions.tables import SpaceRecord

_FIELDS = ("kind", "parent", "name", "purpose", "order")


@dataclass(frozen=True, slots=True)
class RecordChange:
    """One record that applying would change; ``before`` is None for a new one."""

    slug: str
    before: SpaceRecord | None
    after: SpaceRecord


@dataclass(frozen=True, slots=True)
class HeadChange:
    """A head that the files name now (``appointed``) or name no more."""

    slug: str
    user_id: str
    appointed: bool


@dataclass(frozen=True, slots=True)
class Merged:
    """The records as they would be after applying, and what changes."""

    kinds: Mapping[str, Kind]
    records: Mapping[str, SpaceRecord]
    changes: Sequence[RecordChange]
    heads: Sequence[HeadChange]
    kinds_changed: Sequence[str]


def merge(declaration: Declaration, kinds: Mapping[str, Kind], records: Mapping[str, SpaceRecord]) -> Merged:
    """Compute the records after applying ``declaration``."""
    after: dict[str, SpaceRecord] = {}
    for slug, declared in declaration.spaces.items():
        after[slug] = _merge_one(declared, records.get(slug))
    for slug, record in records.items():
        if slug in after:
            continue
        gone = record.declared is not None
        after[slug] = replace(record, lifecycle=Lifecycle.ARCHIVED, declared=None) if gone else record
    return Merged(
        # A kind that left the files stays on record, like the archived spaces of that kind.
        kinds={**kinds, **declaration.kinds},
        records=after,
        changes=[RecordChange(s, records.get(s), r) for s, r in after.items() if records.get(s) != r],
        heads=list(_head_changes(declaration, records)),
        kinds_changed=[k for k, kind in declaration.kinds.items() if kinds.get(k) != kind],
    )


def _merge_one(declared: Space, record: SpaceRecord | None) -> SpaceRecord:
    if record is None:
        return SpaceRecord(declared, Lifecycle.ACTIVE, declared)
    last = record.declared
    if last is None:
        # It was made by command, or archived when it left the files; from now on the files speak for it.
        return SpaceRecord(declared, Lifecycle.ACTIVE, declared)
    taken = {f: getattr(declared, f) for f in _FIELDS if getattr(declared, f) != getattr(last, f)}
    return SpaceRecord(replace(record.space, **taken, heads=declared.heads), record.lifecycle, declared)


def _head_changes(declaration: Declaration, records: Mapping[str, SpaceRecord]) -> Sequence[HeadChange]:
    changes = []
    for slug, declared in declaration.spaces.items():
        record = records.get(slug)
        last = record.declared.heads if record and record.declared else ()
        changes += [HeadChange(slug, user, appointed=True) for user in declared.heads if user not in last]
        changes += [HeadChange(slug, user, appointed=False) for user in last if user not in declared.heads]
    return changes
