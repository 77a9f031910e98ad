"""A process that is killed while clients spend: what is older than a second is there when it starts again."""

import signal
import sqlite3
from contextlib import closing
from decimal import Decimal
from pathlib import Path

from pointsman.demo import Provider, behaviours
from support.http_requests import ask
from support.leak_checks import soon
from support.process import mitmdump
from support.settings import provider, write

KEY = "key-of-ci-0123456789"


def spent(folder: Path) -> tuple[int, int]:
    """Nano-dollars of all periods and of the totals, as the file has them."""
    with closing(sqlite3.connect(folder / "data" / "ledger.db")) as db:
        if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'totals'").fetchone():
            return 0, 0  # the first write makes the tables
        return tuple(
            db.execute(f"SELECT coalesce(sum(cost), 0) FROM {table}").fetchone()[0] for table in ("periods", "totals")
        )  # type: ignore[return-value]


async def test_what_was_spent_a_second_ago_survives_a_kill(tmp_path: Path) -> None:
    """Afterwards the budget is exhausted as if nothing had happened."""
    arguments = ("-p", "0", "--set", f"pointsman_data={tmp_path / 'data'}")
    async with Provider(behaviours.answer("one two")) as one:
        prices = {"m": {"input": 1000, "output": 1000}}
        client = {"key": KEY, "budgets": [{"usd": "0.1", "per": "month"}]}
        write(tmp_path, {"one": provider(one.base_url, prices=prices)}, clients={"ci": client})

        async def say(base_url: str) -> tuple[int, Decimal]:
            """The status, and what it cost."""
            headers = {"authorization": f"Bearer {KEY}"}
            answer = await ask(base_url, stream=False, max_tokens=10, headers=headers)
            tokens = answer.json["usage"]["total_tokens"] if answer.status == 200 else 0
            return answer.status, Decimal(tokens)

        async with mitmdump(*arguments, folder=tmp_path) as router:
            url = await router.base_url()
            answers = [await say(url) for _ in range(2)]
            assert [status for status, _ in answers] == [200, 200]
            used = int(sum(tokens for _, tokens in answers)) * 10**6
            await soon(lambda: spent(tmp_path) == (used, used))
            router.tell(signal.SIGKILL)
            await router.ends()
        assert spent(tmp_path) == (used, used)
        async with mitmdump(*arguments, folder=tmp_path) as router:
            url = await router.base_url()
            while (answer := await say(url))[0] == 200:
                answers.append(answer)
            assert answer[0] == 429
            most = sum(tokens for _, tokens in answers)
            assert most + 13 > 100 >= most - answers[-1][1] + 13, "before and after together"
            router.tell(signal.SIGTERM)
            assert await router.ends() == 0
        used = int(most) * 10**6
        await soon(lambda: spent(tmp_path) == (used, used))
