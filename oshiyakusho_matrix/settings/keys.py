"""The keys of ``config.yaml``, each with its effect, unit, default and reason.

``settings`` reads them; ``installation`` writes their descriptions into the file as comments; the handbook lists them.
"""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

from oshiyakusho_matrix.broadcasts.links import LIVE_HOSTS
from oshiyakusho_matrix.settings import values
from oshiyakusho_matrix.settings.mail_keys import MailKeys

PREFIX = "OSHIYAKUSHO_"


class HomeserverKeys(BaseModel):
    """The homeserver that this service stands beside."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, AfterValidator(values.http_url)] = Field(
        description="Where this service calls the homeserver's client-server API: an http(s) address, best the "
        "internal one (no default: a wrong guess would talk to a stranger).",
        examples=["http://127.0.0.1:8008"],
    )
    server_name: Annotated[str, AfterValidator(values.server_name)] = Field(
        description="The homeserver's own name, the part after the colon in its user ids (no default; it is in "
        "homeserver.yaml and can never change).",
        examples=["matrix.example.jp"],
    )


class LogKeys(BaseModel):
    """What is written to standard error."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info",
        description="The least important line that is written (default info: what was done, not how).",
        examples=["info"],
    )
    format: Literal["json", "console"] = Field(
        default="console",
        description="json for machines that collect logs, console for people (default console: people start it first).",
        examples=["console"],
    )


class AccountKeys(BaseModel):
    """How those who were approved and have no Matrix account get one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    provider: Literal["none", "synapse", "mas"] = Field(
        default="none",
        description="Who makes the accounts: synapse by registration tokens, mas (Matrix Authentication Service) "
        "likewise; with none people bring an account from elsewhere (default none: it always works).",
        examples=["synapse"],
    )
    url: Annotated[str, AfterValidator(values.http_url)] | None = Field(
        default=None,
        description="Where the admin API of Synapse or of the service is (default: homeserver.url). mas needs it.",
        examples=["http://127.0.0.1:8081"],
    )
    token: SecretStr | None = Field(
        default=None,
        description="For synapse, the access token of an administrator's account; meant for the environment, "
        "OSHIYAKUSHO_ACCOUNTS__TOKEN (default: none).",
        examples=["syt_…"],
    )
    token_file: Path | None = Field(
        default=None,
        description="A file that holds token alone, as container secrets do (default: none).",
        examples=["/run/secrets/accounts_token"],
    )
    client_id: Annotated[str, AfterValidator(values.one_line)] | None = Field(
        default=None,
        description="For mas, our client there, named in its policy.data.admin_clients and with client_auth_method "
        "client_secret_basic (default: none).",
        examples=["01J44QC8BCY7FCFM7WGHQGKMTJ"],
    )
    client_secret: SecretStr | None = Field(
        default=None,
        description="For mas, the secret of that client; meant for the environment, "
        "OSHIYAKUSHO_ACCOUNTS__CLIENT_SECRET (default: none).",
        examples=["a long random word"],
    )
    client_secret_file: Path | None = Field(
        default=None,
        description="A file that holds client_secret alone, as container secrets do (default: none).",
        examples=["/run/secrets/accounts_client_secret"],
    )
    register_at: Annotated[str, AfterValidator(values.page)] | None = Field(
        default=None,
        description="The page on which people make the account, of a web client or of the service (default: none, so "
        "they are told to choose homeserver.server_name in their app).",
        examples=["https://client.example.jp/#/register"],
    )


class Keys(BaseSettings):
    """The keys of ``config.yaml``; ``init`` writes these descriptions into it as comments."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, env_prefix=PREFIX, env_nested_delimiter="__", env_ignore_empty=True
    )

    homeserver: HomeserverKeys
    registration: Path = Field(
        default=Path("registration.yaml"),
        description="The file that the homeserver loads too: the service's id, its two tokens, the bot's name (default "
        "registration.yaml beside this file, where init writes it). It holds secrets: mode 0600.",
        examples=["registration.yaml"],
    )
    as_token: SecretStr | None = Field(
        default=None,
        description="The token we show the homeserver, instead of the one in the registration; meant for the "
        "environment (default: the registration's).",
        examples=["a long random word, as in the registration"],
    )
    as_token_file: Path | None = Field(
        default=None,
        description="A file that holds as_token alone, as container secrets do (default: the registration's).",
        examples=["/run/secrets/as_token"],
    )
    hs_token: SecretStr | None = Field(
        default=None,
        description="The token the homeserver shows us, instead of the one in the registration; meant for the "
        "environment (default: the registration's).",
        examples=["a long random word, as in the registration"],
    )
    hs_token_file: Path | None = Field(
        default=None,
        description="A file that holds hs_token alone, as container secrets do (default: the registration's).",
        examples=["/run/secrets/hs_token"],
    )
    listen: Annotated[str, AfterValidator(values.address)] = Field(
        description="HOST:PORT where the homeserver and operators reach us: application service API, /healthz, "
        "/metrics. The registration's url leads here. Keep it off the Internet (no default: it must match "
        "the registration).",
        examples=["127.0.0.1:9010"],
    )
    web_listen: Annotated[str, AfterValidator(values.address)] | None = Field(
        default=None,
        description="HOST:PORT of the public pages, for a reverse proxy with TLS in front; never the same as listen "
        "(default: no pages). Needs public_url.",
        examples=["127.0.0.1:9011"],
    )
    public_url: Annotated[str, AfterValidator(values.public_url)] | None = Field(
        default=None,
        description="How people reach the public pages: https, except on this machine alone (default: none). Links in "
        "messages begin with it. Needs web_listen.",
        examples=["https://cityhall.example.jp"],
    )
    web_proxies: Annotated[str, BeforeValidator(values.joined), AfterValidator(values.networks)] = Field(
        default="127.0.0.1 ::1",
        description="The addresses or networks of reverse proxies in front of the public pages: the last address that "
        "one of them names in X-Forwarded-For is who asks, and is limited in how much it sends (default 127.0.0.1 ::1: "
        "a proxy on this machine).",
        examples=["127.0.0.1 10.0.0.0/8"],
    )
    operator: Annotated[str, AfterValidator(values.one_line)] | None = Field(
        default=None,
        description="Who runs this city hall and answers for personal data, and how to reach them: one line on the "
        "registration page (default: it says the secretariat of this city hall; the law wants a name there).",
        examples=["オンライン市役所運営委員会（jimukyoku@example.jp）"],
    )
    live_hosts: Annotated[str, BeforeValidator(values.joined), AfterValidator(values.hosts)] = Field(
        default=" ".join(LIVE_HOSTS),
        description="Where the links for listening to a talk (`!talk plan --url`) may lead: host names, separated by "
        "spaces; what lies below them, too (default: the usual services).",
        examples=["zoom.us youtube.com meet.example.jp"],
    )
    data: Path = Field(
        default=Path("data"),
        description="The directory for what the service itself writes (default data beside this file; a system service "
        "sets it to its state directory).",
        examples=["data"],
    )
    database_url: SecretStr | None = Field(
        default=None,
        description="The database: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME (default: SQLite in "
        "data/oshiyakusho.sqlite3, enough for one process and needing nobody's care).",
        examples=["postgresql://oshiyakusho:PASSWORD@127.0.0.1/oshiyakusho"],
    )
    database_url_file: Path | None = Field(
        default=None,
        description="A file that holds database_url alone, so that its password stands nowhere else (default: none).",
        examples=["/run/secrets/database_url"],
    )
    sealing_key: SecretStr | None = Field(
        default=None,
        description="The key that seals personal data in the database, instead of sealing_key_file; meant for the "
        "environment. Several are separated by spaces: the first seals, all open (default: the file's).",
        examples=["what `oshiyakusho-matrix key new` prints"],
    )
    sealing_key_file: Path = Field(
        default=Path("sealing.key"),
        description="The file with that key, where init writes one: one on each line, the current one first (default "
        "sealing.key beside this file, not in data: who gets hold of the database or a backup of it must not have the "
        "key with it). Keep a copy apart: without it, what was sealed is lost. Mode 0600.",
        examples=["sealing.key"],
    )
    rooms: Path = Field(
        default=Path("rooms"),
        description="The directory that declares the city hall in YAML (default rooms beside this file, where init "
        "puts a copy to edit).",
        examples=["rooms"],
    )
    secretariat: Annotated[tuple[str, ...], NoDecode, BeforeValidator(values.words)] = Field(
        min_length=1,
        description="User ids of the first people in 事務局室, which makes them the secretariat; they must be accounts "
        "of this homeserver, since that room is not federated (no default: somebody must run the city hall).",
        examples=['["@jimukyoku:matrix.example.jp"]'],
    )
    display_name: Annotated[str, AfterValidator(values.one_line)] = Field(
        default="市役所",
        description="The bot's name as people see it (default 市役所: short enough for a telephone's room list).",
        examples=["市役所"],
    )
    mail: MailKeys = MailKeys()
    accounts: AccountKeys = AccountKeys()
    log: LogKeys = LogKeys()
    automatic_approval: bool = Field(
        default=False,
        description="Whether an application is approved without a person if its body is in the list, the mail domain "
        "is that body's, mailbox and account are proven, nothing is to be looked at, and nobody has it in hand or has "
        "asked something (default false: the secretariat decides). It needs the registration desk, which is open "
        "once mail and public_url are set.",
        examples=["false"],
    )
    command_max_age: int = Field(
        default=60,
        ge=1,
        le=7 * 24 * 60,
        description="In minutes: a command that was said longer ago, because the service or the homeserver was away, "
        "is answered as too old and not done (default 60: after that nobody expects it any more, and somebody may have "
        "done it by other means).",
        examples=["60"],
    )
    concurrency: int = Field(
        default=8,
        ge=1,
        le=64,
        description="How many calls to the homeserver run at once, 1 to 64 (default 8: measured on Synapse, nothing is "
        "gained beyond it).",
        examples=["8"],
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment before the file (which arrives as init arguments); nothing else is looked at."""
        return env_settings, init_settings
