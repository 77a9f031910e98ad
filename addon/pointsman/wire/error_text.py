"""The words of an error message, without the names and the quotations in it.

A tool may be called `quota`, a property `truncation`, and a client may write about rate limits: what stands in quotes,
or after a noun and a colon, says nothing of the failure.
"""

import re

KEPT = frozenset(
    {"encrypted_content", "max_tokens", "redacted_thinking", "signature", "thinking", "thought_signature", "<model>"}
)
"""Words of the wire formats that makers put into quotes."""

QUOTED = re.compile(
    r"""
    "[^"]*(?:"|\Z) | `[^`]*(?:`|\Z) | \u201c[^\u201d]*(?:\u201d|\Z) | \xab[^\xbb]*(?:\xbb|\Z)
    | (?<!\w)'.*?(?:'(?!\w)|\Z) | \u2018.*?(?:\u2019(?!\w)|\Z)  # not the apostrophe of a genitive
    """,
    re.DOTALL | re.VERBOSE,
)
"""A quotation that is not closed goes to the end of the text."""
NAMED = re.compile(r"\b((?:tool|function|parameter|property|field|argument|key|file|id)s?:\s*)[^\s,;]+")
MARK = "…"
"""Stands for a name or a quotation."""


def without_names(text: str) -> str:
    """The text without what it quotes, on single spaces."""
    return " ".join(NAMED.sub(rf"\1{MARK}", QUOTED.sub(_kept_or_mark, text)).split())


def _kept_or_mark(match: re.Match[str]) -> str:
    word = match[0][1:-1]
    return word if word in KEPT else MARK


def mark_model(text: str, model: str) -> str:
    """The text with `<model>` for each place that names the model, in quotes or as a word of its own."""
    if not model:
        return text
    name = rf"(?:models/)?{re.escape(model)}"
    quoted = rf"""["'`\u201c\u2018]{name}["'`\u201d\u2019]"""
    return re.sub(rf"{quoted}|(?<![\w./'\u2019-]){name}(?![\w/-]|[.:]\w)", "<model>", text)
