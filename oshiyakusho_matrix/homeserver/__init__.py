"""The way out to the homeserver: the only place that knows matrix-nio.

``interface`` says what the house may ask for; ``client`` does it over the client-server API; ``fake`` does it
in memory. One suite of contract tests holds both to the same behaviour. Errors of the wire become
``Temporary``, ``Permanent`` or ``Forbidden`` here and nowhere else; a failed read never looks like an absence.
"""
