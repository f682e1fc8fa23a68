"""The catalogues of messages: ``LANGUAGE/PACKAGE.po`` in gettext's format, the English wording being the key.

Each package of the house keeps a file of its own, so that a feature and its translations change together. Read once at
the start by ``outbox.render``; English needs no catalogue. A message may be in several files if it reads the same in
all; a test holds the catalogues to the messages of the code.
"""

from collections.abc import Mapping
from importlib.resources import files
from importlib.resources.abc import Traversable

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

#: The languages people can choose, the default first. The key of messages is English.
LANGUAGES = ("ja", "en")


def load(language: str) -> Mapping[str, str]:
    """Return the translations into ``language`` by English wording. Entries that are empty or fuzzy are left out."""
    found = dict[str, str]()
    for file in catalogue_files(language):
        for message in read(file):
            if isinstance(message.id, str) and message.id and message.string and not message.fuzzy:
                found.setdefault(message.id, str(message.string))
    return found


def catalogue_files(language: str) -> list[Traversable]:
    """Return the catalogue files of a language, by name; none for English."""
    folder = files(__name__).joinpath(language)
    if not folder.is_dir():
        return []
    return sorted((file for file in folder.iterdir() if file.name.endswith(".po")), key=lambda file: file.name)


def read(file: Traversable) -> Catalog:
    """Read one file. Raises babel's ``PoFileError`` if it is none: it is part of the package, so that is a bug."""
    with file.open("rb") as opened:
        return read_po(opened, abort_invalid=True)
