"""Direct chats with the bot: taken up, led out of encryption, left. What is said in them is for ``dispatch``."""
