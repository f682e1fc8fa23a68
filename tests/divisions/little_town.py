"""A small city hall with one of everything, for tests that run a whole one; ``write_town`` puts other files in."""

from pathlib import Path

from tests.divisions.small_hall import write_hall

KINDS = """\
kinds:
  hall:
    alias: cityhall
    space: {join_rule: invite}
    rooms:
      - key: jimukyoku
        name: {ja: 事務局室, en: Office}
        topic: {ja: 事務局, en: Secretariat}
        join_rule: invite
        audience: secretariat
        federate: false
      - key: genkan
        name: {ja: 玄関, en: Entrance}
        topic: {ja: 入り方, en: How to come in}
        join_rule: knock
        audience: nobody
        posting: bot
  group:
    alias: cityhall-{slug}
  division:
    alias: ka-{slug}
    rooms:
      - key: oshirase
        name: {ja: "{name} お知らせ", en: "{name}: News"}
        topic: {ja: "{purpose}", en: "{purpose}"}
        posting: heads
      - key: danwa
        name: {ja: "{name} 談話室", en: "{name}: Common Room"}
        topic: {ja: "{purpose}", en: "{purpose}"}
        suggested: true
"""
CITYHALL = """\
hall:
  slug: cityhall
  name: {ja: 市役所, en: City Hall}
  purpose: {ja: 学び合う, en: Learn}
groups:
  - slug: kikaku
    name: {ja: 企画, en: Planning}
    purpose: {ja: 計画, en: Plans}
  - slug: zei
    name: {ja: 税, en: Taxes}
    purpose: {ja: 税, en: Taxes}
"""
SECOND = """\
slug: juumin
name: {ja: 住民課, en: Residents Division}
purpose: {ja: 窓口, en: Counters}
group: zei
"""
TOWN: dict[str, str | bytes | None] = {
    "kinds.yaml": KINDS,
    "cityhall.yaml": CITYHALL,
    "divisions/juumin.yaml": SECOND,
}
#: Spaces and rooms that the town has: the hall with two rooms, two groups, two divisions with two rooms each.
ROOMS = 3 + 2 + 2 * 3


def write_town(directory: Path, files: dict[str, str | bytes | None] | None = None) -> Path:
    """Write the town with ``files`` in the place of, or beside, its own; None takes one out."""
    for name, content in (files or {}).items():
        if content is None:
            (directory / name).unlink(missing_ok=True)
    return write_hall(directory, {**TOWN, **(files or {})})


def division(slug: str, group: str = "zei", more: str = "") -> str:
    """Return the file of a further division with names of its own; ``more`` is further lines."""
    text = SECOND.replace("juumin", slug).replace("住民課", f"{slug}の課").replace("Residents", f"The {slug}")
    return text.replace("group: zei", f"group: {group}") + more
