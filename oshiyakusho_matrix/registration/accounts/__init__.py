"""Accounts for those who were approved and have none: a registration token each, good for one account on our server.

An offer is ``preparing`` until the homeserver has the token, then ``ready``, and ends ``expired`` (the applicant may
ask for another) or ``taken``. Without an account provider nothing is offered: people bring an account from elsewhere.
"""
