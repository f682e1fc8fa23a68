"""From what somebody typed to typed arguments, and back to how to type it. Pure: no database, no homeserver."""
