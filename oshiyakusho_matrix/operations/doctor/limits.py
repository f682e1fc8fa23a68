"""Which rate limits of Synapse a community feels, read from a ``homeserver.yaml``: figures, and what they mean.

Called by ``examine`` when the operator gives that file; from outside they cannot be seen. Defaults are those of Synapse
1.163 (``synapse/config/ratelimiting.py``). They hold for members; the bot is exempt by its registration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import yaml

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.text import Text, say
from oshiyakusho_matrix.settings.reading import at, read_text

#: Seconds that people wait for something without thinking that it is broken.
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit with Synapse's default, a burden that a city hall puts on it, and figures that carry it."""

    key: str
    per_second: float
    burst: float
    burden: int
    meaning: Text
    better: tuple[float, int]


LIMITS = (
    Limit("rc_invites.per_room", 0.3, 10, 0, say("invites into one room, by members"), (1, 50)),
    Limit("rc_invites.per_user", 0.003, 5, 20, say("one person being invited into 20 rooms"), (1, 50)),
    Limit("rc_invites.per_issuer", 0.3, 10, 0, say("invites by one member"), (1, 50)),
    Limit("rc_joins.local", 0.1, 10, 60, say("one member entering 60 rooms of this homeserver"), (5, 100)),
    Limit("rc_joins.remote", 0.01, 10, 60, say("one member entering 60 rooms of another homeserver"), (5, 100)),
    Limit("rc_joins_per_room", 1, 10, 2300, say("2,300 people entering one room"), (50, 500)),
    Limit("rc_message", 0.2, 10, 30, say("one person writing 30 messages in a row"), (2, 50)),
)


@dataclass(frozen=True, slots=True)
class InForce:
    """What a configuration makes of a limit."""

    limit: Limit
    per_second: float
    burst: float

    @property
    def seconds(self) -> float:
        """How long the burden takes; infinite if nothing ever gets through again."""
        beyond = max(0.0, self.limit.burden - self.burst)
        if not beyond:
            return 0.0
        return beyond / self.per_second if self.per_second > 0 else float("inf")

    @property
    def hurts(self) -> bool:
        """Whether people will wait longer than they understand."""
        return self.seconds > PATIENCE


def limits_in_force(homeserver_yaml: Path) -> list[InForce]:
    """Read the limits of this one file; ``Misconfigured`` if it cannot be read."""
    text = read_text(homeserver_yaml, "the homeserver's configuration")
    try:
        config = yaml.load(text, Loader=yaml.BaseLoader)  # noqa: S506 - it builds text, lists and mappings alone
    except (yaml.YAMLError, RecursionError):
        config = None
    if not isinstance(config, Mapping):
        raise Misconfigured(f"{at(homeserver_yaml)}: the homeserver's configuration is not readable as YAML.")
    return [_in_force(limit, config) for limit in LIMITS]


def _in_force(limit: Limit, config: Mapping[str, Any]) -> InForce:
    section: Any = config
    for part in limit.key.split("."):
        section = section.get(part) if isinstance(section, Mapping) else None
    if limit.key == "rc_message" and "rc_message" not in config:  # its name in old configurations
        section = {
            "per_second": config.get("rc_messages_per_second"),
            "burst_count": config.get("rc_message_burst_count"),
        }
    section = section if isinstance(section, Mapping) else {}
    return InForce(
        limit, _number(section.get("per_second"), limit.per_second), _number(section.get("burst_count"), limit.burst)
    )


def _number(value: object, default: float) -> float:
    try:
        number = float(value) if isinstance(value, str) else default
    except ValueError:
        return default
    return number if isfinite(number) else default
