"""Writes a new installation: ``config.yaml``, ``registration.yaml``, a key, and a copy of the city hall to edit.

``cli.py`` calls ``write_installation`` for ``init`` and prints the steps that it returns. Everything is checked before
anything is written; it is made complete in a hidden directory and put into place at the end; nothing is overwritten.
"""

import json
import os
import secrets
import shlex
import shutil
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from oshiyakusho_matrix.appservice.registration import registration, registration_yaml
from oshiyakusho_matrix.core.errors import Misconfigured, Refused
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.divisions.catalogue import shipped_directory
from oshiyakusho_matrix.operations.keys import write_key
from oshiyakusho_matrix.settings import values
from oshiyakusho_matrix.settings.keys import Keys
from oshiyakusho_matrix.settings.reading import at
from oshiyakusho_matrix.settings.values import Listen

APPSERVICE_ID = "oshiyakusho"
BOT = "shiyakusho"
_PARTS = (
    "rooms",
    "registration.yaml",
    "sealing.key",
    "config.yaml",
)  # in this order: a config.yaml means that all is there
_HEAD = """\
# オンライン市役所 on Matrix: the settings of this installation, written by `oshiyakusho-matrix init`.
# Relative paths lie beside this file. An environment variable OSHIYAKUSHO_KEY (OSHIYAKUSHO_GROUP__KEY inside a
# group) wins over what stands here. A line that begins with "# key:" shows an example and sets nothing.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What the operator gave to ``init``, as typed. ``mail`` is no option of it: the demo has a server of its own."""

    directory: Path
    homeserver_url: str
    server_name: str
    listen: str
    secretariat: Sequence[str]
    web_listen: str | None = None
    public_url: str | None = None
    mail: Mapping[str, Any] | None = None


def write_installation(order: Order) -> tuple[Text, ...]:
    """Write the installation and return what to do next, a step each.

    ``Misconfigured`` if an option is wrong or the directory cannot be written, ``Refused`` if a part exists already:
    then nothing has been changed.
    """
    chosen = _check(order)
    directory = order.directory.absolute()
    _refuse_existing(directory)
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(dir=directory, prefix=".init-"))  # mode 0700, and on the same file system
        try:
            _write_parts(stage, chosen)
            _put_into_place(stage, directory)
        finally:
            shutil.rmtree(stage)
    except OSError as error:
        raise Misconfigured(f"{at(directory)}: cannot be written here ({error.strerror}).") from None
    return _next_steps(directory, chosen)


def _check(order: Order) -> Mapping[str, Any]:
    """Return the keys to write, checked by the same rules that ``serve`` will apply."""
    option = ""
    try:
        option = "--homeserver-url"
        url = values.http_url(order.homeserver_url)
        option = "--server-name"
        server_name = values.server_name(order.server_name)
        option = "--listen"
        listen = values.address(order.listen)
        option = "--web-listen"
        web_listen = values.address(order.web_listen) if order.web_listen else None
        option = "--public-url"
        public_url = values.public_url(order.public_url) if order.public_url else None
        option = "--web-listen and --public-url"
        values.check_pages(listen, web_listen, public_url)
        option = "--secretariat"
        accounts = values.accounts_of(server_name, tuple(order.secretariat))
    except ValueError as error:
        raise Misconfigured(f"{option}: {error}.") from None
    return {
        "homeserver": {"url": url, "server_name": server_name},
        "listen": listen,
        "web_listen": web_listen,
        "public_url": public_url,
        "secretariat": list(accounts),
        "mail": order.mail or {},
    }


def _refuse_existing(directory: Path) -> None:
    existing = [part for part in _PARTS if os.path.lexists(directory / part)]
    if existing:
        raise Refused(
            say(
                "In {directory} there is already: {existing}. init overwrites nothing: choose another --dir, or move "
                "away what is there.",
                directory=at(directory),
                existing=", ".join(existing),
            )
        )


def _write_parts(stage: Path, chosen: Mapping[str, Any]) -> None:
    """Write the parts; secrets are in files that nobody else can open from their first byte on."""
    content = registration(
        id=APPSERVICE_ID,
        url=f"http://{Listen.parse(chosen['listen']).reachable}",
        as_token=secrets.token_urlsafe(48),
        hs_token=secrets.token_urlsafe(48),
        sender_localpart=BOT,
        server_name=chosen["homeserver"]["server_name"],
    )
    descriptor = os.open(stage / "registration.yaml", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(registration_yaml(content))
    write_key(stage / "sealing.key")
    (stage / "config.yaml").write_text(configuration(chosen), encoding="utf-8")
    # copyfile, since an installed wheel's files may be read-only and these are there to be edited.
    shutil.copytree(shipped_directory(), stage / "rooms", copy_function=shutil.copyfile)


def _put_into_place(stage: Path, directory: Path) -> None:
    """Move the parts; if one cannot be moved, those that were are taken back. A link never replaces a file."""
    done: list[Path] = []
    try:
        for part in _PARTS:
            target = directory / part
            if (stage / part).is_dir():
                os.rename(stage / part, target)
            else:
                os.link(stage / part, target)
            done.append(target)
    except OSError:
        for target in done:
            shutil.rmtree(target) if target.is_dir() else target.unlink()
        raise


def configuration(chosen: Mapping[str, Any]) -> str:
    """Return ``config.yaml``: every key with its description, set where ``chosen`` holds it, else as an example."""
    return "\n".join((_HEAD, *_keys(Keys, chosen, "")))


def _keys(model: type[BaseModel], chosen: Mapping[str, Any], indent: str) -> Iterator[str]:
    for name, info in model.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            yield f"{indent}{name}:"
            yield from _keys(info.annotation, chosen.get(name, {}), indent + "  ")
            continue
        yield from textwrap.wrap(
            str(info.description), 110, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# "
        )
        if chosen.get(name) is None:
            yield f"{indent}# {name}: {info.examples[0] if info.examples else ''}"
        else:
            yield f"{indent}{name}: {json.dumps(chosen[name], ensure_ascii=False)}"
        yield ""


def _next_steps(directory: Path, chosen: Mapping[str, Any]) -> tuple[Text, ...]:
    config, registration_file = str(directory / "config.yaml"), str(directory / "registration.yaml")
    key = str(directory / "sealing.key")
    return (
        say(
            "Written: {config}, {registration}, {key}, {rooms}",
            config=config,
            registration=registration_file,
            key=key,
            rooms=str(directory / "rooms"),
        ),
        say(
            "Keep a copy of {file} in a safe place, apart from the database and its backups: it opens the personal "
            "data of applicants, and without it nobody can.",
            file=key,
        ),
        say(
            "Give the homeserver's account a copy of {file} that it alone may read, and name the copy under "
            "app_service_config_files in homeserver.yaml. With Debian's package: {command}",
            file=registration_file,
            command=f"sudo install -o matrix-synapse -m 0400 {shlex.quote(registration_file)} "
            "/etc/matrix-synapse/oshiyakusho-registration.yaml",
        ),
        say(
            "If the homeserver runs on another machine or in a container, change url in {file} (before it is copied) "
            "to the address under which it reaches {listen}.",
            file=registration_file,
            listen=str(chosen["listen"]),
        ),
        say("Restart the homeserver: it reads registrations only when it starts."),
        say("Look whether all is well: {command}", command=f"oshiyakusho-matrix doctor --config {config}"),
        say("Start the city hall: {command}", command=f"oshiyakusho-matrix serve --config {config}"),
    )
