"""The files for containers: parsed and compared with what they rely on. Nothing here builds or starts an image."""

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pointsman import __version__
from pointsman.config import Settings, build

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


def compose(name: str = "compose.yaml") -> dict[str, Any]:
    made: dict[str, Any] = YAML(typ="safe", pure=True).load(DEPLOY / name)
    return made


def manifests() -> dict[tuple[str, str], Any]:
    """By kind and name."""
    with (DEPLOY / "kubernetes.yaml").open() as file:
        documents = list(YAML(typ="safe", pure=True).load_all(file))
    return {(each["kind"], each["metadata"]["name"]): each for each in documents}


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


class TestTwoRoutersWithCompose:
    def test_both_have_the_same_keys_and_share_their_state(self) -> None:
        services = compose("scaled.compose.yaml")["services"]
        one, two = services["router-1"], services["router-2"]
        assert one["environment"] == two["environment"]
        for name in ("SERVER__CLIENT_KEY", "SERVER__ADMIN_KEY"):
            assert ":?" in one["environment"][f"POINTSMAN_{name}"]
        assert one["environment"]["POINTSMAN_SHARED__URL"].endswith("@valkey:6379/0")
        assert {"read_only": True, "cap_drop": ["ALL"]}.items() <= one.items()
        assert "ports" not in one

    def test_each_keeps_its_own_files(self) -> None:
        document = compose("scaled.compose.yaml")
        volumes = [service["volumes"][0] for name, service in document["services"].items() if "router" in name]
        assert volumes == ["data-1:/data", "data-2:/data"]
        assert set(document["volumes"]) == {"data-1", "data-2"}

    def test_the_balancer_lists_them_and_is_published_on_this_machine_only(self) -> None:
        services = compose("scaled.compose.yaml")["services"]
        assert services["balancer"]["ports"] == ["127.0.0.1:8080:8080"]
        config = (DEPLOY / "haproxy.cfg").read_text()
        for name in services:
            assert (f"server {name} {name}:{last_stage()['EXPOSE']}" in config) == name.startswith("router")
        assert "mode tcp" in config
        assert "uri /readyz" in config


class TestKubernetes:
    def test_every_service_and_budget_selects_the_pods_of_a_deployment(self) -> None:
        found = manifests()
        pods = [
            each["spec"]["template"]["metadata"]["labels"] for (kind, _), each in found.items() if kind == "Deployment"
        ]
        for (kind, name), each in found.items():
            if kind in ("Service", "PodDisruptionBudget", "Deployment"):
                selector = each["spec"]["selector"]
                assert selector.get("matchLabels", selector) in pods, name

    def test_a_router_ends_its_streams_before_it_is_killed(self) -> None:
        deployment = manifests()["Deployment", "pointsman"]["spec"]
        pod = deployment["template"]["spec"]
        settings = router_settings()
        pause = pod["containers"][0]["lifecycle"]["preStop"]["sleep"]["seconds"]
        assert pod["terminationGracePeriodSeconds"] > pause + settings.server.drain
        assert deployment["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
        budget = manifests()["PodDisruptionBudget", "pointsman"]["spec"]
        assert budget["minAvailable"] < deployment["replicas"]

    def test_probes_ask_pages_that_are_there(self) -> None:
        container = manifests()["Deployment", "pointsman"]["spec"]["template"]["spec"]["containers"][0]
        paths = {probe: container[probe]["httpGet"]["path"] for probe in container if probe.endswith("Probe")}
        assert paths == {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}

    def test_the_configuration_is_valid_and_finds_its_server(self) -> None:
        settings = router_settings()
        assert settings.shared.url
        assert "@pointsman-valkey:6379" in settings.shared.url.get_secret_value()
        service = manifests()["Service", "pointsman-valkey"]["spec"]
        assert service["ports"][0]["port"] == 6379

    def test_the_image_that_is_built_by_hand_has_the_version_of_the_product(self) -> None:
        container = manifests()["Deployment", "pointsman"]["spec"]["template"]["spec"]["containers"][0]
        assert container["image"] == f"pointsman:{__version__}"
        commands = re.findall(r"# +(docker (?:build|push) .*)", (DEPLOY / "kubernetes.yaml").read_text())
        image = f"registry.example.com/{container['image']}"
        assert commands == [f"docker build -f deploy/Dockerfile -t {image} .", f"docker push {image}"]

    def test_nothing_runs_as_root_or_may_write_its_image(self) -> None:
        for (kind, name), each in manifests().items():
            if kind == "Deployment":
                pod = each["spec"]["template"]["spec"]
                assert pod["securityContext"]["runAsNonRoot"] is True, name
                for container in pod["containers"]:
                    assert container["securityContext"]["readOnlyRootFilesystem"] is True, name
                    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}, name


def router_settings() -> Settings:
    """What a router of the Deployment runs with."""
    found = manifests()
    container = found["Deployment", "pointsman"]["spec"]["template"]["spec"]["containers"][0]
    env = {each["name"]: each.get("value", f"{each['name']}-0123456789") for each in container["env"]}
    env = {name: re.sub(r"\$\((\w+)\)", lambda match: env[match[1]], value) for name, value in env.items()}
    tree = YAML(typ="safe", pure=True).load(found["ConfigMap", "pointsman"]["data"]["pointsman.yaml"])
    return build(tree, env)
