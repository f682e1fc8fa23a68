"""The registration reserves every name of the city hall, and nothing else."""

import re
from typing import Any

import pytest
import yaml

from oshiyakusho_matrix.appservice.registration import registration, registration_yaml


def made(server_name: str = "city.example.jp") -> dict[str, Any]:
    return registration(
        id="oshiyakusho",
        url="http://127.0.0.1:9000/",
        as_token="as-secret",
        hs_token="hs-secret",
        server_name=server_name,
    )


def reserved(values: dict[str, Any], kind: str, name: str) -> bool:
    return any(re.match(entry["regex"], name) for entry in values["namespaces"][kind])


@pytest.mark.parametrize("server", ["city.example.jp", "localhost:8441", "[::1]:8448"])
@pytest.mark.parametrize(
    ("kind", "localpart"),
    [
        ("users", "@shiyakusho"),
        ("users", "@_och_guest1"),
        ("aliases", "#cityhall"),
        ("aliases", "#cityhall-dayori"),
        ("aliases", "#ka-zaisei-sodan"),
        ("aliases", "#kenjinkai-13"),
    ],
)
def test_names_of_the_city_hall_are_reserved_on_its_own_server_alone(kind: str, localpart: str, server: str) -> None:
    values = made(server)
    assert reserved(values, kind, f"{localpart}:{server}")
    assert not reserved(values, kind, f"{localpart}:{server}.evil.example")
    assert not reserved(values, kind, f"{localpart}:evil.example")
    assert not reserved(values, kind, f"{localpart}:evil:{server}")
    assert not reserved(values, kind, f"x{localpart}:{server}")


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("users", "@hanako:city.example.jp"),
        ("users", "@shiyakusho2:city.example.jp"),
        ("aliases", "#kaigi:city.example.jp"),
    ],
)
def test_other_names_stay_free(kind: str, name: str) -> None:
    assert not reserved(made(), kind, name)


def test_a_dot_is_a_dot() -> None:
    assert not reserved(made(), "users", "@shiyakusho:cityXexample.jp")


def test_the_file_reads_back_as_what_was_written() -> None:
    values = made()
    text = registration_yaml(values)
    assert yaml.safe_load(text) == values
    assert values["url"] == "http://127.0.0.1:9000"
    assert values["rate_limited"] is False
    assert values["receive_ephemeral"] is False
    assert all(entry["exclusive"] for kind in ("users", "aliases") for entry in values["namespaces"][kind])
