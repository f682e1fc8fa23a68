"""What the registration desk stands on: the key that seals personal data, the mail server, and who makes accounts.

Called by ``examine``. No e-mail is sent, and no account is made.
"""

from collections.abc import Awaitable, Callable, Sequence

from oshiyakusho_matrix.core.errors import CityHallError
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.homeserver.interface import SignUp
from oshiyakusho_matrix.operations.doctor.findings import Examination, failed, fine, reason_of, warning
from oshiyakusho_matrix.outbox.interface import MailDelayed
from oshiyakusho_matrix.settings import Settings
from oshiyakusho_matrix.settings.accounts import MasAccess, SynapseAccess
from oshiyakusho_matrix.settings.reading import at
from oshiyakusho_matrix.settings.sealing import is_beside_the_data


async def check_key(settings: Settings, missing: Callable[[], Awaitable[Sequence[str]]]) -> Examination:
    """Is the key there that the database needs, and is it kept apart from the data?"""
    try:
        lost = await missing()
    except CityHallError as error:
        return failed("sealing key", reason_of(error), say("Run doctor again."))
    if lost:
        return failed(
            "sealing key",
            say("Personal data in the database is sealed with the key {key}, which is not there.", key=lost[0]),
            say(
                "Bring the key back from where you keep a copy. Only if it is lost for good: "
                "`oshiyakusho-matrix key forget {key}`.",
                key=lost[0],
            ),
        )
    if settings.sealer is None:
        if settings.mail is None:
            return fine("sealing key", say("There is no key, and nothing that needs one."))
        return failed(
            "sealing key",
            say("E-mail is set up, and there is no key to seal personal data with."),
            say(
                "Run `oshiyakusho-matrix key new --file {file}`.",
                file=at(settings.config.parent / "sealing.key"),
            ),
        )
    file = settings.sealing_key_file
    if file is not None and is_beside_the_data(file, settings.data, settings.database_url):
        return warning(
            "sealing key",
            say("{file} lies where the data is, so whoever gets hold of that has the key as well.", file=at(file)),
            say("Move the key to another directory, and name it in sealing_key_file."),
        )
    return fine("sealing key", say("Personal data is sealed with the key {key}.", key=settings.sealer.fingerprint))


async def check_mail(settings: Settings, examine: Callable[[], Awaitable[None]]) -> Examination:
    """Does the mail server take us? ``examine`` raises ``MailDelayed`` if it does not."""
    if settings.mail is None:
        return fine("mail", say("The registration desk is closed: there is no mail server in the settings."))
    try:
        await examine()
    except MailDelayed as error:
        return failed(
            "mail",
            say(
                "The mail server {host} does not take e-mail from us: {cause}",
                host=f"{settings.mail.host}:{settings.mail.port}",
                cause=error.cause,
            ),
            say(
                "Look whether it runs, and correct host, port, security, account and sender under mail in the settings."
            ),
        )
    if settings.public_url is None:
        return warning(
            "mail",
            say("E-mail is set up, but there are no public pages, so the registration desk is closed."),
            say("Set web_listen and public_url."),
        )
    return fine("mail", say("The mail server {host} takes e-mail from us.", host=settings.mail.host))


async def check_accounts(access: SynapseAccess | MasAccess, examine: Callable[[], Awaitable[SignUp]]) -> Examination:
    """May we make registration tokens, and does an account need one?"""
    try:
        sign_up = await examine()
    except CityHallError as error:
        mend = (
            say("Look at accounts.url, client_id and client_secret, and at the service's policy.data.admin_clients.")
            if isinstance(access, MasAccess)
            else say("Look at url and token under accounts: the token must be that of an administrator's account.")
        )
        return failed("accounts", reason_of(error), mend)
    mend = say(
        "Set enable_registration and registration_requires_token in homeserver.yaml, and restart the homeserver."
    )
    match sign_up:
        case SignUp.NOBODY:
            return failed("accounts", say("The homeserver lets nobody make an account, not even with a token."), mend)
        case SignUp.ANYBODY:
            return warning("accounts", say("Anybody can make an account on the homeserver, without a token."), mend)
        case SignUp.INVITED:
            return fine("accounts", say("Accounts are made with registration tokens, and we may make those."))
        case SignUp.UNKNOWN:
            return fine("accounts", say("We may make registration tokens. Whether an account needs one was not seen."))
