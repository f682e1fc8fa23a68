"""Who makes Matrix accounts for those who have none, as the settings say it. ``loading`` calls it."""

from dataclasses import dataclass, field

from oshiyakusho_matrix.settings.keys import Keys


@dataclass(frozen=True, slots=True, kw_only=True)
class SynapseAccess:
    """How Synapse is asked for accounts; ``where`` people make them."""

    url: str
    token: str = field(repr=False)
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MasAccess:
    """How the Matrix Authentication Service is asked for accounts; ``where`` people make them."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    where: str


def access_of(keys: Keys, *, token: str | None, secret: str | None) -> SynapseAccess | MasAccess | None:
    """Return what the keys lead to, None where no accounts are made; ValueError where something is missing or too much.

    ``token`` and ``secret`` are those of the keys, or of the files that they name.
    """
    chosen = keys.accounts
    where = chosen.register_at or keys.homeserver.server_name
    if chosen.provider != "synapse" and token is not None:
        raise ValueError("accounts.token is for the provider synapse, so remove it or set accounts.provider to synapse")
    if chosen.provider != "mas" and (secret is not None or chosen.client_id is not None):
        raise ValueError(
            "accounts.client_id and its secret are for mas, so remove them or set accounts.provider to mas"
        )
    match chosen.provider:
        case "synapse":
            if token is None:
                raise ValueError("accounts.token is missing, the access token of an administrator of the homeserver")
            return SynapseAccess(url=chosen.url or keys.homeserver.url, token=token, where=where)
        case "mas":
            if chosen.url is None or chosen.client_id is None or secret is None:
                raise ValueError("accounts.url, accounts.client_id and accounts.client_secret are what mas needs")
            return MasAccess(url=chosen.url, client_id=chosen.client_id, client_secret=secret, where=where)
    if chosen.url is not None or chosen.register_at is not None:
        raise ValueError("accounts.provider is missing, which the other keys of accounts are about")
    return None
