"""A model that is asked to go on with an answer which broke off, in the router's words; it does as it is asked."""

CUT_OFF = "Your last message was cut off by a network error."
"""How the router's instruction begins."""
BEFORE_ANCHOR = "They are:\n\n"
"""What stands before the words that are to be repeated first."""


def is_continuation(question: str) -> bool:
    """Whether the last words of the user ask for the rest of an answer."""
    return question.startswith(CUT_OFF)


def rest_of(answer: str, question: str) -> str:
    """The end of the answer, from the words on that are to be repeated. Raises LookupError if they are not in it."""
    anchor = question.partition(BEFORE_ANCHOR)[2]
    if not anchor or (at := answer.rfind(anchor)) < 0:
        raise LookupError(f"the answer does not hold {anchor!r}")
    return answer[at:]
