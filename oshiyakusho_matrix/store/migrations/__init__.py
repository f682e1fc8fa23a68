"""The history of the tables: ``env`` tells Alembic how to run it, ``versions`` holds one file a step.

A step is written once and never changed after a release; it names tables and columns itself and imports none of ours.
"""
