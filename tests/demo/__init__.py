"""The embedded homeserver, started for real."""
