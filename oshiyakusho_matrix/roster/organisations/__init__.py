"""The public bodies of Japan: every local government, every ministry and agency. Shipped as ``organisations.csv``.

The form searches it, the rules on mail domains are tied to it, commands name its entries. ``generate`` writes the file
from the data of Japan Post and from ``national``; ``listing`` reads it, once, when it is first asked for.
"""

from oshiyakusho_matrix.roster.organisations.domain import Kind, Organisation
from oshiyakusho_matrix.roster.organisations.listing import Organisations, organisations

__all__ = ["Kind", "Organisation", "Organisations", "organisations"]
