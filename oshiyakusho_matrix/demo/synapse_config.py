"""Writes the configuration of the embedded homeserver into its data directory.

Called by ``synapse.EmbeddedSynapse`` before each start. Everything is written anew each time (ports and registrations
may have changed) except the secrets, which are made once and kept, so that accounts, logins and the server's identity
survive. Source: Synapse 1.163, https://element-hq.github.io/synapse/v1.163/usage/configuration/config_documentation.html
"""

import base64
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

#: Where the homeserver's log and its last words go, in the data directory.
LOG_FILE = "homeserver.log"

_UNLIMITED = {"per_second": 100_000, "burst_count": 100_000}

# All limits that 1.163 reads. A demo and its tests do in a minute what a community does in a week.
_RATE_LIMITS: dict[str, Any] = {
    "rc_message": _UNLIMITED,
    "rc_registration": _UNLIMITED,
    "rc_registration_token_validity": _UNLIMITED,
    "rc_admin_redaction": _UNLIMITED,
    "rc_joins_per_room": _UNLIMITED,
    "rc_key_requests": _UNLIMITED,
    "rc_3pid_validation": _UNLIMITED,
    "rc_third_party_invite": _UNLIMITED,
    "rc_media_create": _UNLIMITED,
    "rc_delayed_event_mgmt": _UNLIMITED,
    "rc_room_creation": _UNLIMITED,
    "rc_reports": _UNLIMITED,
    "rc_user_directory": _UNLIMITED,
    "rc_profile": _UNLIMITED,
    "rc_login": {"address": _UNLIMITED, "account": _UNLIMITED, "failed_attempts": _UNLIMITED},
    "rc_joins": {"local": _UNLIMITED, "remote": _UNLIMITED},
    "rc_invites": {"per_room": _UNLIMITED, "per_user": _UNLIMITED, "per_issuer": _UNLIMITED},
    "rc_presence": {"per_user": _UNLIMITED},
    "rc_federation": {
        "window_size": 1000,
        "sleep_limit": 100_000,
        "sleep_delay": 1,
        "reject_limit": 100_000,
        "concurrent": 50,
    },
    "federation_rr_transactions_per_room_per_second": 1000,
}


@dataclass(frozen=True, slots=True)
class FederationListener:
    """A TLS listener for other homeservers. ``port`` must be the one in the server name, or be found by well-known.

    ``authority`` is the certificate (PEM) of the authority that all servers of this little federation trust.
    """

    port: int
    certificate: Path
    key: Path
    authority: Path


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is random, made once, and kept beside the database (mode 0600)."""

    registration: str
    macaroon: str
    form: str
    signing_key: str

    @classmethod
    def kept_in(cls, directory: Path) -> "Secrets":
        """Read the secrets of a data directory; make them the first time."""
        path = directory / "secrets.json"
        if not path.exists():
            seed = base64.b64encode(secrets.token_bytes(32)).decode().rstrip("=")
            made = cls(
                registration=secrets.token_urlsafe(32),
                macaroon=secrets.token_urlsafe(32),
                form=secrets.token_urlsafe(32),
                signing_key=f"ed25519 a_{secrets.token_hex(3)} {seed}",
            )
            _write_private(path, json.dumps({name: getattr(made, name) for name in cls.__slots__}))
        return cls(**json.loads(path.read_text(encoding="utf-8")))


def write_config(
    directory: Path,
    kept: Secrets,
    *,
    server_name: str,
    port: int,
    federation: FederationListener | None,
    registrations: Sequence[Path],
    log_level: str,
) -> Path:
    """Write ``homeserver.yaml``, the signing key and the log configuration; return the first one's path."""
    _write_private(directory / "signing.key", kept.signing_key + "\n")
    log = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
        "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
        "root": {"level": log_level, "handlers": ["console"]},
    }
    (directory / "log.yaml").write_text(yaml.safe_dump(log), encoding="utf-8")
    config: dict[str, Any] = {
        "server_name": server_name,
        "public_baseurl": f"http://localhost:{port}/",
        "pid_file": str(directory / "homeserver.pid"),
        "signing_key_path": str(directory / "signing.key"),
        "log_config": str(directory / "log.yaml"),
        "media_store_path": str(directory / "media"),
        "database": {"name": "sqlite3", "args": {"database": str(directory / "homeserver.db")}},
        "listeners": _listeners(port, federation),
        "registration_shared_secret": kept.registration,
        "macaroon_secret_key": kept.macaroon,
        "form_secret": kept.form,
        # Accounts are made with a token that the registration desk hands out, and with none otherwise.
        "enable_registration": True,
        "registration_requires_token": True,
        # Accounts of a demo: the default of 12 rounds costs a quarter of a second a login.
        "bcrypt_rounds": 6,
        "app_service_config_files": [str(path) for path in registrations],
        "trusted_key_servers": [],
        "suppress_key_server_warning": True,
        # Loopback is where its federation and its application services live.
        "federation_ip_range_blacklist": [],
        "ip_range_blacklist": [],
        # A neighbour that was restarted is found again within seconds, not minutes.
        "federation": {"destination_min_retry_interval": "1s", "destination_max_retry_interval": "5s"},
        "presence": {"enabled": False},
        "report_stats": False,
        "url_preview_enabled": False,
        **_RATE_LIMITS,
    }
    if federation is not None:
        config |= {
            "tls_certificate_path": str(federation.certificate),
            "tls_private_key_path": str(federation.key),
            "federation_custom_ca_list": [str(federation.authority)],
        }
    path = directory / "homeserver.yaml"
    _write_private(path, yaml.dump(config, Dumper=_Dumper, allow_unicode=True))
    return path


def _listeners(port: int, federation: FederationListener | None) -> list[dict[str, Any]]:
    """Plain HTTP for clients, and TLS for other servers where federation is wanted; both on loopback only."""
    listeners = [(port, False, "client")]
    if federation is not None:
        listeners.append((federation.port, True, "federation"))
    return [
        {
            "port": number,
            "tls": tls,
            "type": "http",
            "bind_addresses": ["127.0.0.1"],
            "resources": [{"names": [resource], "compress": False}],
        }
        for number, tls, resource in listeners
    ]


class _Dumper(yaml.SafeDumper):
    """Writes each value out, without anchors: people read this file."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
