"""``rooms/``: the declared city hall as files. Read, checked with file and line, and handed on as a ``Declaration``."""

from oshiyakusho_matrix.divisions.catalogue.loading import (
    Finding,
    check,
    in_english,
    json_schemas,
    load_declaration,
    shipped_directory,
    write_schemas,
)

__all__ = [
    "Finding",
    "check",
    "in_english",
    "json_schemas",
    "load_declaration",
    "shipped_directory",
    "write_schemas",
]
