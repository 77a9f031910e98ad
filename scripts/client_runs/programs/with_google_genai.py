"""Google's library: a chat that calls functions by itself, streamed."""

from asked import KEY, MODEL, QUESTIONS, ROUTER, TIMEOUT, read_file
from google import genai
from google.genai import types

options = types.HttpOptions(base_url=ROUTER, timeout=int(TIMEOUT * 1000))
client = genai.Client(api_key=KEY, http_options=options)
chat = client.chats.create(model=MODEL, config=types.GenerateContentConfig(tools=[read_file]))
for question in QUESTIONS:
    said, finish = "", None
    for chunk in chat.send_message_stream(question):
        said += "".join(part.text or "" for part in (chunk.parts or []))
        finish = (chunk.candidates[0].finish_reason if chunk.candidates else None) or finish
    if finish is None:
        raise SystemExit("error: the stream ended without a finish reason")
    print(said, flush=True)
