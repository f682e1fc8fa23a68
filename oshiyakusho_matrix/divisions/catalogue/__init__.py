"""``rooms/``: the declared city hall as files. Read, checked with file and line, and handed on as a ``Declaration``."""

from oshiyakusho_matrix.divisions.catalogue.files import Finding
from oshiyakusho_matrix.divisions.catalogue.loading import (
    check,
    load_declaration,
    load_from,
    load_what_is_sound,
    shipped_directory,
)
from oshiyakusho_matrix.divisions.catalogue.schema import json_schemas, write_schemas

__all__ = [
    "Finding",
    "check",
    "json_schemas",
    "load_declaration",
    "load_from",
    "load_what_is_sound",
    "shipped_directory",
    "write_schemas",
]
