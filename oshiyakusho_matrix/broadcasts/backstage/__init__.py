"""控室, the backstage room of one talk: its host and its guests, and the list of questions, kept up to date.

Guests are no members. They enter this room alone, which is not gated: nothing of the community is shown in it, and
whoever asks a question is not named. It is made when the talk is announced, and emptied a while after the talk.

Commands: ``!guest invite|list|remove`` (``!ゲスト 招待|一覧|取消``).
"""
