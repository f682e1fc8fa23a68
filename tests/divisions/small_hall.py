"""The smallest sound city hall, as files; a test replaces one of them and looks at what is found."""

from pathlib import Path

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
    parent: kikaku
"""
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
      - key: genkan
        name: {ja: 玄関, en: Entrance}
        topic: {ja: 入り方, en: How to come in}
        join_rule: knock
        audience: nobody
  group:
    alias: cityhall-{slug}
  division:
    alias: ka-{slug}
    rooms:
      - key: danwa
        name: {ja: "{name} 談話室", en: "{name}: Common Room"}
        topic: {ja: "{purpose}", en: "{purpose}"}
"""
DIVISION = """\
slug: zaisei
name:
  ja: みんなの財政課
  en: Everyone's Finance Division
purpose: {ja: 財政, en: Finance}
group: kikaku
"""

SOUND = {"cityhall.yaml": CITYHALL, "kinds.yaml": KINDS, "divisions/zaisei.yaml": DIVISION}


def write_hall(directory: Path, files: dict[str, str | bytes | None]) -> Path:
    """Write the sound hall with ``files`` in the place of, or beside, its own; None leaves one out."""
    (directory / "divisions").mkdir(parents=True, exist_ok=True)
    for name, content in {**SOUND, **files}.items():
        if isinstance(content, bytes):
            (directory / name).write_bytes(content)
        elif content is not None:
            (directory / name).write_text(content, encoding="utf-8")
    return directory
