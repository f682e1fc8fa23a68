"""The database: engine, metadata, the unit of work, migrations. SQLite (WAL) embedded, or PostgreSQL.

SQL is the truth: nothing that the service needs to know lives only in rooms. Tables stand in the
``tables.py`` of the room of the house they belong to and register on ``metadata``.
"""
