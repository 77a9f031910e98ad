"""Sign-in links, in virtual time."""

from pointsman.web.logins import LINK_LIFETIME, LINK_PATH, MAX_LINKS, SignInLinks

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


def test_the_oldest_of_too_many_links_goes() -> None:
    links = SignInLinks()
    made = [token(links) for _ in range(MAX_LINKS + 1)]
    assert [links.use(each, KEY, 1) for each in made] == [False] + [True] * MAX_LINKS
