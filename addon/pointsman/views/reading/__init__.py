"""Reading chats back from their bytes, for people: requests and answers, streamed or whole, in every dialect.

No I/O and nothing of mitmproxy in here. What is odd in a body is shown as it stands, never an error.
"""
