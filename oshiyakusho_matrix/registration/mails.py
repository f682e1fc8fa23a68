"""What is mailed to applicants: a code, that something is asked, what was decided. Plain words, no links.

Work mailboxes are often behind gateways that strip or follow links, and may be shared: so nothing but the code of an
address' own proof stands in a mail, and everything else on the status page (domain facts: LGWAN 無害化).
"""

from collections.abc import Callable
from dataclasses import dataclass

from oshiyakusho_matrix.core.text import Text, say

#: Puts a text into a language, without any mark-up.
Words = Callable[[Text, str], str]


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail before it is put into a language; its paragraphs stand apart."""

    subject: Text
    paragraphs: tuple[Text, ...]


def code_letter(code: str, *, reference: str, minutes: int, page: str) -> Letter:
    """Return the mail with a code: in the subject and in the first line."""
    return Letter(
        say("{code} is your code for the online city hall", code=code),
        (
            say("Code: {code}", code=code),
            say(
                "Type it into the page on which you are registering. It can be used for {minutes} minutes.",
                minutes=minutes,
            ),
            _where(reference, page),
            say(
                "If you have not registered, somebody mistyped an address. You need not do anything: nothing happens "
                "without the code."
            ),
        ),
    )


def question_letter(*, reference: str, page: str) -> Letter:
    """Return the mail that says that the secretariat asks something."""
    return Letter(
        say("The online city hall asks you something ({reference})", reference=reference),
        (
            say("The secretariat has a question about your application. Please read and answer it on the status page."),
            _where(reference, page),
        ),
    )


def approved_letter(*, reference: str, page: str, has_account: bool) -> Letter:
    """Return the mail that says that an application was approved."""
    what = (
        say("Your application was approved. An invitation is waiting in your Matrix app.")
        if has_account
        else say("Your application was approved. The status page tells you how to make your account.")
    )
    subject = say("Your application to the online city hall was approved ({reference})", reference=reference)
    return Letter(subject, (what, _where(reference, page)))


def rejected_letter(*, reference: str, page: str) -> Letter:
    """Return the mail that says that an application was not approved."""
    return Letter(
        say("Your application to the online city hall ({reference})", reference=reference),
        (
            say("Your application could not be approved. The status page tells you why."),
            _where(reference, page),
        ),
    )


def _where(reference: str, page: str) -> Text:
    return say(
        "Reference number: {reference}",
        say("Status page: {page} (it asks for the secret that you noted down)", page=page),
        reference=reference,
    )
