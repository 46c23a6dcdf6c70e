"""The image and the compose file, as far as a machine without Docker's engine can say."""

import json
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.opswatch.process import opswatch
from tests.opswatch.test_run import running

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE: Any = YAML(typ="safe").load(ROOT / "docker-compose.yml")
NO_CLIENT = "no docker compose: put its client beside docker's (the plugin docker-compose), the engine is not needed"


def instructions() -> list[tuple[str, str]]:
    """(instruction, arguments), continuation lines joined."""
    text = re.sub(r"\\\n\s*", "", re.sub(r"^#.*\n", "", DOCKERFILE, flags=re.MULTILINE))
    return [(line.split(" ", 1)[0], line.split(" ", 1)[1]) for line in text.splitlines() if line.strip()]


def arguments(name: str) -> list[str]:
    return [rest for one, rest in instructions() if one == name]


def is_sent(path: str) -> bool:
    """Whether .dockerignore leaves a path to the builder: the last line that fits decides."""
    sent = True
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = line.removeprefix("!")
        if pattern and not pattern.startswith("#") and (fnmatch(path, pattern) or fnmatch(path, f"{pattern}/*")):
            sent = line.startswith("!")
    return sent


def compose_client() -> list[str]:
    for command in (["docker", "compose"], ["docker-compose"]):
        if (
            shutil.which(command[0])
            and subprocess.run([*command, "version"], capture_output=True, check=False).returncode == 0
        ):
            return command
    pytest.skip(NO_CLIENT)


@pytest.mark.parametrize("profile", [(), ("--profile", "grafana")])
def test_the_compose_client_accepts_the_file(profile: tuple[str, ...]) -> None:
    """With every profile; what it understands is what was meant."""
    done = subprocess.run(
        [*compose_client(), "-f", ROOT / "docker-compose.yml", *profile, "config", "--format", "json"],
        capture_output=True,
        check=False,
        cwd=ROOT,
    )
    assert done.returncode == 0, done.stderr.decode()
    understood = json.loads(done.stdout)

    assert set(understood["services"]) == {"opswatch", "influxdb", "demo"} | ({"grafana"} if profile else set())
    assert understood["services"]["influxdb"]["healthcheck"]["test"][1].startswith("INFLUX_TOKEN=$$(cat /run/secrets/")


def test_every_image_is_pinned_and_influxdb_to_the_release_that_was_tested() -> None:
    """`latest` is another product by now."""
    images = {name: one["image"] for name, one in COMPOSE["services"].items()}
    bases = [rest.split(" ")[0] for rest in arguments("FROM")]

    assert images["influxdb"] == "influxdb:2.9.1"
    assert all(re.fullmatch(r"[a-z/-]+:[0-9][0-9.]*(-alpine|-slim)?", one) for one in (*images.values(), *bases)), (
        images
    )


def test_no_secret_stands_in_the_environment_and_nothing_listens_to_the_network() -> None:
    """Files alone, ports of loopback, no right that is not needed, no root that can be written."""
    for name, service in COMPOSE["services"].items():
        secret = [
            key
            for key in service.get("environment", {})
            if re.search("PASSWORD|TOKEN|USERNAME", key) and not key.endswith("_FILE")
        ]
        assert secret == [], name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", [])), name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped"
        assert "mem_limit" in service
    ours = COMPOSE["services"]["opswatch"]
    assert (ours["read_only"], ours["cap_drop"]) == (True, ["ALL"])
    assert all(one["file"].startswith("./secrets/") for one in COMPOSE["secrets"].values())
    assert "/secrets/" in (ROOT / ".gitignore").read_text().splitlines()
    assert not is_sent("secrets/influx_admin_token")


def test_influxdb_keeps_all_that_it_has_on_one_volume_and_its_queries_are_bounded() -> None:
    """A bolt that is gone makes the image set up anew, and a setup that fails deletes the engine."""
    service = COMPOSE["services"]["influxdb"]
    environment = service["environment"]
    (volume,) = (one for one in service["volumes"] if one.startswith("influxdb:"))

    for key in ("INFLUXD_BOLT_PATH", "INFLUXD_SQLITE_PATH", "INFLUXD_ENGINE_PATH"):
        assert environment[key].startswith(volume.partition(":")[2] + "/"), key
    assert environment["INFLUXD_REPORTING_DISABLED"] == "true"
    assert {"INFLUXD_QUERY_CONCURRENCY", "INFLUXD_QUERY_QUEUE_SIZE", "INFLUXD_QUERY_MEMORY_BYTES"} <= set(environment)


async def test_the_configuration_of_the_compose_file_is_good(tmp_path: Path) -> None:
    """And names the hosts and the organisation that the file has."""
    file = ROOT / "infrastructure" / "compose" / "opswatch.yaml"
    done = await opswatch(tmp_path, "check-config", str(file))
    written: Any = YAML(typ="safe").load(file)
    environment = COMPOSE["services"]["influxdb"]["environment"]

    assert done.code == 0, done.complaint
    assert written["storage"]["influxdb"]["org"] == environment["DOCKER_INFLUXDB_INIT_ORG"]
    assert environment["DOCKER_INFLUXDB_INIT_BUCKET"] == "opswatch_raw"
    hosts = {url.split("/")[2].partition(":")[0] for url in re.findall(r"http://[^\"]+", file.read_text())}
    assert hosts <= set(COMPOSE["services"])


def test_what_the_image_copies_is_sent_to_the_builder_and_nothing_else() -> None:
    """Every package of the project is among it; what was installed here, and data, are not."""
    copied = [one for rest in arguments("COPY") if not rest.startswith("--from") for one in rest.split()[:-1]]
    packages = re.search(r"\[tool.setuptools\]\npackages = \[(.*?)\]", (ROOT / "pyproject.toml").read_text(), re.DOTALL)
    assert packages is not None
    top = {name.split(".")[0] for name in re.findall(r'"([^"]+)"', packages[1])}

    assert [one for one in copied if not (ROOT / one).exists() or not is_sent(one)] == []
    assert top <= set(copied)
    for path in (".venv/bin/python", ".git/config", ".opswatch/state.sqlite", "node_modules/uplot/package.json"):
        assert not is_sent(path), path
    assert not is_sent("dashboards/static/vendor/uPlot.min.css")


def test_the_image_runs_as_nobody_and_with_the_settings_that_there_are() -> None:
    """A number for the user, so that an orchestrator can see that it is not root; known variables, exec forms."""
    reference = (ROOT / "docs" / "configuration.md").read_text()
    names = re.findall(r"(OPSWATCH_\w+)=", " ".join(arguments("ENV")))

    assert arguments("USER") == ["10001"]
    assert names
    assert all(f"`{name}`" in reference for name in names)
    assert [json.loads(rest) for rest in (*arguments("ENTRYPOINT"), *arguments("CMD"))] == [["opswatch"], ["run"]]
    assert "--require-hashes" in DOCKERFILE


def test_the_health_check_tells_a_server_that_answers_from_one_that_does_not(tmp_path: Path) -> None:
    """The very command of the image, on another port."""
    (check,) = arguments("HEALTHCHECK")
    command = json.loads(check.partition("CMD ")[2])
    (tmp_path / "opswatch.yaml").write_text("version: 1\n")

    def healthy(port: str) -> bool:
        code = command[2].replace("8321", port)
        return subprocess.run([sys.executable, *command[1:2], code], capture_output=True, check=False).returncode == 0

    with running(tmp_path) as server:
        port = server.url.rpartition(":")[2]
        assert healthy(port)
    assert not healthy(port)
