"""The registration: the file by which a homeserver knows us. ``init`` and the demo write it, the operator installs it.

All names that the city hall gives are reserved, so that nobody can put a room or an account of such a name in our
way. Source: https://spec.matrix.org/v1.16/application-service-api/#registration
"""

import re
from typing import Any

import yaml

from oshiyakusho_matrix.core.ids import GHOST_PREFIX

#: Localparts of the addresses of managed rooms begin with one of these.
ALIAS_PREFIXES = ("cityhall", "ka-", "kenjinkai-")


def registration(
    *,
    id: str,  # noqa: A002 - the word of the specification
    url: str,
    as_token: str,
    hs_token: str,
    server_name: str,
    sender_localpart: str = "shiyakusho",
) -> dict[str, Any]:
    """Return a registration as YAML values. ``url`` is where the homeserver reaches us, without a slash at its end.

    ``rate_limited: false`` exempts the bot and its ghosts from the homeserver's limits: provisioning makes hundreds of
    rooms. Typing, receipts and presence are of no use to us and are not asked for.
    """
    return {
        "id": id,
        "url": url.rstrip("/"),
        "as_token": as_token,
        "hs_token": hs_token,
        "sender_localpart": sender_localpart,
        "rate_limited": False,
        "receive_ephemeral": False,
        "namespaces": {
            "users": [
                _reserved("@", re.escape(sender_localpart), server_name),
                _reserved("@", f"{GHOST_PREFIX}[^:]*", server_name),
            ],
            "aliases": [_reserved("#", f"{prefix}[^:]*", server_name) for prefix in ALIAS_PREFIXES],
            "rooms": [],
        },
    }


def registration_yaml(values: dict[str, Any]) -> str:
    """Return the file's text. It holds two secrets: write it with mode 0600."""
    note = (
        "# Registration of oshiyakusho-matrix with the homeserver.\n"
        "# Synapse: name this file in app_service_config_files of homeserver.yaml, then restart it.\n"
        "# The two tokens are secrets; as_token may do anything as the accounts below.\n"
    )
    return note + yaml.safe_dump(values, sort_keys=False, allow_unicode=True)


def _reserved(sigil: str, localpart: str, server_name: str) -> dict[str, Any]:
    # A port or an IPv6 address may be part of the server's name; homeservers use different dialects of regular
    # expressions, so only what is special in all of them is escaped.
    server = re.sub(r"([.\[\]])", r"\\\1", server_name)
    return {"exclusive": True, "regex": f"^{sigil}{localpart}:{server}$"}
