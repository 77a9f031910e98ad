"""The files for containers: parsed and compared with what they rely on. Nothing here builds or starts an image."""

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def instructions() -> list[tuple[str, str]]:
    """(name, arguments) of each instruction of the Dockerfile, continued lines joined."""
    lines = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines() if line.strip())]


def last_stage() -> dict[str, str]:
    found = instructions()
    start = max(at for at, (name, _) in enumerate(found) if name == "FROM")
    return dict(found[start:])


def compose() -> dict[str, Any]:
    made: dict[str, Any] = YAML(typ="safe", pure=True).load(DEPLOY / "compose.yaml")
    return made


def test_the_image_runs_as_a_user_with_a_volume_and_a_health_check() -> None:
    stage = last_stage()
    assert int(stage["USER"]) >= 1000
    assert stage["VOLUME"] == stage["WORKDIR"] == "/data"
    assert f"--uid {stage['USER']}" in stage["RUN"]
    assert "/healthz" in stage["HEALTHCHECK"]
    assert stage["ENTRYPOINT"] == '["pointsman"]'


def test_the_image_is_built_with_the_lock_file_on_a_python_that_fits() -> None:
    commands = " ".join(rest for name, rest in instructions() if name == "RUN")
    assert "--requirement requirements.lock" in commands
    for name, rest in instructions():
        if name == "FROM" and "python" in rest:
            assert re.match(r"python:3\.1[2-4]-slim\b", rest)


def test_all_that_is_copied_exists_and_is_sent_to_the_build() -> None:
    sent = [line[1:] for line in (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines() if line.startswith("!")]
    copied = [rest.split()[:-1] for name, rest in instructions() if name == "COPY" and "--from" not in rest]
    for source in (source for sources in copied for source in sources):
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in sent), source


def test_compose_publishes_on_this_machine_only_and_keeps_the_volume() -> None:
    service = compose()["services"]["pointsman"]
    assert service["ports"] == ["127.0.0.1:8080:8080"]
    assert last_stage()["EXPOSE"] == "8080"
    assert f"data:{last_stage()['VOLUME']}" in service["volumes"]
    assert "data" in compose()["volumes"]
    assert (DEPLOY / service["build"]["context"] / service["build"]["dockerfile"]).is_file()


def test_compose_requires_the_client_key_that_the_router_requires() -> None:
    service = compose()["services"]["pointsman"]
    assert ":?" in service["environment"]["POINTSMAN_SERVER__CLIENT_KEY"]
    assert '"0.0.0.0"' in last_stage()["CMD"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
