"""The token that each form carries: that it came from here, and when. Used by ``dynamic``.

It authorises nothing, for there is nothing to be authorised by: no cookie, no session. It makes sending a form twice
the same as once, and keeps forms that were collected once from being sent for ever.
"""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Final

from oshiyakusho_matrix.core.clock import now

#: Long enough for a form that is left open over night. What is older is shown again, with all that was typed.
LASTS: Final = timedelta(hours=24)


class FormTokens:
    """``sign`` returns a keyed digest of a text, the same in every process that answers."""

    def __init__(self, sign: Callable[[str], str]) -> None:
        self._sign = sign

    def new(self) -> str:
        """Return a token; no two are the same, and nobody can guess one."""
        words = f"{int(now().timestamp()):x}.{secrets.token_hex(16)}"
        return f"{words}.{self._mark(words)}"

    def is_valid(self, token: str) -> bool:
        """Tell whether a token was made here, and recently."""
        words, _, mark = token.rpartition(".")
        if not token.isascii() or not compare_digest(mark, self._mark(words)):
            return False
        made = datetime.fromtimestamp(int(words.partition(".")[0], 16), UTC)
        return now() - made < LASTS

    def _mark(self, words: str) -> str:
        return self._sign(f"form\0{words}")
