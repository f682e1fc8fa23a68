"""庁内放送: talks with guests, from the idea to the archive.

A talk is a record that runs by itself at its times, and by hand where reality differs: draft, announced, doors open,
live, questions, ended, archived, or cancelled before it ended (``domain.TRANSITIONS``).

Commands: ``!talk plan|announce|list|show|change|cancel|open|start|qa|end|archive``
(``!放送 企画|告知|一覧|詳細|変更|中止|開場|開始|質問|終了|保存``).
"""
