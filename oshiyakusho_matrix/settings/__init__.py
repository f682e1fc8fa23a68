"""The settings: ``keys`` declares them, ``reading`` and ``values`` check what was written, ``loading`` joins them."""

from oshiyakusho_matrix.settings.loading import Settings, load_settings

__all__ = ["Settings", "load_settings"]
