"""Where the key that seals personal data comes from: the environment, or a file that is never among the data.

``loading`` calls it. The key is of use only as long as whoever gets hold of the database has not got it as well.
"""

from pathlib import Path

from sqlalchemy import make_url

from oshiyakusho_matrix.core.errors import Misconfigured
from oshiyakusho_matrix.core.sealing import Sealer, read_keys
from oshiyakusho_matrix.settings.keys import PREFIX, Keys
from oshiyakusho_matrix.settings.reading import at, read_text

WHAT = "the key that seals personal data"


def sealer_of(base: Path, data: Path, keys: Keys) -> tuple[Sealer | None, Path | None]:
    """Return the sealer and the file that it was read from, None where there is none.

    ``Misconfigured`` if a key cannot be read, or lies among the data without having been put there expressly.
    ValueError if it is set twice.
    """
    chosen = "sealing_key_file" in keys.model_fields_set
    if keys.sealing_key is not None:
        if chosen:
            raise ValueError("sealing_key and sealing_key_file are both set, so remove one of them")
        return read_keys(keys.sealing_key.get_secret_value(), f"sealing_key ({PREFIX}SEALING_KEY)"), None
    file = base / keys.sealing_key_file
    if not chosen:
        if not file.exists():
            return None, None
        if lies_in(file, data):
            raise Misconfigured(
                f"{at(file)}: {WHAT} lies in the directory for data, so whoever gets that has both: move it elsewhere "
                "and name it in sealing_key_file."
            )
    return read_keys(read_text(file, WHAT), at(file)), file


def is_beside_the_data(file: Path, data: Path, database_url: str) -> bool:
    """Tell whether a key lies where the data is: then it protects little."""
    url = make_url(database_url)
    places = [data] + ([Path(str(url.database)).parent] if url.get_backend_name() == "sqlite" else [])
    return any(lies_in(file, place) for place in places)


def lies_in(file: Path, directory: Path) -> bool:
    """Tell whether a file is in a directory or below, links followed."""
    return file.resolve().is_relative_to(directory.resolve())
