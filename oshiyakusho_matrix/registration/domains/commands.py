"""``!domain``: which mail domains belong to which body. For the secretariat."""

from typing import Annotated, Any, Final

from pydantic import AfterValidator, BaseModel

from oshiyakusho_matrix.commands.interface import Answer, Call, Command, Role
from oshiyakusho_matrix.commands.reading.arguments import Option, Positional, Rest
from oshiyakusho_matrix.core.clock import JST
from oshiyakusho_matrix.core.errors import Refused
from oshiyakusho_matrix.core.text import Text, Value, fold, say
from oshiyakusho_matrix.registration.addresses import parse_domain
from oshiyakusho_matrix.registration.domains.domain import Proof, Proves, Rule, Source, Verdict
from oshiyakusho_matrix.registration.domains.reading import read_csv, read_rule
from oshiyakusho_matrix.registration.domains.service import DomainRules

#: How many rules one answer lists.
_MOST_LISTED: Final = 50


def _alone(text: str) -> str:
    # Refused while it is read: an address would come into the audit if it were refused later.
    if "@" in fold(text):
        raise Refused(say("Please give the domain alone, without what stands before the @."))
    return parse_domain(text)


def _one(text: str) -> str:
    # No word of it is repeated: each could be a part of an address.
    if len(text.split()) > 1:
        raise Refused(
            say("Please give one domain or one address, without spaces in it. Ask again for each further one.")
        )
    return text


Domain = Annotated[str, AfterValidator(_alone)]

_DOMAIN = Positional(ja="ドメイン", about=say("A mail domain, without what stands before the @."),
                     example="town-mori.example.jp")  # fmt: skip


class Add(BaseModel):
    """Arguments of ``!domain add``."""

    domain: Annotated[Domain, _DOMAIN]
    organisation: Annotated[
        str, Positional(ja="所属", about=say("Whose it is: a code of the list, or a name that only one has."),
                        example="013455")
    ] = ""  # fmt: skip
    name: Annotated[str, Option(ja="名称", about=say("Whose it is, if that is not in the list."))] = ""
    review: Annotated[
        bool, Option(ja="要確認", about=say("A mailbox there proves too little: a person looks at each applicant."))
    ] = False
    note: Annotated[str, Option(ja="備考", about=say("Why, in one sentence. No names of persons."), private=True)] = ""


class Find(BaseModel):
    """Arguments of ``!domain list``."""

    text: Annotated[str, Positional(ja="言葉", about=say("A part of the domain or of the organisation."))] = ""
    shipped: Annotated[bool, Option(ja="同梱", about=say("Lists what I came with instead."))] = False


class One(BaseModel):
    """Arguments of ``!domain remove``."""

    domain: Annotated[Domain, _DOMAIN]


class Check(BaseModel):
    """Arguments of ``!domain check``. All is taken, so an address with spaces is refused unrepeated."""

    domain: Annotated[
        str,
        AfterValidator(_one),
        Rest(ja="ドメイン", about=say("A mail domain or a mail address."), example="city.kobe.lg.jp", private=True),
    ]


class Import(BaseModel):
    """Arguments of ``!domain import``."""

    table: Annotated[
        str, Rest(ja="CSV", about=say("A header line and one line for each domain, as the handbook says."),
                  example="domain,organisation\ntown-mori.example.jp,013455", private=True)
    ]  # fmt: skip


def domain_commands(rules: DomainRules) -> tuple[Command[Any], ...]:
    """Return the commands about mail domains."""

    async def add(call: Call[Add]) -> Answer:
        a = call.arguments
        rule = read_rule(
            rules.organisations,
            domain=a.domain,
            organisation=a.organisation,
            name=a.name,
            proves=Proves.REVIEW if a.review else Proves.GENUINE,
            note=a.note,
            source=Source.SECRETARIAT,
        )
        rules.refuse_unsafe(rule.domain, rule.proves)
        before = await rules.look(call.tx.connection, rule.domain)
        await rules.add(call.tx, [rule], by=call.asker.user_id)
        after = await rules.look(call.tx.connection, rule.domain)
        warning = [_IMITATED] if before.suspicious and after.genuine else []
        text = say("That is noted. {verdict}", *warning, verdict=_verdict(after))
        return Answer(text, target=rule.domain)

    async def show_list(call: Call[Find]) -> Answer:
        found = await rules.listed(call.tx.connection, call.arguments.text, shipped=call.arguments.shipped)
        if not found:
            return Answer(say("Nothing of that kind is written down."))
        lines = [_line(rule, rules) for rule in found[:_MOST_LISTED]]
        if len(found) > _MOST_LISTED:
            lines.append(say("And {count} more. Add a word to narrow it down.", count=len(found) - _MOST_LISTED))
        return Answer(say("Domains that are written down: {count}", *lines, count=len(found)))

    async def remove(call: Call[One]) -> Answer:
        domain = call.arguments.domain
        await rules.remove(call.tx, domain)
        verdict = await rules.look(call.tx.connection, domain)
        return Answer(say("That is removed. {verdict}", verdict=_verdict(verdict)), target=domain)

    async def check(call: Call[Check]) -> Answer:
        verdict = await rules.look(call.tx.connection, parse_domain(call.arguments.domain))
        return Answer(_verdict(verdict), target=verdict.domain)

    async def preview_import(call: Call[Import]) -> Text:
        given = read_csv(call.arguments.table, rules.organisations, check=rules.refuse_unsafe)
        new = await rules.add(call.tx, given, by=call.asker.user_id)
        return say(
            "{count} domains would be written down: {new} new ones, and {changed} in place of what is there.",
            count=len(given), new=new, changed=len(given) - new,
        )  # fmt: skip

    async def take_import(call: Call[Import]) -> Answer:
        given = read_csv(call.arguments.table, rules.organisations, check=rules.refuse_unsafe)
        new = await rules.add(call.tx, given, by=call.asker.user_id)
        text = say(
            "{count} domains are written down: {new} new ones, and {changed} in place of what was there.",
            count=len(given), new=new, changed=len(given) - new,
        )  # fmt: skip
        return Answer(text, target=" ".join(rule.domain for rule in given))

    return (
        Command(
            names=("domain add", "ドメイン 追加"),
            summary=say("Writes down whose a mail domain is, and whether it proves employment."),
            role=Role.SECRETARIAT,
            arguments=Add,
            run=add,
            audited=True,
        ),
        Command(
            names=("domain list", "ドメイン 一覧"),
            summary=say("Lists the mail domains that are written down."),
            role=Role.SECRETARIAT,
            arguments=Find,
            run=show_list,
        ),
        Command(
            names=("domain remove", "ドメイン 削除"),
            summary=say("Takes back what is written down about a mail domain."),
            role=Role.SECRETARIAT,
            arguments=One,
            run=remove,
            audited=True,
        ),
        Command(
            names=("domain check", "ドメイン 確認"),
            summary=say("Tells what a mail domain proves, and why."),
            role=Role.SECRETARIAT,
            arguments=Check,
            run=check,
        ),
        Command(
            names=("domain import", "ドメイン 取込"),
            summary=say("Writes down many mail domains at once, from a CSV."),
            role=Role.SECRETARIAT,
            arguments=Import,
            run=take_import,
            preview=preview_import,
            audited=True,
        ),
    )


_IMITATED = say("Without this it would look like an imitation of a public body. Please make sure that it is none.")
_PROOFS = {
    Proof.GENUINE: say("proves employment"),
    Proof.UNKNOWN: say("a person decides"),
    Proof.SUSPICIOUS: say("suspicious, a person decides"),
}
_PROVES = {Proves.GENUINE: _PROOFS[Proof.GENUINE], Proves.REVIEW: _PROOFS[Proof.UNKNOWN]}
_SOURCES = {
    Source.RULE: say("came with me"),
    Source.SECRETARIAT: say("command"),
    Source.IMPORT: say("import"),
    Source.DECISION: say("decision on an application"),
}


def _verdict(verdict: Verdict) -> Text:
    return say("{domain}: {proof}. {reason}", domain=verdict.domain, proof=_PROOFS[verdict.proof],
               reason=verdict.reason)  # fmt: skip


def _line(rule: Rule, rules: DomainRules) -> Text:
    body = rules.organisations.get(rule.organisation) if rule.organisation else None
    values: dict[str, Value] = {
        "domain": rule.domain,
        "name": body.label if body else rule.name or rule.organisation or "–",
        "proof": _PROVES[rule.proves],
        "source": _SOURCES[rule.source],
    }
    if rule.added_at is None:
        return Text(_SHIPPED.msgid, values)
    values |= {"by": rule.added_by, "date": f"{rule.added_at.astimezone(JST):%Y-%m-%d}"}
    return Text(_NOTED.msgid, values | {"note": rule.note}) if rule.note else Text(_WRITTEN.msgid, values)


_SHIPPED = say("- {domain}: {name}, {proof} ({source})")
_WRITTEN = say("- {domain}: {name}, {proof} ({source}, {by}, {date})")
_NOTED = say("- {domain}: {name}, {proof} ({source}, {by}, {date}). {note}")
