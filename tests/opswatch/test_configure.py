"""`opswatch init`, `add`, `check-config` and `schema`, as a person at a terminal or a script meets them."""

import json
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from opswatch.cli.main import main
from opswatch.configuration_writer import STARTER, edit
from opswatch.settings import load_settings


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line in an empty folder, without a terminal."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPSWATCH_CONFIG", raising=False)

    def run(*arguments: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["opswatch", *arguments])
        code = 0
        try:
            main()
        except SystemExit as ended:
            code = int(ended.code or 0)
        shown = capsys.readouterr()
        return Ended(code, shown.out, shown.err)

    return run


class Answers(BaseHTTPRequestHandler):
    """Answers 200 below /good, and 503 elsewhere."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path.startswith("/good") else 503)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def url() -> Iterator[str]:
    """A real server on a free port of loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_init_writes_a_good_file_for_this_host(run: Run) -> None:
    """The starter is free of faults and says 10 s for the host."""
    ended = run("init")

    assert (ended.code, ended.out) == (0, "wrote opswatch.yaml; now `opswatch add URL`, or `opswatch run`\n")
    assert run("check-config").out == "opswatch.yaml: ok, 0 services, 0 probes\n"
    assert load_settings({}).host_interval.total_seconds() == 10


def test_the_example_in_the_starter_is_good_when_its_comment_signs_go(tmp_path: Path) -> None:
    """Nobody should copy a mistake."""
    _, example = STARTER.replace("services: []\n", "").split("#\n# services:")
    (tmp_path / "o.yaml").write_text("services:" + example.replace("\n# ", "\n"))

    assert load_settings({}, tmp_path / "o.yaml").services[0].name == "checkout"


def test_init_never_overwrites(run: Run, tmp_path: Path) -> None:
    """A file that is there stays, and the message says so."""
    (tmp_path / "opswatch.yaml").write_text("# mine\n")

    ended = run("init")

    assert (ended.code, (tmp_path / "opswatch.yaml").read_text()) == (1, "# mine\n")
    assert ended.err.startswith("opswatch: opswatch.yaml is there already and stays as it is")


def test_init_where_nothing_can_be_written_names_the_reason(run: Run) -> None:
    """A folder that does not exist is named, without a traceback."""
    assert run("init", "--config", "no/such/o.yaml").err == (
        "opswatch: no/such/o.yaml cannot be written: No such file or directory\n"
    )


def test_f1_check_config_shows_every_fault_with_a_caret(run: Run, tmp_path: Path) -> None:
    """On stderr, with exit code 2."""
    (tmp_path / "opswatch.yaml").write_text("listne: x\nhost: {interval: 10}\n")

    ended = run("check-config")

    assert (ended.code, ended.out) == (2, "")
    assert ended.err == (
        "opswatch.yaml:1:1: listne: unknown key 'listne' (did you mean `listen`?)\n"
        "    listne: ***\n    ^\n"
        "opswatch.yaml:2:18: host.interval: 10 is not a duration: it has no unit (10s is so many seconds)\n"
        "    host: {interval: 10}\n                     ^\n"
        "2 faults\n"
    )


def test_check_config_gives_the_faults_as_json(run: Run, tmp_path: Path) -> None:
    """For editors and pipelines: the same, as data on stdout."""
    (tmp_path / "o.yaml").write_text("listne: x\n")

    ended = run("check-config", "--json", "o.yaml")

    assert (ended.code, json.loads(ended.out)) == (
        2,
        {
            "ok": False,
            "faults": [
                {
                    "message": "unknown key 'listne'",
                    "source": "o.yaml",
                    "field": "listne",
                    "line": 1,
                    "column": 1,
                    "hint": "did you mean `listen`?",
                }
            ],
        },
    )


def test_check_config_of_a_file_that_is_not_there(run: Run) -> None:
    """The file is named, and how to get one."""
    ended = run("check-config", "--config", "nope.yaml")

    assert (ended.code, ended.err) == (
        2,
        "nope.yaml: the file 'nope.yaml' does not exist (`opswatch init` writes one to start with)\n1 fault\n",
    )


def test_check_config_asks_every_probe_when_told(run: Run, tmp_path: Path, url: str) -> None:
    """With --probe each target is asked once; one that is down makes the exit code 1."""
    (tmp_path / "o.yaml").write_text(
        f"services: [{{name: a, probes: [{{name: x, url: '{url}/good'}}, {{name: y, url: '{url}/bad'}}]}}]"
    )

    ended = run("check-config", "--probe", "o.yaml")
    as_json = json.loads(run("check-config", "--probe", "--json", "o.yaml").out)

    assert ended.code == 1
    assert ended.out.startswith("a/x: ok, ")
    assert ended.out.endswith("o.yaml: ok, 1 service, 2 probes\n")
    assert [attempt["outcome"] for attempt in as_json["attempts"]] == ["ok", "status"]


def test_add_asks_shows_and_writes(run: Run, tmp_path: Path, url: str) -> None:
    """One command from a URL to a watched service; the file is made where there is none."""
    ended = run("add", f"{url}/good", "--name", "shop", "--interval", "15s", "--status", "200")

    assert ended.code == 0
    assert ended.out.startswith(f"{url}/good\n  outcome      ok (200)\n  latency      ")
    assert ended.out.endswith("added shop/good to opswatch.yaml; a running server reads it at its next start\n")
    (service,) = load_settings({}, tmp_path / "opswatch.yaml").services
    assert (service.name, service.probes[0].target, service.probes[0].interval.total_seconds()) == (
        "shop",
        f"{url}/good",
        15,
    )


def test_add_writes_what_is_down_when_a_script_says_so(run: Run, tmp_path: Path, url: str) -> None:
    """Without a terminal nobody is asked: what is down today is still to be watched."""
    ended = run("add", f"{url}/bad", "--json")

    assert (ended.code, json.loads(ended.out)["outcome"]) == (0, "status")
    assert f'url: "{url}/bad"' in (tmp_path / "opswatch.yaml").read_text()


def test_add_keeps_comments_and_the_files_mode(run: Run, tmp_path: Path, url: str) -> None:
    """Only lines are added; who may read the file stays decided."""
    file = tmp_path / "opswatch.yaml"
    file.write_text("# mine\nservices:\n  - name: a   # first\n")
    file.chmod(0o640)

    assert run("add", f"{url}/good", "--name", "b").code == 0

    assert file.read_text().startswith("# mine\nservices:\n  - name: a   # first\n  - name: b\n")
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["opswatch.yaml"]


def test_add_keeps_a_link_a_link(run: Run, tmp_path: Path, url: str) -> None:
    """The file behind it changes."""
    (tmp_path / "real.yaml").write_text("")
    (tmp_path / "opswatch.yaml").symlink_to("real.yaml")

    run("add", f"{url}/good")

    assert (tmp_path / "opswatch.yaml").is_symlink()
    assert "good" in (tmp_path / "real.yaml").read_text()


def test_add_refuses_what_is_there_already(run: Run, tmp_path: Path, url: str) -> None:
    """The second time nothing is asked and nothing written."""
    run("add", f"{url}/good")
    before = (tmp_path / "opswatch.yaml").read_bytes()

    ended = run("add", f"{url}/good")

    assert (ended.code, (tmp_path / "opswatch.yaml").read_bytes()) == (1, before)
    assert ended.err.endswith(f"/good asks {url}/good already\n")


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (["a.example"], "URL: 'a.example' is not a URL: it has no scheme (did you mean https://a.example?)"),
        (["https://u:hunter2@a"], ("URL: the URL holds credentials, which would show on pages and in logs"
         " (use basic_auth with password_file)")),
        (["https://a", "--interval", "15"], ("--interval: '15' is not a duration"
         " (write a number and a unit, like 500ms, 30s, 5m, 2h or 7d)")),
        (["https://a", "--name", "a/b"], ("--name: 'a/b' cannot be a name"
         " (letters, digits, space, `.`, `_` and `-`, beginning with a letter or digit)")),
        (["https://a", "--status", "ok"], ("--status: 'ok' is not a status"
         ' (write 200, or a range in quotes: "300-399")')),
    ],
)  # fmt: skip
def test_add_refuses_a_bad_wish_before_it_asks(run: Run, tmp_path: Path, arguments: list[str], fault: str) -> None:
    """Usage errors end with 2, and no file is made."""
    ended = run("add", *arguments)

    assert (ended.code, ended.err) == (2, f"command line: {fault}\n")
    assert list(tmp_path.iterdir()) == []


def test_add_says_which_times_do_not_fit(run: Run, tmp_path: Path) -> None:
    """The new probe is judged as if it stood in the file."""
    ended = run("add", "https://a", "--interval", "5s", "--timeout", "5s")

    assert ended.code == 2
    assert "timeout 5s must be shorter than interval 5s" in ended.err
    assert list(tmp_path.iterdir()) == []


def test_add_leaves_a_file_with_faults_alone(run: Run, tmp_path: Path) -> None:
    """First the file must be good."""
    (tmp_path / "opswatch.yaml").write_text("listne: x\n")

    ended = run("add", "https://a")

    assert (ended.code, (tmp_path / "opswatch.yaml").read_text()) == (2, "listne: x\n")
    assert "did you mean `listen`?" in ended.err


def test_adds_at_the_same_time_take_turns(tmp_path: Path) -> None:
    """None of them undoes another's line."""
    file = tmp_path / "o.yaml"
    file.write_text("")
    threads = [threading.Thread(target=edit, args=(file, lambda text, i=i: f"{text}# {i}\n")) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(file.read_text().split("\n")) == sorted(["", *(f"# {i}" for i in range(20))])


def test_an_edit_that_fails_leaves_the_file_and_nothing_beside_it(tmp_path: Path) -> None:
    """The old file stays whole."""
    file = tmp_path / "o.yaml"
    file.write_text("# mine\n")

    with pytest.raises(UnicodeEncodeError):
        edit(file, lambda text: text + "\ud800")

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("o.yaml", "# mine\n")]


def test_schema_prints_a_json_schema(run: Run) -> None:
    """An editor completes by it."""
    assert json.loads(run("schema", "config").out)["properties"]["services"]["type"] == "array"


def test_the_schema_of_rules_is_printed(run: Run) -> None:
    """As it is committed beside the rules that come with OpsWatch."""
    assert json.loads(run("schema", "rules").out)["title"] == "Rules of OpsWatch"


@pytest.mark.parametrize("command", ["init", "add", "check-config", "schema"])
def test_every_command_explains_itself_with_an_example(run: Run, command: str) -> None:
    """`--help` ends with something to copy."""
    assert f"Example: opswatch {command}" in run(command, "--help").out
