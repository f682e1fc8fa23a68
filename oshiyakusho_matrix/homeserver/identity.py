"""Who this installation is: to its homeserver, and to people."""

from collections.abc import Sequence
from dataclasses import dataclass

from oshiyakusho_matrix.core.ids import UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this installation is to its homeserver. ``secretariat`` are those who are admitted at the first start."""

    appservice_id: str
    server_name: str
    bot: UserId
    display_name: str = "市役所"
    secretariat: Sequence[UserId] = ()
