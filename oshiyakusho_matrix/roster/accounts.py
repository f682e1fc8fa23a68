"""Whether somebody who is to be admitted exists, as far as our own homeserver can tell. Asked by ``!member admit``."""

import structlog

from oshiyakusho_matrix.core.errors import Permanent, Refused, Temporary
from oshiyakusho_matrix.core.ids import UserId, server_of
from oshiyakusho_matrix.core.text import say
from oshiyakusho_matrix.homeserver.interface import AccountReader

logger = structlog.get_logger(__name__)


async def refuse_nobody(accounts: AccountReader, user_id: UserId, server_name: str) -> None:
    """Refuse a mistyped name of our own server: whoever registered it later would be a member.

    What cannot be known is no reason to refuse: of other servers' users, or while the homeserver does not say.
    """
    if server_of(user_id) != server_name:
        return
    try:
        exists = await accounts.has_account(user_id)
    except (Temporary, Permanent) as error:
        logger.warning("whether an account exists could not be asked", reason=error.reason)
        return
    if not exists:
        raise Refused(
            say(
                "There is no account {user}, so nobody was admitted. Please check the spelling. If it is right, have "
                "them set a display name first, and admit them again.",
                user=user_id,
            )
        )
