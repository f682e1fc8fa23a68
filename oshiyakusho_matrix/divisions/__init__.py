"""課: the declared city hall, its provisioning, heads and mandates, its lifecycle (active, archived).

Commands: ``!division list|show|create|edit|archive|head`` (``!課 一覧|詳細|新設|変更|廃止|課長``),
``!rooms plan|apply``.
"""
