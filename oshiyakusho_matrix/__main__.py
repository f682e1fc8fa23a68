"""``python -m oshiyakusho_matrix``."""

from oshiyakusho_matrix.cli import main

main()
