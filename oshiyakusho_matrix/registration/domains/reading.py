"""Rules on domains as the secretariat writes them: one by one, or many as a CSV. Pure but for the list of bodies.

The CSV has a header line and a line for each domain. Columns, in any order, in English or Japanese: ``domain``
ドメイン, ``organisation`` 所属 (a code, or a name that only one body has), ``name`` 名称 (of a body outside of the
list), ``proves`` 証明 (``genuine`` 確認済, which an empty one is taken for, or ``review`` 要確認), ``note`` 備考.
"""

import csv
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import Text, fold, say, visible
from oshiyakusho_matrix.registration.addresses import parse_domain
from oshiyakusho_matrix.registration.domains.domain import Proves, Rule, Source
from oshiyakusho_matrix.roster.organisations import Organisation, Organisations

#: How many lines are taken at once, and how many bad ones are told.
MOST_LINES: Final = 2_000
_MOST_TOLD: Final = 20
#: Characters.
LONGEST_NAME: Final = 100
LONGEST_NOTE: Final = 200

_COLUMNS: Final = {"ドメイン": "domain", "所属": "organisation", "名称": "name", "証明": "proves", "備考": "note"}
_PROVES: Final = {
    "": Proves.GENUINE, "genuine": Proves.GENUINE, "確認済": Proves.GENUINE,
    "review": Proves.REVIEW, "要確認": Proves.REVIEW,
}  # fmt: skip


def find_body(organisations: Organisations, text: str) -> Organisation:
    """Return the body of this code or name; ``Refused`` if there is none, or several."""
    found = organisations.named(text)
    if not found:
        raise Refused(say("There is no organisation “{name}” in the list.", name=visible(text, limit=60)))
    if len(found) > 1:
        labels = "、".join(f"{each.label} {each.code}" for each in found)
        raise Refused(say("Several organisations have this name. Please give the code: {labels}", labels=labels))
    return found[0]


def read_rule(
    organisations: Organisations,
    *,
    domain: str,
    organisation: str,
    name: str,
    proves: Proves,
    note: str,
    source: Source,
) -> Rule:
    """Return the rule that somebody means; ``Refused`` says what is wrong with it."""
    domain, name, note = parse_domain(domain), visible(name, limit=LONGEST_NAME), visible(note, limit=LONGEST_NOTE)
    if organisation and name:
        raise Refused(say("Give an organisation of the list or the name of another one, not both."))
    if proves is Proves.GENUINE and not (organisation or name):
        raise Refused(say("Whose domain is that? Give an organisation of the list, or the name of another one."))
    body = find_body(organisations, organisation) if organisation else None
    return Rule(
        domain=domain,
        proves=proves,
        source=source,
        organisation=body.code if body else None,
        name=name or None,
        note=note,
    )


def read_csv(text: str, organisations: Organisations, *, check: Callable[[str, Proves], None]) -> Sequence[Rule]:
    """Read all rules of a CSV, or raise ``Refused``, which names each bad line. ``check`` may refuse a rule, too."""
    # Clients put what looks like a table into a block of code.
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if not line.strip().startswith("```")]
    lines = [(number, line) for number, line in lines if line.strip()]
    if not lines:
        raise Refused(say("The CSV is empty."))
    columns = _columns(lines[0][1])
    if len(lines) - 1 > MOST_LINES:
        raise Refused(say("These are more than {most} lines. Please send them in parts.", most=MOST_LINES))
    rules, wrong = dict[str, Rule](), list[Text]()
    for number, line in lines[1:]:
        try:
            rule = _line(line, columns, organisations)
            check(rule.domain, rule.proves)
        except Refused as refused:
            wrong.append(_wrong(number, refused.text))
        else:
            if rule.domain in rules:
                wrong.append(_wrong(number, say("{domain} is there twice.", domain=rule.domain)))
            rules[rule.domain] = rule
    if wrong:
        raise Refused(say("Nothing was taken, because of {count} bad lines:", *wrong[:_MOST_TOLD], count=len(wrong)))
    if not rules:
        raise Refused(say("There is no line below the header."))
    return list(rules.values())


def _wrong(number: int, reason: Text) -> Text:
    return say("- Line {number}: {reason}", number=number, reason=reason)


def _columns(header: str) -> Sequence[str]:
    columns = [_COLUMNS.get(name, name) for name in (fold(cell) for cell in next(csv.reader([header])))]
    unknown = [name for name in columns if name not in _COLUMNS.values()]
    if unknown or len(set(columns)) != len(columns) or not {"domain"} < set(columns):
        raise Refused(
            say("The first line must name the columns: {columns} (the last three may be left out).",
                columns="domain,organisation,name,proves,note")
        )  # fmt: skip
    return columns


def _line(line: str, columns: Sequence[str], organisations: Organisations) -> Rule:
    try:
        cells = [cell.strip() for cell in next(csv.reader([line], strict=True))]
    except csv.Error:
        raise Refused(say("The quotation marks do not fit together.")) from None
    if len(cells) != len(columns):
        raise Refused(say("There are {found} cells, but {wanted} columns.", found=len(cells), wanted=len(columns)))
    values: Mapping[str, str] = dict(zip(columns, cells, strict=True))
    proves = _PROVES.get(fold(values.get("proves", "")))
    if proves is None:
        raise Refused(say("The column “proves” can hold genuine or review."))
    return read_rule(
        organisations,
        domain=values["domain"],
        organisation=values.get("organisation", ""),
        name=values.get("name", ""),
        proves=proves,
        note=values.get("note", ""),
        source=Source.IMPORT,
    )
