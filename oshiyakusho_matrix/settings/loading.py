"""What an operator may set, read once at start from ``config.yaml``, the environment and the registration.

``cli.py`` and ``demo`` call ``load_settings`` and hand the frozen ``Settings`` to ``operations``; ``app`` and all below
know no configuration.
An environment variable ``OSHIYAKUSHO_KEY`` (``OSHIYAKUSHO_GROUP__KEY`` for a key inside a group) wins over the file.
Every mistake is one ``Misconfigured`` sentence that says where, which key, what is wrong and what is expected.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from pydantic import SecretStr, ValidationError

from oshiyakusho_matrix.broadcasts.links import LIVE_HOSTS
from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.ids import UserId
from oshiyakusho_matrix.core.sealing import Sealer
from oshiyakusho_matrix.outbox.interface import Sender
from oshiyakusho_matrix.outbox.smtp import MailServer, Security
from oshiyakusho_matrix.settings import accounts, sealing, values
from oshiyakusho_matrix.settings.accounts import MasAccess, SynapseAccess
from oshiyakusho_matrix.settings.keys import PREFIX, HomeserverKeys, Keys, LogKeys
from oshiyakusho_matrix.settings.reading import (
    Written,
    at,
    open_to_others,
    read_token,
    read_yaml,
    refuse_unknown_keys,
    refuse_unknown_variables,
    sentence,
    where,
)
from oshiyakusho_matrix.settings.values import Listen, Registration

#: Variables that are ours without being settings: where the configuration is; what Kubernetes and Docker links inject
#: for a service of this name (``OSHIYAKUSHO_MATRIX_PORT`` and so on).
NOT_SETTINGS = ("OSHIYAKUSHO_CONFIG", "OSHIYAKUSHO_MATRIX_")
SECRET_KEYS = frozenset(
    {
        ("as_token",),
        ("hs_token",),
        ("database_url",),
        ("sealing_key",),
        ("mail", "password"),
        ("accounts", "token"),
        ("accounts", "client_secret"),
    }
)
OPEN_TO_OTHERS = "{file} holds secrets and every account of this machine may read it: run `chmod o= {file}`."


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the house gets: checked, with absolute paths and the tokens. Secrets are kept out of its ``repr``.

    ``open_files`` hold secrets and can be read by every account of the machine: it works, but should not stay so.
    ``sealing_key_file`` is where the key was read from, if it was a file; ``sealer`` is None if there is no key.
    """

    config: Path
    homeserver: HomeserverKeys
    registration: Registration
    listen: Listen
    data: Path
    database_url: str = field(repr=False)
    rooms: Path
    secretariat: tuple[UserId, ...]
    web_listen: Listen | None = None
    public_url: str | None = None
    web_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    operator: str | None = None
    live_hosts: tuple[str, ...] = LIVE_HOSTS
    display_name: str = "市役所"
    log: LogKeys = LogKeys()
    concurrency: int = 8
    command_max_age: timedelta = timedelta(hours=1)
    automatic_approval: bool = False
    open_files: tuple[Path, ...] = ()
    mail: MailServer | None = None
    accounts: SynapseAccess | MasAccess | None = None
    sealer: Sealer | None = field(default=None, repr=False)
    sealing_key_file: Path | None = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """Sentences for the operator at start."""
        return tuple(OPEN_TO_OTHERS.format(file=at(file)) for file in self.open_files)

    @property
    def bot(self) -> UserId:
        """The bot's user id."""
        return UserId(f"@{self.registration.sender_localpart}:{self.homeserver.server_name}")


def load_settings(config: Path) -> Settings:
    """Read the configuration; nothing is written or created. Every mistake is one sentence of ``Misconfigured``."""
    refuse_unknown_variables(os.environ, Keys, PREFIX, NOT_SETTINGS)
    written = read_yaml(config, "the configuration")
    refuse_unknown_keys(config, written, Keys)
    try:
        keys = Keys(**written.values)
    except ValidationError as error:
        key, problem = sentence(error, Keys)
        raise Misconfigured(f"{where(config, key, written, PREFIX, os.environ)}: {problem}") from None
    try:
        return _resolve(config, keys, written)
    except ValueError as error:
        raise Misconfigured(f"{at(config)}: {error}.") from None


def _resolve(config: Path, keys: Keys, written: Written) -> Settings:
    """Turn keys into what they lead to; ValueError where two keys contradict each other."""
    base = config.resolve().parent
    registration = values.read_registration(
        base / keys.registration,
        as_token=_secret(base, "as_token", keys.as_token, keys.as_token_file),
        hs_token=_secret(base, "hs_token", keys.hs_token, keys.hs_token_file),
    )
    data = base / keys.data
    if os.path.exists(data) and not os.path.isdir(data):
        raise ValueError(f"data is set to {at(data)}, which is a file, so name a directory or move the file away")
    database_url = _secret(base, "database_url", keys.database_url, keys.database_url_file)
    secretariat = values.accounts_of(keys.homeserver.server_name, keys.secretariat)
    values.check_pages(keys.listen, keys.web_listen, keys.public_url)
    sealer, key_file = sealing.sealer_of(base, data, keys)
    secrets_in = [base / keys.registration, *([config] if not SECRET_KEYS.isdisjoint(written.lines) else [])]
    secrets_in += [key_file] if key_file is not None else []
    secrets_in += [base / file for file in _secret_files(keys)]
    return Settings(
        config=config.resolve(),
        homeserver=keys.homeserver,
        registration=registration,
        listen=Listen.parse(keys.listen),
        web_listen=Listen.parse(keys.web_listen) if keys.web_listen else None,
        public_url=keys.public_url,
        web_proxies=values.networks_of(keys.web_proxies),
        operator=keys.operator,
        live_hosts=tuple(keys.live_hosts.split()),
        data=data,
        database_url=values.database_url(database_url, base, data),
        rooms=base / keys.rooms,
        secretariat=secretariat,
        display_name=keys.display_name,
        log=keys.log,
        concurrency=keys.concurrency,
        automatic_approval=keys.automatic_approval,
        command_max_age=timedelta(minutes=keys.command_max_age),
        mail=_mail(base, keys),
        accounts=accounts.access_of(
            keys,
            token=_secret(base, "accounts.token", keys.accounts.token, keys.accounts.token_file),
            secret=_secret(
                base, "accounts.client_secret", keys.accounts.client_secret, keys.accounts.client_secret_file
            ),
        ),
        sealer=sealer,
        sealing_key_file=key_file,
        # Last: by now each file was read, or its absence has been told.
        open_files=tuple(file for file in secrets_in if open_to_others(file)),
    )


def _secret_files(keys: Keys) -> Iterator[Path]:
    """Yield the files of secrets that are named, except the sealing key's: its default may not be there."""
    for group in (keys, keys.mail, keys.accounts):
        for name in type(group).model_fields:
            file = getattr(group, name)
            if name.endswith("_file") and name != "sealing_key_file" and file is not None:
                yield file


def _mail(base: Path, keys: Keys) -> MailServer | None:
    mail = keys.mail
    password = _secret(base, "mail.password", mail.password, mail.password_file)
    if mail.host is None:
        if mail.sender or mail.username or password:
            raise ValueError("mail.host is missing, the mail server that the other keys of mail are about")
        return None
    if mail.sender is None:
        raise ValueError("mail.sender is missing, the address that e-mail comes from")
    if (mail.username is None) != (password is None):
        raise ValueError("mail.username and mail.password belong together, so set both of them or none")
    if mail.security == "none" and not values.is_loopback(mail.host):
        raise ValueError("mail.security is none, which is for a mail server on this machine alone: localhost")
    return MailServer(
        host=mail.host,
        port=mail.port,
        security=Security(mail.security),
        username=mail.username,
        password=password,
        sender=Sender(mail.sender, mail.sender_name or keys.display_name),
        timeout=timedelta(seconds=mail.timeout),
    )


def _secret(base: Path, name: str, value: SecretStr | None, file: Path | None) -> str | None:
    if value is not None and file is not None:
        raise ValueError(f"{name} and {name}_file are both set, so remove one of them")
    if file is not None:
        return read_token(base / file, name)
    return value.get_secret_value() if value is not None else None
