"""The public pages: what anybody may read without an account, and the forms. Strict headers, no script, no cookie.

``serving`` puts ``pages.public_pages`` behind ``web_listen``. Documents (``site``) are rendered once at the start and
answered from memory: the Markdown of ``handbook/``, one folder a language. Pages with forms are brought by capabilities
as ``visits.Route``; ``dynamic`` speaks HTTP for them. All HTML is made by ``layout`` from ``templates/``.
"""
