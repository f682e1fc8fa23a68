"""The public pages: what anybody may read without an account. Strict security headers, no script, no cookie.

``serving`` puts ``pages.public_pages`` behind ``web_listen``. Everything is rendered once at the start and answered
from memory, so no request reaches the file system. Texts are the Markdown of ``handbook/``, one folder a language.
"""
