"""The scripts of sessions on a real server do what the engine in virtual time does."""

from random import Random
from typing import Any

import pytest
from redis import Redis

from pointsman.shared.part import Call
from shared.session_network import Instance, ScriptedEngine
from shared.test_session_part import ANSWERS, PINS, answer, by_header, by_words
from support.valkey import Valkey


class BothEngines(ScriptedEngine):
    """Runs each script on both, and compares the replies."""

    def __init__(self, server: Redis) -> None:
        super().__init__()
        self.server = server
        self.compared = 0

    def run(self, call: Call) -> Any:
        expected = super().run(call)
        told: Any = self.server.eval(call.script.text, len(call.keys), *call.keys, *call.args)
        if expected and isinstance(expected, list) and len(expected) == 2 and isinstance(expected[1], list):
            fields = [dict(zip(flat[::2], flat[1::2], strict=True)) for flat in (expected[1], told[1])]
            assert (fields[0], expected[0]) == (fields[1], told[0])
        else:
            assert expected == told
        self.compared += bool(expected)
        return told


@pytest.mark.parametrize("seed", range(3))
async def test_both_engines_do_the_same(engine: Valkey, seed: int) -> None:
    rng = Random(seed)
    with Redis(port=engine.port, protocol=2) as server:
        both = BothEngines(server)
        instances = [Instance(number, both) for number in range(2)]
        turn = 1
        for step in range(80):
            instance, time = rng.choice(instances), 100.0 + step
            match rng.choice(["header", "words", "ban", "tick", "tick", "forget"]):
                case "header":
                    answer(instance, instance.ask(by_header(rng.choice("ab") * 9), time), rng.choice(PINS), time)
                case "words":
                    binding = instance.ask(by_words(turn), time)
                    answer(instance, binding, rng.choice(PINS), time, ANSWERS[turn - 1])
                    turn = turn % 8 + 1
                case "ban":
                    binding = instance.ask(by_header("a" * 9), time)
                    binding.ban("groq", "503", 600.0, False, instance.time(time).now)
                case "tick":
                    instance.tick(time)
                case "forget":
                    for session in list(instance.registry.store)[:1]:
                        instance.registry.forget(session.label, instance.time(time).now)
        assert both.compared > 5
        assert all(server.ttl(key) > 0 for key in server.scan_iter())
