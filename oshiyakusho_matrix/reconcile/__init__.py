"""The work queue, which is also the clock; the loop that runs controllers; and what they share about rooms.

Level-triggered: a controller gets a key (``room:ka-zaisei``, ``member:@a:example.jp``), reads the record, looks at the
homeserver and closes the difference. Running it twice changes nothing the second time.
"""
