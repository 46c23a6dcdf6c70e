"""The environment, the file and the defaults, made one."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from opswatch.environment import VARIABLES
from opswatch.settings import LogSettings, load_settings
from telemetry.errors import ConfigurationError
from telemetry.rollup import Retention
from telemetry.schema import MeasurementClass


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a folder without an opswatch.yaml."""
    monkeypatch.chdir(tmp_path)


def faults(environ: dict[str, str], file: Path | None = None) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environ, file)
    return [str(fault) for fault in caught.value.faults]


def test_without_anything_the_defaults_of_the_story_hold() -> None:
    """R70 to R78: no file, no variables."""
    found = load_settings({})

    assert (found.listen_host, found.listen_port, found.data_dir) == ("127.0.0.1", 8321, Path("./.opswatch"))
    assert found.log == LogSettings("INFO", "json", rotation_enabled=True, retention_days=30, max_size_mb=100)
    assert found.collection_enabled
    assert (found.host_interval, found.refresh_interval) == (timedelta(seconds=60), timedelta(seconds=5))
    days = (7, 180, 1_095, 400, 31)
    assert found.retention == Retention(*(timedelta(days=number) for number in days))
    assert (found.services, found.config_file, found.warnings) == ((), None, ())


def test_every_variable_replaces_its_default(tmp_path: Path) -> None:
    """R70 to R78 and the variables of interface.md 1."""
    (tmp_path / "owner").write_text("secret")
    found = load_settings(
        {
            "LOG_LEVEL": "warning", "LOG_FORMAT": "text", "LOG_ROTATION_ENABLED": "false", "LOG_RETENTION_DAYS": "7",
            "LOG_MAX_SIZE_MB": "5", "METRICS_COLLECTION_ENABLED": "0", "METRICS_INTERVAL_SECONDS": "2.5",
            "DASHBOARD_REFRESH_INTERVAL_SECONDS": "1", "OPSWATCH_DATA_DIR": "/d", "OPSWATCH_LISTEN": "[::1]:0",
            "OPSWATCH_STORAGE": "embedded", "OPSWATCH_URL": "http://o:1/", "OPSWATCH_TOKEN": "t",
            "OPSWATCH_BASE_PATH": "ops/watch/", "OPSWATCH_OWNER_TOKEN_FILE": str(tmp_path / "owner"),
        }
    )  # fmt: skip

    assert found.log == LogSettings("WARN", "text", rotation_enabled=False, retention_days=7, max_size_mb=5)
    assert (found.collection_enabled, found.host_interval) == (False, timedelta(seconds=2.5))
    assert (found.listen_host, found.listen_port, found.data_dir) == ("::1", 0, Path("/d"))
    assert (found.server_url, found.base_path) == ("http://o:1", "/ops/watch")
    assert found.server_token is not None
    assert found.server_token.get_secret_value() == "t"
    assert (found.owner_token_file, found.refresh_interval) == (tmp_path / "owner", timedelta(seconds=1))


def test_the_health_check_interval_is_that_of_probes_that_say_none(tmp_path: Path) -> None:
    """R77: it replaces the default, not what is written at a probe."""
    file = tmp_path / "o.yaml"
    file.write_text("services: [{name: a, probes: [{name: x, url: 'http://a', interval: 7s}, {url: 'http://b'}]}]")
    (service,) = load_settings({"HEALTH_CHECK_INTERVAL_SECONDS": "3"}, file).services

    assert [probe.interval for probe in service.probes] == [timedelta(seconds=7), timedelta(seconds=3)]


def test_what_the_file_says_wins_and_a_warning_says_so(tmp_path: Path) -> None:
    """An environment variable replaces a default only; nobody is left guessing why it does nothing."""
    file = tmp_path / "o.yaml"
    file.write_text("listen: 0.0.0.0:1\nhost: {interval: 10s}\n")
    found = load_settings({"OPSWATCH_LISTEN": "127.0.0.1:2", "METRICS_INTERVAL_SECONDS": "5"}, file)

    assert (found.listen_host, found.listen_port, found.host_interval) == ("0.0.0.0", 1, timedelta(seconds=10))
    assert found.warnings == (
        "OPSWATCH_LISTEN is set, but `listen` in line 1 of the file wins",
        "METRICS_INTERVAL_SECONDS is set, but `host.interval` in line 2 of the file wins",
    )


def test_influxdb_is_found_by_the_names_of_its_own_client(tmp_path: Path) -> None:
    """INFLUXDB_V2_*: everything may come from the environment, and the token from a file, which may change."""
    (tmp_path / "token").write_text("one\n")
    environment = {
        "OPSWATCH_STORAGE": "influxdb",
        "INFLUXDB_V2_URL": "http://influxdb:8086/",
        "INFLUXDB_V2_ORG": "ops",
        "INFLUXDB_V2_TOKEN_FILE": str(tmp_path / "token"),
    }
    found = load_settings(environment).influx

    assert found is not None
    assert (found.url, found.org, found.token_file) == ("http://influxdb:8086", "ops", tmp_path / "token")
    assert found.bucket(MeasurementClass.METRICS) == "opswatch_raw"
    assert load_settings({}).influx is None
    direct = load_settings({**environment, "INFLUXDB_V2_TOKEN_FILE": "", "INFLUXDB_V2_TOKEN": "hunter2"})
    assert direct.influx is not None
    assert direct.influx.token is not None
    assert direct.influx.token.get_secret_value() == "hunter2"
    with_a_break = load_settings({**environment, "INFLUXDB_V2_TOKEN_FILE": "", "INFLUXDB_V2_TOKEN": "hunter2\n"})
    assert with_a_break.influx == direct.influx
    assert "hunter2" not in repr(direct)


def test_what_the_file_says_of_influxdb_wins(tmp_path: Path) -> None:
    """Item by item; a token's file is looked up beside the configuration."""
    (tmp_path / "token").write_text("one\n")
    file = tmp_path / "o.yaml"
    file.write_text("storage: {kind: influxdb, influxdb: {url: 'https://here', token_file: token, bucket_prefix: ow}}")
    environment = {"INFLUXDB_V2_URL": "http://there", "INFLUXDB_V2_ORG": "ops", "INFLUXDB_V2_TOKEN": "other"}
    settings = load_settings(environment, file)
    found = settings.influx

    assert found is not None
    assert (found.url, found.org, found.token_file, found.token) == ("https://here", "ops", tmp_path / "token", None)
    assert found.bucket(MeasurementClass.SELF) == "ow_self"
    assert settings.warnings == (
        "INFLUXDB_V2_URL is set, but `storage.influxdb.url` in line 1 of the file wins",
        "INFLUXDB_V2_TOKEN is set, but `storage.influxdb.token_file` in line 1 of the file wins",
    )


def test_the_token_that_provision_made_is_found_where_none_is_named(tmp_path: Path) -> None:
    """Last of all: what the file or the environment names wins, and without any there is still none."""
    environment = {
        "OPSWATCH_STORAGE": "influxdb",
        "INFLUXDB_V2_URL": "http://influxdb:8086",
        "INFLUXDB_V2_ORG": "ops",
        "OPSWATCH_DATA_DIR": str(tmp_path),
    }
    assert [one for one in faults(environment) if "has no token" in one] != []
    (tmp_path / "keys").mkdir()
    made = tmp_path / "keys" / "influx_token"
    made.write_text("one\n")
    found, direct = (load_settings({**environment, **more}).influx for more in ({}, {"INFLUXDB_V2_TOKEN": "other"}))
    (tmp_path / "named").write_text("two\n")
    named = load_settings({**environment, "INFLUXDB_V2_TOKEN_FILE": str(tmp_path / "named")}).influx

    assert found is not None
    assert direct is not None
    assert named is not None
    assert (found.token_file, found.token) == (made, None)
    assert (direct.token_file, direct.token is not None) == (None, True)
    assert named.token_file == tmp_path / "named"


def test_a_token_that_is_to_be_made_need_not_be_there(tmp_path: Path) -> None:
    """Where it goes is known all the same; every other fault is one."""
    file = tmp_path / "o.yaml"
    file.write_text("storage: {kind: influxdb, influxdb: {url: 'https://here', org: ops, token_file: secret}}")
    found = load_settings({}, file, makes_token=True).influx

    assert found is not None
    assert found.token_file == tmp_path / "secret"
    environment = {"INFLUXDB_V2_TOKEN_FILE": "/nowhere/token", "OPSWATCH_STORAGE": "influxdb"}
    with pytest.raises(ConfigurationError) as caught:
        load_settings(environment, makes_token=True)
    assert [fault.message for fault in caught.value.faults] == ["InfluxDB has no URL", "InfluxDB has no organisation"]


def test_f1_everything_that_influxdb_lacks_is_named_at_once() -> None:
    """Where the environment chose the store, the environment is at fault."""
    lacking, made = "environment: OPSWATCH_STORAGE: InfluxDB has no ", "`opswatch provision apply` makes one"

    assert faults({"OPSWATCH_STORAGE": "influxdb", "INFLUXDB_V2_URL": "nope"}) == [
        "environment: INFLUXDB_V2_URL: 'nope' is not a URL of a server (write http://host:port, without credentials)",
        f"{lacking}organisation (set INFLUXDB_V2_ORG, or write storage.influxdb.org)",
        f"{lacking}token (set INFLUXDB_V2_TOKEN_FILE, or write storage.influxdb.token_file; {made})",
    ]


MISTAKES = {
    "LOG_LEVEL=loud": "'loud' is not a level (DEBUG, INFO, WARN, ERROR, CRITICAL)",
    "LOG_FORMAT=xml": "'xml' cannot stand here (write json or text)",
    "LOG_ROTATION_ENABLED=maybe": "'maybe' is neither true nor false (write true or false)",
    "LOG_RETENTION_DAYS=0": "'0' is not a whole number from 1 to 3,650",
    "LOG_MAX_SIZE_MB=100MB": "'100MB' is not a whole number from 1 to 100,000",
    "METRICS_INTERVAL_SECONDS=30s": "'30s' is not a number of seconds (write 30)",
    "METRICS_INTERVAL_SECONDS=-1": "'-1' is not a number of seconds (write a number, like 60)",
    "HEALTH_CHECK_INTERVAL_SECONDS=0": "'0' seconds is out of range (from 0.1 to 86400)",
    "DASHBOARD_REFRESH_INTERVAL_SECONDS=nan": "'nan' is not a number of seconds (write a number, like 60)",
    "OPSWATCH_LISTEN=:8321": "':8321' is not an address with a port"
    " (write 127.0.0.1:8321, or 0.0.0.0:8321 for every interface)",
    "OPSWATCH_STORAGE=mysql": "'mysql' cannot stand here (write embedded or influxdb)",
    "INFLUXDB_V2_URL=http://influxdb:80860": "'http://influxdb:80860' is not a URL: its host or port is malformed",
    "INFLUXDB_V2_URL=http://[::1:8086": "'http://[::1:8086' is not a URL: its host or port is malformed",
    "INFLUXDB_V2_TOKEN=hunter2\nhunter3": "the value is not one line of printable characters"
    " (put the token alone there)",
    "INFLUXDB_V2_URL=influxdb:8086": "'influxdb:8086' is not a URL of a server"
    " (write http://host:port, without credentials)",
    "INFLUXDB_V2_SSL_CA_CERT=nope.pem": "the file 'nope.pem' does not exist",
    "OPSWATCH_URL=http://u:hunter2@o": "'http://***@o' is not a URL of a server"
    " (write http://host:port, without credentials)",
    "OPSWATCH_BASE_PATH=/a/../b": "'/a/../b' is not a base path (write a path like /opswatch)",
    "OPSWATCH_OWNER_TOKEN_FILE=nope": "the file 'nope' does not exist",
    "ALERTING_ENABLED=x": "'x' is neither true nor false (write true or false)",
    "ALERT_WEBHOOK_URL=hunter2": "the value is not a URL (write https://host/path)",
    "ALERT_THRESHOLDS_CONFIG_FILE=nope.json": "the file 'nope.json' does not exist",
    "LOG_AGGREGATION_PORT=70000": "'70000' is not a whole number from 1 to 65,535",
    "LOG_AGGREGATION_PROTOCOL=smoke": "'smoke' cannot stand here (write udp or tcp or tls)",
    "SMTP_PORT=x": "'x' is not a whole number from 1 to 65,535",
}


@pytest.mark.parametrize(("variable", "message"), MISTAKES.items())
def test_f1_a_wrong_variable_stops_the_start_and_is_named(variable: str, message: str) -> None:
    """R70 to R86: also those that this version does nothing with are checked."""
    name, _, value = variable.partition("=")

    assert faults({name: value}) == [f"environment: {name}: {message}"]


def test_f1_the_faults_of_file_and_environment_come_together(tmp_path: Path) -> None:
    """Everything at once, the file first."""
    file = tmp_path / "o.yaml"
    file.write_text("listne: x\n")

    found = faults({"LOG_LEVEL": "loud", "LOG_FORMAT": "xml"}, file)

    assert [fault.split(": ")[:2] for fault in found] == [
        [f"{file}:1:1", "listne"],
        ["environment", "LOG_LEVEL"],
        ["environment", "LOG_FORMAT"],
    ]


def test_an_empty_variable_counts_as_not_set() -> None:
    """Compose files pass variables on that nobody has set: R81 is empty by default."""
    assert load_settings(dict.fromkeys(VARIABLES, "")) == load_settings({})


def test_a_secret_may_stand_in_a_file(tmp_path: Path) -> None:
    """OPSWATCH_TOKEN_FILE holds the token; the line's end is no part of it."""
    (tmp_path / "token").write_text("hunter2\n")
    found = load_settings({"OPSWATCH_TOKEN_FILE": str(tmp_path / "token")})

    assert found.server_token is not None
    assert found.server_token.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(found)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"", "is empty"), (b"hunter2\nb", "must hold one line, the secret"), (b"\xff", "is not UTF-8 text")],
)
def test_a_secrets_file_that_holds_no_secret_is_a_fault(tmp_path: Path, content: bytes, problem: str) -> None:
    """It is named, and what it holds is not shown."""
    (tmp_path / "token").write_bytes(content)

    (fault,) = faults({"OPSWATCH_TOKEN_FILE": str(tmp_path / "token")})

    assert fault.endswith(problem)
    assert "hunter2" not in fault


def test_a_secret_and_its_file_together_are_a_fault(tmp_path: Path) -> None:
    """Nobody should have to guess which of them holds."""
    (fault,) = faults({"OPSWATCH_TOKEN": "hunter2", "OPSWATCH_TOKEN_FILE": "nope"})

    assert fault.endswith("OPSWATCH_TOKEN and OPSWATCH_TOKEN_FILE are both set (unset one of them)")


def test_an_unknown_variable_of_ours_is_a_warning_with_its_near_miss() -> None:
    """It may be for another version; it may be a typing mistake."""
    assert load_settings({"OPSWATCH_DATADIR": "x"}).warnings == (
        "environment: 'OPSWATCH_DATADIR' means nothing to this version; did you mean `OPSWATCH_DATA_DIR`?",
    )


def test_the_file_is_the_one_named_else_the_usual_one(tmp_path: Path) -> None:
    """--config, then OPSWATCH_CONFIG, then ./opswatch.yaml, then none."""
    for name in ("opswatch.yaml", "env.yaml", "line.yaml"):
        (tmp_path / name).write_text("")

    assert load_settings({}).config_file == Path("opswatch.yaml")
    assert load_settings({"OPSWATCH_CONFIG": "env.yaml"}).config_file == Path("env.yaml")
    assert load_settings({"OPSWATCH_CONFIG": "env.yaml"}, Path("line.yaml")).config_file == Path("line.yaml")


@pytest.mark.parametrize(("name", "reason"), [("nope.yaml", "does not exist"), (".", "is a directory")])
def test_f11_a_named_file_that_cannot_be_read_is_named(name: str, reason: str) -> None:
    """A file that somebody asked for is not skipped."""
    (fault,) = faults({"OPSWATCH_CONFIG": name})

    assert fault == f"{Path(name)}: the file {str(Path(name))!r} {reason} (`opswatch init` writes one to start with)"


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from([*VARIABLES, "OPSWATCH_X"]), st.text(max_size=20), max_size=6))
def test_no_environment_raises_anything_but_a_configuration_error(environ: dict[str, str]) -> None:
    """Whatever the variables hold: settings, or faults."""
    try:
        said = [repr(load_settings(environ))]
    except ConfigurationError as error:
        said = [fault.message for fault in error.faults]

    assert said
