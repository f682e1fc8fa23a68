"""Who is what, now: members and the secretariat; and the register of managed rooms. Shared by the capabilities.

Promises the law of the gate: whoever is not a current member is in no gated room. A member is ``admitted`` or
``removed``; what the hall shows of them is ``pending``, ``invited``, ``joined`` or ``left``.
Commands: ``!member admit|remove|show|find`` (``!会員 承認|除名|詳細|検索``).
"""
