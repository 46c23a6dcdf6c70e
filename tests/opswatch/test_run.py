"""The program as a user starts it: what it prints, how it stops, what it keeps, how it refuses."""

import csv
import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
PATIENCE = 30.0  # seconds; a loaded machine is slow to start Python


@dataclass
class Server:
    """A running `opswatch run`."""

    process: subprocess.Popen[str]
    url: str
    owner_link: str | None
    directory: Path

    def get(self, path: str) -> tuple[int, str]:
        token = json.loads((self.directory / ".opswatch" / "server.json").read_text())["token"]
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {token}"})
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def wait_for(self, path: str, condition: str) -> str:
        """Ask until the answer matches; a bounded wait, not a sleep for luck."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            _, text = self.get(path)
            if re.search(condition, text):
                return text
            time.sleep(0.1)
        raise AssertionError(f"{path} never matched {condition}: {text[:500]}")


def environment(directory: Path, **more: str) -> dict[str, str]:
    keep = {name: value for name, value in os.environ.items() if not name.startswith(("OPSWATCH_", "LOG_"))}
    return keep | {"OPSWATCH_LISTEN": "127.0.0.1:0", "PYTHONPATH": str(ROOT)} | more


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-W", "error", "-m", "opswatch.cli.main", *arguments]


def run(directory: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        check=False,
        cwd=directory,
        env=environment(directory, **more),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )


@contextmanager
def running(directory: Path, **more: str) -> Iterator[Server]:
    with (
        (directory / "stderr.txt").open("a") as log,
        subprocess.Popen(
            command("run"),
            cwd=directory,
            env=environment(directory, **more),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        try:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first.startswith("listening "), (directory / "stderr.txt").read_text()
            link = None
            if not (directory / "owned").exists():
                second = process.stdout.readline()
                assert second.startswith("owner link ")
                link = second.split()[-1]
            yield Server(process, first.split()[-1], link, directory)
        finally:
            process.kill()
            process.communicate()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "opswatch.yaml").write_text(
        "version: 1\nhost: {interval: 1s}\nservices:\n"
        "  - name: itself\n"
        "    probes: [{name: none, kind: http, url: 'http://127.0.0.1:9/', interval: 1s, timeout: 500ms}]\n"
    )
    return tmp_path


def test_within_a_moment_it_serves_the_host_and_a_listed_endpoint(directory: Path) -> None:
    """R3, R4, R6, R22, R33: the address and the owner link on stdout, live figures behind them."""
    with running(directory) as server:
        assert server.owner_link is not None
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/setup#\S{43}", server.owner_link)
        health = json.loads(server.wait_for("/api/v1/health", r'"cpu_usage_percent":[0-9]'))
        services = json.loads(server.wait_for("/api/v1/services", r'"status":"down"'))

    assert (directory / ".opswatch").stat().st_mode & 0o777 == 0o700
    assert health["system_metrics"]["memory_usage_mb"] > 0
    assert 0 <= health["system_metrics"]["disk_usage_percent"] <= 100
    (probe,) = services["services"][0]["probes"]
    assert (probe["outcome"], probe["name"]) == ("refused", "none")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_with_exit_code_0_within_5_seconds(directory: Path, number: signal.Signals) -> None:
    """E9: also while a live stream is open; nothing is left behind but the data."""
    with running(directory) as server:
        token = json.loads((directory / ".opswatch" / "server.json").read_text())["token"]
        host, port = server.url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as stream:
            stream.sendall(
                f"GET /api/v1/stream HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
            )
            assert b"200 OK" in stream.recv(4096)
            started = time.monotonic()
            server.process.send_signal(number)
            code = server.process.wait(10)

    assert code == 0
    assert time.monotonic() - started < 5
    assert not (directory / ".opswatch" / "server.json").exists()
    assert "Traceback" not in (directory / "stderr.txt").read_text()


def test_a_signal_ends_a_start_that_waits_for_its_store(directory: Path) -> None:
    """A supervisor that changes its mind waits no longer for a start than for a server that runs."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = {
            "OPSWATCH_STORAGE": "influxdb",
            "INFLUXDB_V2_URL": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "INFLUXDB_V2_ORG": "ops",
            "INFLUXDB_V2_TOKEN": "t",
        }
        with subprocess.Popen(command("run"), cwd=directory, env=environment(directory, **store)) as process:
            try:
                silent.settimeout(PATIENCE)
                connection, _ = silent.accept()  # it asks, and is never answered
                started = time.monotonic()
                process.terminate()
                assert process.wait(PATIENCE) == 0
                assert time.monotonic() - started < 5
                connection.close()
            finally:
                process.kill()


def test_what_is_collected_while_the_store_is_away_waits(directory: Path) -> None:
    """Cron goes on: nothing is lost, nobody is told that it was, and the reason is there."""
    store = {
        "OPSWATCH_STORAGE": "influxdb",
        "INFLUXDB_V2_URL": "http://127.0.0.1:9",
        "INFLUXDB_V2_ORG": "ops",
        "INFLUXDB_V2_TOKEN": "t",
    }
    found = subprocess.run(
        command("collect", "--once"),
        check=False,
        cwd=directory,
        env=environment(directory, **store),
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE,
    )

    last = found.stdout.splitlines()[-1]
    assert "they wait in the spool, and whatever runs next hands them on (" in last
    assert "InfluxDB at http://127.0.0.1:9 cannot be reached" in last
    assert found.returncode == 0


def test_doctor_says_what_is_wrong_with_influxdb_once(directory: Path) -> None:
    """As a finding; nothing of it comes on stderr as well, without its reason."""
    store = {
        "OPSWATCH_STORAGE": "influxdb",
        "INFLUXDB_V2_URL": "http://127.0.0.1:9",
        "INFLUXDB_V2_ORG": "ops",
        "INFLUXDB_V2_TOKEN": "t",
    }
    found = run(directory, "doctor", **store)

    assert found.returncode == 1
    assert "FAIL  store: InfluxDB at http://127.0.0.1:9 cannot be reached: Connection refused" in found.stdout
    assert found.stderr == ""


def test_after_kill_9_every_acknowledged_point_is_there(directory: Path) -> None:
    """A1: what the API has shown before the kill, it shows after it."""
    path = "/api/v1/export.csv?measurement=system&field=load1&start=-1h"
    with running(directory) as server:
        server.wait_for(path, r"(?s)(system.*){3}")
        _, before = server.get(path)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    with running(directory) as server:
        _, after = server.get(path)

    rows = [tuple(row) for row in csv.reader(io.StringIO(before))]
    assert set(rows) <= {tuple(row) for row in csv.reader(io.StringIO(after))}


def test_a_signal_that_comes_twice_is_one_wish_to_stop(directory: Path) -> None:
    """As when a shell sends it to a whole group, and make hands it on as well: exit code 0."""
    with running(directory) as server:
        for _ in range(200):
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.002)  # signals that come closer may reach a process as one

        assert server.process.wait(10) == 0


def test_a3_a_damaged_store_is_set_aside_and_everybody_is_told(directory: Path) -> None:
    """It starts all the same: the page, /ready, the health answer and doctor name what is missing, and it goes on."""
    with running(directory) as server:
        server.wait_for("/api/v1/series?measurement=mem&latest=true", '"values":\\[')
    (directory / ".opswatch" / "metrics.duckdb").write_bytes(b"")
    before = run(directory, "doctor")
    with running(directory) as server:
        ready = server.get("/ready")
        page = server.get("/")[1]
        health = json.loads(server.get("/api/v1/health")[1])
        answer = json.loads(server.get("/api/v1/series?measurement=mem")[1])
        doctor = run(directory, "doctor").stdout
        export = run(directory, "export", "mem", "-o", "mem.csv")
        server.wait_for("/api/v1/series?measurement=mem&latest=true", '"values":\\[')

    assert ready[0] == 200
    assert json.loads(ready[1]) == {"status": "ready", "reasons": ["history_missing"]}
    assert "are lost: the store could not be opened (the file is empty)" in page
    (missing,) = health["connection_status"]["store"]["missing"]
    assert (missing["start"], missing["reason"]) == (None, "the file is empty")
    assert answer["warnings"][0].startswith("samples from the beginning to ")
    assert (before.returncode, "the file is empty" in before.stdout) == (1, True)
    assert "a period was lost with a damaged store" in doctor
    assert f"set aside: {missing['file']}" in doctor
    assert (export.returncode, "were lost with a damaged store" in export.stderr) == (0, True)
    assert (directory / ".opswatch" / missing["file"]).read_bytes() == b""


def test_a_second_process_on_the_same_data_is_told_who_holds_it(directory: Path) -> None:
    """The message names the process; the first one goes on."""
    with running(directory) as server:
        second = run(directory, "run")

        assert second.returncode == 1
        assert f"in use by process {server.process.pid}" in second.stderr
        assert "Traceback" not in second.stderr
        assert server.get("/health")[0] == 200


def test_a_port_in_use_is_named_with_a_way_out(directory: Path, tmp_path: Path) -> None:
    """Not a traceback: which address, and how to choose another."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        result = run(directory, "run", OPSWATCH_LISTEN=place)

    assert result.returncode == 1
    assert f"{place} is in use by another program" in result.stderr
    assert "OPSWATCH_LISTEN" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_that_cannot_be_written_is_named(directory: Path) -> None:
    """Whatever the system says of a file: its name and the reason, not a traceback."""
    result = run(directory, "run", OPSWATCH_DATA_DIR="/proc/sys/opswatch")

    assert result.returncode == 1
    assert "/proc/sys/opswatch" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_wrong_configuration_ends_with_every_fault_and_exit_code_2(directory: Path) -> None:
    """F1: file, line, column, field and the near miss, all at once."""
    (directory / "opswatch.yaml").write_text(
        "version: 1\nhost: {intervall: 5s}\nservices:\n  - name: a\n    depends_on: [b]\n"
        "    probes: [{name: p, url: 'ftp://x', interval: 5s, timeout: 9s}]\n"
    )
    result = run(directory, "run")

    assert result.returncode == 2
    assert "opswatch.yaml:2:8" in result.stderr
    assert "interval" in result.stderr
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) >= 4
    assert "Traceback" not in result.stderr


def test_tokens_are_made_with_the_server_running_or_stopped(directory: Path) -> None:
    """The token alone on stdout; it works at once, and not after it was revoked."""
    stopped = run(directory, "token", "create", "early", "--role", "viewer").stdout.strip()
    with running(directory) as server:
        made = run(directory, "token", "create", "late", "--role", "operator", "--expires", "30d").stdout.strip()
        listed = json.loads(run(directory, "token", "list", "--json").stdout)
        assert "\tviewer\t" in run(directory, "token", "list").stdout
        statuses = []
        for token in (stopped, made, "opw_wrong"):
            request = urllib.request.Request(
                server.url + "/api/v1/services", headers={"Authorization": f"Token {token}"}
            )
            try:
                with urllib.request.urlopen(request, timeout=10) as answer:
                    statuses.append(answer.status)
            except urllib.error.HTTPError as error:
                with error:
                    statuses.append(error.code)
        assert run(directory, "token", "revoke", "late").returncode == 0
        again = run(directory, "token", "revoke", "late")

    assert statuses == [200, 200, 401]
    assert [(row["name"], row["role"]) for row in listed] == [("early", "viewer"), ("late", "operator")]
    assert made not in json.dumps(listed)
    assert again.returncode == 1
    assert "no token 'late'" in again.stderr


def test_collect_once_beside_a_server_reaches_it_through_the_spool(directory: Path) -> None:
    """Cron may collect while a server runs: the server drains what the command has committed."""
    (directory / "other").mkdir()
    with running(directory) as server:
        result = run(directory, "collect", "--once", "--json")
        report = json.loads(result.stdout)
        server.wait_for("/api/v1/services", r'"status":"down"')

    assert result.returncode == 0, result.stderr
    assert report["kept"]
    assert report["by_server"]
    assert report["host_points"] > 3
    assert report["probes"][0]["outcome"] == "refused"


def test_collect_once_and_export_work_without_a_server(directory: Path) -> None:
    """R27 of the command line: collect writes and drains by itself, export opens the store by itself."""
    collected = run(directory, "collect", "--once")
    exported = run(directory, "export", "mem", "--field", "used", "-o", "mem.csv")
    rows = list(csv.DictReader((directory / "mem.csv").read_text().splitlines()))

    assert (collected.returncode, exported.returncode) == (0, 0), collected.stderr + exported.stderr
    assert "they are in the store" in collected.stdout
    assert [row["field"] for row in rows] == ["used"]
    assert int(rows[0]["value"]) > 1_000_000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("cpuu",), "did you mean cpu?"),
        (("cpu", "--field", "usage_actve"), "did you mean usage_active?"),
        (("cpu", "--start", "yesterday"), "is not a time"),
        (("cpu", "--start=-3650d", "--every", "1s"), "ask for every="),
        (("cpu", "--where", "core:0"), "no tag 'core'"),
    ],
)
def test_an_export_that_makes_no_sense_is_answered_with_the_way_out(
    directory: Path, arguments: tuple[str, ...], message: str
) -> None:
    """The message of the API, on stderr, exit code 1, and no file."""
    result = run(directory, "export", *arguments, "-o", "out.csv")

    assert result.returncode == 1
    assert message in result.stderr
    assert not (directory / "out.csv").exists()


def test_doctor_says_what_is_wrong_and_what_is_fine(directory: Path) -> None:
    """Healthy while a server runs; a quick look fails where none does."""
    alone = run(directory, "doctor", "--quick")
    with running(directory):
        beside = run(directory, "doctor", "--json")
        quick = run(directory, "doctor", "--quick")

    assert (alone.returncode, quick.returncode) == (1, 0)
    findings = {finding["subject"]: finding["verdict"] for finding in json.loads(beside.stdout)}
    assert findings["server"] == findings["packages"] == findings["configuration"] == "ok"


def test_the_owner_token_file_makes_the_owner_without_a_link(directory: Path) -> None:
    """Unattended starts: no link is printed, and the token of the file is an admin's."""
    (directory / "owner.token").write_text("a-token-of-at-least-24-characters\n")
    (directory / "owned").touch()
    with running(directory, OPSWATCH_OWNER_TOKEN_FILE="owner.token") as server:
        request = urllib.request.Request(
            server.url + "/api/v1/schema", headers={"Authorization": "Bearer a-token-of-at-least-24-characters"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            assert answer.status == 200


def test_the_log_is_on_stderr_and_in_the_file_as_json(directory: Path) -> None:
    """R51: every line is structured JSON; LOG_FORMAT=text is for people, and only on stderr."""
    with running(directory, LOG_FORMAT="text") as server:
        server.wait_for("/api/v1/services", r'"status":"down"')
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(10)

    lines = [json.loads(line) for line in (directory / ".opswatch" / "log" / "opswatch.jsonl").read_text().splitlines()]
    changed = next(line for line in lines if "is down, was unknown" in line["message"])
    assert changed["entity_id"] == "itself"
    assert changed["correlation_id"].startswith("job_")
    assert not (directory / "stderr.txt").read_text().startswith("{")


def test_every_command_explains_itself_with_an_example(directory: Path) -> None:
    """`--help` says what a command does, and shows one call."""
    listing = run(directory, "--help").stdout
    commands = (
        "run",
        "init",
        "add",
        "check-config",
        "collect",
        "export",
        "report",
        "quarantine",
        "token",
        "doctor",
        "schema",
        "backup",
        "restore",
    )
    for name in commands:
        assert re.search(rf"^  {name}\b", listing, re.MULTILINE), name
        if name not in {"token", "quarantine"}:
            assert "opswatch " + name in run(directory, name, "--help").stdout
