"""The welcome: whoever was admitted and has come in is greeted in a direct chat and led to their first division.

A welcome is ``expected`` from the admission on, ``due`` once the member is inside the hall, ``given`` when they have
come into the chat, and ``over`` when it has reminded them once, or need not. The divisions it offers are entered by
the link; or the bot invites into them whoever taps a number or writes one, or the name. Members who were inside before
are not greeted, nor is the secretariat.
"""
