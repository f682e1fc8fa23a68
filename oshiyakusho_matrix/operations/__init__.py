"""What operators do, beneath the command line: install, serve, examine (``doctor``), plan, apply; how it is shown.

A room of its own so that ``cli.py`` stays thin and ``app.py`` knows nothing of terminals and signals.
"""
