"""Model redirects: the model names sent to providers, where they differ from the targets' names."""

from pointsman.config import Provider
from pointsman.config.enums import RedirectMatch
from pointsman.domain.records import AppliedRedirect

MAX_REGEX_INPUT = 256
"""Characters of a name that a regular expression is tried on; a longer name matches none, so that no pattern can be
made to search for long.
"""


def apply_redirects(provider: Provider, name: str) -> AppliedRedirect | None:
    """What the provider's first rule that matches makes of a name, None where none does."""
    for rule in provider.redirects:
        if rule.match is RedirectMatch.REGEX and len(name) > MAX_REGEX_INPUT:
            continue
        if rule.matches(name):
            return AppliedRedirect(name, rule.target, rule.match.value, rule.source)
    return None
