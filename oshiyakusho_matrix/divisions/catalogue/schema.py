"""The files of ``rooms/`` as pydantic models, and the JSON Schemas that editors get from them.

``catalogue.files`` validates with these; each model remembers where it stood in its file (``place``). Field
descriptions are what an operator's editor shows.
"""

import json
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ModelWrapValidatorHandler, PrivateAttr, model_validator

from oshiyakusho_matrix.divisions.catalogue.fields import (
    AliasTemplate,
    Name,
    NameTemplate,
    Powers,
    Slug,
    Topic,
    TopicTemplate,
    User,
)
from oshiyakusho_matrix.divisions.catalogue.yaml_lines import START, Block, Place
from oshiyakusho_matrix.divisions.domain import Allow, Audience, JoinRule, Posting
from oshiyakusho_matrix.homeserver.creation import DEFAULT_VERSION


class Located(BaseModel):
    """A mapping of a file that knows its place in it. Strict: no unknown keys, no guessed types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, str_strip_whitespace=True)
    _block: Block | None = PrivateAttr(default=None)

    @model_validator(mode="wrap")
    @classmethod
    def _remember(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        model = handler(data)
        if isinstance(data, Block):
            model._block = data
        return model

    def place(self, *keys: str) -> Place:
        """Return where the first of ``keys`` that is written down has its value; else where the mapping begins."""
        if self._block is None:
            return START
        places = self._block.values_at
        return next((places[key] for key in keys if key in places), self._block.place)


class NameWords(Located):
    """A name in both languages."""

    ja: Name = Field(description="Japanese; this is what rooms show.")
    en: Name = Field(description="English.")


class PurposeWords(Located):
    """What something is for, one line, in both languages."""

    ja: Topic = Field(description="Japanese; this is what rooms show as their topic.")
    en: Topic = Field(description="English.")


class NameTemplates(Located):
    """A room's name; {name} stands for the space's name."""

    ja: NameTemplate
    en: NameTemplate


class TopicTemplates(Located):
    """A room's topic; {name} and {purpose} stand for the space's."""

    ja: TopicTemplate
    en: TopicTemplate


class Access(Located):
    """Who comes in and what they find. Said for a kind, it holds for its space and rooms unless they say otherwise."""

    room_version: Literal["9", "10", "11", "12"] = Field(DEFAULT_VERSION, description="Matrix room version, in quotes.")
    join_rule: Annotated[JoinRule, Field(strict=False)] = Field(
        JoinRule.RESTRICTED,
        description="restricted: by membership; invite; public: anyone; knock: the entrance alone.",
    )
    allow: Annotated[Allow, Field(strict=False)] = Field(
        Allow.HALL, description="Whose members a restricted room lets in: the hall's, or those of its own space."
    )
    audience: Annotated[Audience, Field(strict=False)] = Field(
        Audience.MEMBERS,
        description="Who may be inside; anybody else is taken out. nobody: people knock here; anyone: no gate.",
    )
    history_visibility: Literal["shared", "invited", "joined"] = Field(
        "shared", description="shared: members read what was said before they came; joined, invited: they do not."
    )
    federate: bool = Field(
        True, description="false: only users of this homeserver can ever be inside. Cannot be changed later."
    )


class Rules(Access):
    """What one room, or the space itself, says beyond its kind."""

    posting: Annotated[Posting, Field(strict=False)] = Field(
        Posting.ALL,
        description="Who may write: all, heads (in the hall: secretaries), speakers of the talk that is on, bot. "
        "Reactions are open to all.",
    )
    suggested: bool = Field(False, description="Whether clients recommend it in the lobby of its space.")
    powers: Powers = Field({}, description="Deviations only: the power level (0-100) that an event type needs.")


class SpaceRules(Rules):
    """The space itself. Nobody chats in a space, so only the bot posts."""

    name: NameTemplates = NameTemplates(ja="{name}", en="{name}")
    topic: TopicTemplates = TopicTemplates(ja="{purpose}", en="{purpose}")
    posting: Annotated[Posting, Field(strict=False)] = Posting.BOT


class RoomRules(Rules):
    """One of the kind's rooms."""

    key: Slug = Field(description="Ends the alias (ALIAS-KEY); ASCII, never changed: the room is found by it.")
    name: NameTemplates
    topic: TopicTemplates
    stage: Slug | None = Field(
        None, description="Ties the room where speakers write (posting: speakers) to the one where its audience sits."
    )
    news: bool = Field(False, description="Whether talks are announced here; one room of a space.")


class KindModel(Access):
    """A kind of space: its alias, the space itself, its rooms."""

    alias: AliasTemplate = Field(description="Alias of the space without # and server; {slug} is the space's slug.")
    space: SpaceRules = SpaceRules()
    rooms: list[RoomRules] = Field([], description="In the order of the lobby.")


class Kinds(Located):
    """rooms/kinds.yaml: what each kind of space is made of."""

    kinds: dict[Slug, KindModel] = Field(description="By name; hall must be among them.")


class SpaceModel(Located):
    """What every space says."""

    slug: Slug = Field(description="ASCII, unique in the whole hall, never changed and never used again.")
    name: NameWords
    purpose: PurposeWords


class HallModel(SpaceModel):
    """The root space."""

    kind: Slug = "hall"


class GroupModel(SpaceModel):
    """部: a space that holds divisions (or groups)."""

    kind: Slug = "group"
    parent: Slug | None = Field(None, description="Slug of the group it lies in; left out: the hall itself.")


class CityHall(Located):
    """rooms/cityhall.yaml: the root space and its groups."""

    hall: HallModel
    groups: list[GroupModel] = Field([], description="In the order of the lobby.")


class Division(SpaceModel):
    """rooms/divisions/SLUG.yaml: one division 課."""

    kind: Slug = "division"
    group: Slug = Field(description="Slug of the group 部 whose lobby shows it.")
    heads: list[User] = Field([], description="Heads 課長: they post announcements and pin.")
    order: int = Field(1000, ge=0, le=98999, description="Smaller comes first in the lobby; equal ones by slug.")


class Circle(Located):
    """One prefecture circle 県人会."""

    slug: Slug
    name: NameWords
    purpose: PurposeWords | None = Field(None, description="Left out: the one that all circles share.")
    heads: list[User] = []


class Kenjinkai(Located):
    """rooms/kenjinkai.yaml: the prefecture circles 都道府県人会."""

    kind: Slug = "kenjinkai"
    group: Slug = Field(description="Slug of the group whose lobby shows them.")
    purpose: TopicTemplates = Field(description="Shared by all circles; {name} is the circle's name.")
    circles: list[Circle] = Field([], description="In the order of the lobby.")


#: Which model describes which file; the key is the stem of ``schema/STEM.schema.json``.
MODELS: dict[str, type[Located]] = {
    "cityhall": CityHall,
    "kinds": Kinds,
    "division": Division,
    "kenjinkai": Kenjinkai,
}


def json_schemas() -> dict[str, dict[str, Any]]:
    """Return the JSON Schemas (draft 2020-12) by file name."""
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return {f"{stem}.schema.json": dialect | model.model_json_schema() for stem, model in MODELS.items()}


def write_schemas(directory: Path) -> None:
    """Write the schemas as files that editors read; ``rooms/schema`` is their home."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, schema in json_schemas().items():
        text = json.dumps(schema, ensure_ascii=False, indent=2) + "\n"
        (directory / name).write_text(text, encoding="utf-8")
