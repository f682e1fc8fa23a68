"""The kit keeps its promises: hardened units, commands that exist, figures and paths that agree with the product."""

import os
import re
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from oshiyakusho_matrix.cli import cli
from oshiyakusho_matrix.operations.doctor.limits import LIMITS, limits_in_force
from oshiyakusho_matrix.operations.installation import Order, write_installation
from oshiyakusho_matrix.settings import load_settings
from oshiyakusho_matrix.settings.keys import PREFIX, Keys
from oshiyakusho_matrix.settings.reading import known_keys, variable

DEPLOY = Path(__file__).parents[2] / "deploy"
UNIT = DEPLOY / "oshiyakusho-matrix.service"
README = (DEPLOY / "README.md").read_text(encoding="utf-8")
PROGRAM = "/opt/oshiyakusho-matrix/bin/oshiyakusho-matrix"
#: What `systemd-analyze security` gives a service, from 0 (nothing to gain) to 10; times ten, as its option wants it.
WORST_EXPOSURE = 15


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def readme_commands() -> list[list[str]]:
    """Every call of the product in the README, without what stands before its name: each has a command after it."""
    found = [inline.split() for inline in re.findall(r"`oshiyakusho-matrix ([a-z][a-z -]*)`", README)]
    for line in "".join(blocks("sh")).splitlines():
        call = re.search(r"(?:^|sudo |-u oshiyakusho |run --rm --use-aliases )oshiyakusho-matrix (.+)", line)
        call = call or re.search(r"oshiyakusho-matrix:local (init .+)", line)
        if call:
            found.append(shlex.split(call[1]))
    return found


def unit() -> dict[str, list[str]]:
    settings: dict[str, list[str]] = {}
    for line in UNIT.read_text(encoding="utf-8").splitlines():
        key, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            settings.setdefault(key, []).append(value)
    return settings


def service() -> dict[str, Any]:
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
    (found,) = content["services"].values()
    assert isinstance(found, dict)
    return found


def test_the_readme_names_the_commands_that_an_operator_needs() -> None:
    assert {tuple(words[:2]) if words[0] in ("rooms", "db") else (words[0],) for words in readme_commands()} >= {
        ("init",),
        ("doctor",),
        ("rooms", "check"),
        ("rooms", "plan"),
        ("rooms", "apply"),
        ("db", "upgrade"),
        ("backup",),
        ("restore",),
        ("rebuild",),
    }


@pytest.mark.parametrize("words", [*readme_commands(), unit()["ExecStart"][0].split()[1:], service()["command"]])
def test_every_command_and_option_that_the_kit_names_exists(words: list[str]) -> None:
    command: Any = get_command(cli)
    rest = list(words)
    while rest and hasattr(command, "commands"):
        assert rest[0] in command.commands, f"there is no command {' '.join(words)}"
        command = command.commands[rest.pop(0)]
    options = {name for parameter in command.params for name in parameter.opts}
    for word in rest:
        if word.startswith("--"):
            assert word in options, f"{' '.join(words)}: there is no option {word}"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_unit_and_finds_it_hardened(tmp_path: Path) -> None:
    """The program is not installed here, so another one stands in for it; nothing else of the unit is changed."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text(encoding="utf-8").replace(PROGRAM, "/bin/true"), encoding="utf-8")
    for arguments in (
        ["verify", "--man=no", str(copy)],
        ["security", "--offline=true", f"--threshold={WORST_EXPOSURE}", "--no-pager", str(copy)],
    ):
        ran = subprocess.run(["systemd-analyze", *arguments], capture_output=True, text=True, check=False, timeout=60)
        if "Unknown" in ran.stderr and "option" in ran.stderr:
            pytest.skip("this systemd is older than 250")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert arguments[0] == "security" or not ran.stderr, ran.stderr


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
def test_systemd_understands_the_timer_of_the_backups(tmp_path: Path) -> None:
    units = blocks("ini")
    assert len(units) == 2
    for unit in units:
        name = unit.splitlines()[0].rpartition("/")[2]
        (tmp_path / name).write_text(unit.replace(PROGRAM, "/bin/true"), encoding="utf-8")
        command = ["systemd-analyze", "verify", "--man=no", str(tmp_path / name)]
        ran = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
        assert (ran.returncode, ran.stderr) == (0, "")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("User", "oshiyakusho"),
        ("NoNewPrivileges", "true"),
        ("CapabilityBoundingSet", ""),
        ("AmbientCapabilities", ""),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "true"),
        ("PrivateTmp", "true"),
        ("PrivateDevices", "true"),
        ("StateDirectory", "oshiyakusho-matrix"),
        ("StateDirectoryMode", "0700"),
        ("UMask", "0077"),
        ("SystemCallArchitectures", "native"),
        ("MemoryDenyWriteExecute", "true"),
        ("RestrictAddressFamilies", "AF_INET AF_INET6 AF_UNIX"),
    ],
)
def test_the_unit_holds_no_privilege(key: str, value: str) -> None:
    assert unit()[key] == [value]


def test_the_unit_allows_few_system_calls_and_has_nowhere_to_write_but_its_state() -> None:
    settings = unit()
    assert settings["SystemCallFilter"] == ["@system-service", "~@privileged @resources"]
    assert not {"ReadWritePaths", "BindPaths", "PermissionsStartOnly"} & settings.keys()


def test_the_container_holds_no_privilege() -> None:
    found = service()
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert "cap_add" not in found
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["user"] == "10001:10001"
    assert "privileged" not in found
    assert found["tmpfs"] == ["/tmp:rw,noexec,nosuid,nodev,size=64m"]
    assert [volume for volume in found["volumes"] if not volume.endswith(":ro")] == ["data:/data"]
    assert "/healthz" in found["healthcheck"]["test"][-1]
    assert "ports" not in found


def test_the_image_runs_as_the_account_of_the_compose_file_and_takes_in_no_secret() -> None:
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line for line in lines if line.startswith("USER ")]
    assert users == [f"USER {service()['user']}"]
    allowed = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert allowed[1] == "*"
    copied = {
        word.removeprefix("./")
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert copied == {line.removeprefix("!") for line in allowed if line.startswith("!")}
    assert all((DEPLOY.parent / name).exists() for name in copied)


def test_the_variables_of_the_kit_are_settings() -> None:
    known = {variable(PREFIX, key.split(".")) for key in known_keys(Keys)}
    pairs = " ".join(unit()["Environment"]).split()
    names = {pair.partition("=")[0] for pair in pairs} | set(service()["environment"])
    assert {name for name in names if name.startswith(PREFIX)} <= known


def test_the_limits_in_the_readme_are_those_that_the_doctor_advises(tmp_path: Path) -> None:
    (block,) = blocks("yaml")
    (tmp_path / "homeserver.yaml").write_text(block, encoding="utf-8")
    found = limits_in_force(tmp_path / "homeserver.yaml")
    assert [(one.limit.key, (one.per_second, one.burst)) for one in found] == [
        (limit.key, limit.better) for limit in LIMITS
    ]


def test_the_edits_that_the_readme_makes_with_sed_fit_what_init_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    write_installation(
        Order(
            directory=tmp_path / "city",
            homeserver_url="http://synapse:8008",
            server_name="matrix.example.jp",
            listen="0.0.0.0:9010",
            secretariat=("@jimukyoku:matrix.example.jp",),
        )
    )
    edits = re.findall(r"sed -i '(.+?)' \S*?(config|registration)\.yaml", README)
    assert len(edits) == 2
    for expression, file in edits:
        path = tmp_path / "city" / f"{file}.yaml"
        edited = subprocess.run(["sed", expression, str(path)], capture_output=True, check=True, text=True, timeout=10)
        assert edited.stdout != path.read_text(encoding="utf-8")
        path.write_text(edited.stdout, encoding="utf-8")
    found = load_settings(tmp_path / "city" / "config.yaml")
    assert found.data == Path("/var/lib/oshiyakusho-matrix")
    assert found.registration.url == "http://oshiyakusho-matrix:9010"
