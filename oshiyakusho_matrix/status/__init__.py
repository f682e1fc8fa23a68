"""How the service is: the numbers (``operations.monitoring`` shows them to machines), and in words (``!status``).

Also what waits for a person: ``!retry`` tries it again, ``!drop`` gives it up.
"""
