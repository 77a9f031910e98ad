"""Sign-in links, in virtual time."""

from pointsman.web.logins import LINK_LIFETIME, LINK_PATH, LoginSessions, SignInLinks

KEY = "the-admin-key"


def token(links: SignInLinks, now: float = 0.0) -> str:
    return links.make(KEY, now).removeprefix(LINK_PATH)


def test_a_link_works_once_and_not_after_five_minutes() -> None:
    links = SignInLinks()
    first, second = token(links), token(links)
    assert links.use(first, KEY, LINK_LIFETIME - 1)
    assert not links.use(first, KEY, LINK_LIFETIME - 1)
    assert not links.use(second, KEY, LINK_LIFETIME + 1)


def test_a_link_ends_with_the_admin_key_that_it_stands_for() -> None:
    links = SignInLinks()
    assert not links.use(token(links), "another-key", 1)


def test_a_link_is_no_session_and_works_at_any_router_with_the_key() -> None:
    links, other = SignInLinks(), SignInLinks()
    links.tokens.on_ended = lambda nonce: other.tokens.forget(nonce, 1)
    first, second = token(links), token(links)
    assert other.use(first, KEY, 1)
    assert links.use(second, KEY, 1)
    assert not other.use(second, KEY, 1)
    assert LoginSessions().tokens.read(token(links), KEY, "", 1) is None
