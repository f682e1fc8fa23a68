"""The demo: a whole city hall on one machine, for whoever wants to see it before installing anything.

It exists because users asked for one command (``make demo``). It embeds a homeserver of its own (Synapse, a separate
process; ``synapse`` starts and ends it, ``synapse_config`` writes its configuration), which the test suite uses too.
Only the command line imports this package.
"""
