"""What must go out exactly once: a row in the same commit as its reason, sent under a fixed transaction id.

Texts are rendered here (catalogue, Markdown to HTML, sanitised), in the language of whoever reads them.
"""
