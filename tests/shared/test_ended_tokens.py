"""What was ended at one instance is ended at the others."""

from pointsman.shared.ended_tokens import SharedEndedTokens
from pointsman.shared.part import Delta, SharedTime
from pointsman.web.logins import LINK_LIFETIME, LINK_PATH, SignInLinks

KEY = "the-admin-key"
NOW = SharedTime(10.0, 1000.0, 2000.0)


def instance() -> tuple[SignInLinks, SharedEndedTokens]:
    links = SignInLinks()
    return links, SharedEndedTokens({"link": links.tokens})


def test_a_used_link_is_used_everywhere_and_by_those_that_come_later() -> None:
    (links, part), (other, its_part), (late, late_part) = instance(), instance(), instance()
    token = links.make(KEY, NOW.wall).removeprefix(LINK_PATH)
    assert links.use(token, KEY, NOW.wall)
    (delta,) = part.deltas(NOW)
    assert token.encode() not in delta.body
    its_part.on_delta(delta, NOW)
    its_part.on_delta(delta, NOW)
    assert not other.use(token, KEY, NOW.wall)
    assert list(part.deltas(NOW)) == []
    its_part.publish_all(NOW)
    for each in its_part.deltas(NOW):
        late_part.on_delta(each, NOW)
    assert not late.use(token, KEY, NOW.wall)


def test_what_has_expired_is_published_no_more() -> None:
    links, part = instance()
    links.use(links.make(KEY, NOW.wall).removeprefix(LINK_PATH), KEY, NOW.wall)
    later = NOW._replace(wall=NOW.wall + LINK_LIFETIME + 1)
    part.publish_all(later)
    assert list(part.deltas(later)) == []


def test_a_table_of_another_version_is_ignored() -> None:
    _, part = instance()
    part.on_delta(Delta("logins", b'["badge", "00ff"]'), NOW)
