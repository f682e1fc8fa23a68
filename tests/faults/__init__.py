"""Whatever breaks: the next start, or the next try, leads to the same end, and nothing is there twice.

kill -9 at every step: ``points`` counts the steps and kills, ``runner`` is the process that is killed, ``sites`` are
the homeservers that it talks to, ``attempts`` has processes follow one another, ``endings`` says how it ended,
``sweep`` goes through all. Everything else that can go wrong, drawn from a seed: ``plans`` says what, ``meddling``
does it on the wire and ``breaking`` within the process, ``keeping`` keeps the process running, ``script`` is what
people do meanwhile, and ``day`` compares how it ended; ``notices`` knows what may be said besides.
"""
