"""オンライン市役所 on Matrix: one event's journey.

1. The homeserver PUTs a transaction; ``appservice`` stores its events, then answers 200.
2. The inbox takes one event at a time, in the order of its room, and hands it to the router.
3. A command or a listener looks at what it needs (reads only) and says what to write.
4. A service loads records, lets the pure ``domain`` decide, and changes the records.
5. In that same database transaction it queues work keys and outbox messages; the event is done.
6. A controller takes a key, reads the record, observes the room, and closes the difference.
7. The outbox sends each message under a transaction id that was fixed when it was written.
8. Whoever asked reads the outcome, in their language.
"""

__version__ = "0.1.0"
