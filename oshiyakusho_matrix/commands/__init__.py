"""The command language: declared once, from which parsing, usage errors, help (ja, en) and tests come."""
