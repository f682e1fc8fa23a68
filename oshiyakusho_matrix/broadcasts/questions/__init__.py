"""Questions to those who speak: asked by the audience, voted by 👍, and led by the host.

A question is open, taken up, answered, hidden, or merged into another (``domain.TRANSITIONS``). Each stands in the
seats as a message of ours: 👍 under it are votes, and it is edited when the question moves on. Votes count members,
each once, whatever they pressed and wherever.

Commands: ``!q`` (``!質問``) and ``質問:`` ask; ``!question list|take|answer|hide|reopen|merge|who``
(``!質疑 一覧|採用|回答済|非表示|戻す|統合|質問者``) are for the host, and 🎤 ✅ 🙈 under a question do the same.
"""
