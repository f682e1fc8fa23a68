"""The registration desk on the web: form, status, "is my domain known?", review. Brought to ``web`` by ``routes``.

Whatever a form needs it carries itself, the reference number and the secret too, so there is no session, no cookie and
nothing in an address but a reference number on the way to the review page. GET changes nothing.
"""
