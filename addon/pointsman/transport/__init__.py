"""The client's side in mitmproxy's own layers, the providers' side in one aiohttp session. No policy: effects become
bytes and tasks, what happens becomes inputs.
"""
