"""`opswatch.yaml`: what it becomes, and how each mistake in it is told."""

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import jsonschema
import pytest
import trustme
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from collector.targets import BasicAuth, Comparison, JsonExpectation, ServiceSpec, StatusRange
from opswatch.configuration import json_schema
from opswatch.settings import Settings, load_settings
from telemetry.errors import ConfigurationError

EVERYTHING = """\
version: 1
listen: 127.0.0.1:0
time_zone: Europe/Berlin
data_dir: ./data
trusted_proxies: [10.0.0.0/8, "fd00::/8"]
allow_private: [10.20.0.0/16]
storage:
  kind: embedded
  retention: {raw: 7d, 5m: 180d, 1h: 1095d, events: 400d, self: 31d}
host: {enabled: true, interval: 10s}
defaults: {interval: 30s, timeout: 10s, failure_threshold: 3, success_threshold: 2}
services:
  - name: postgres
  - name: checkout
    depends_on: [postgres]
    labels: {team: shop}
    probes:
      - {name: health, kind: http, url: "http://checkout:8080/health", interval: 15s, timeout: 5s,
         method: GET, headers: {Accept: application/json}, basic_auth: {username: u, password_file: p},
         follow_redirects: true, redirect_hosts: [Login.example], verify_tls: true, ca_file: ca.pem,
         client_certificate: c.pem, client_key: k.pem, proxy: "http://proxy:3128", body: hello,
         expect: {status: [200, "300-399"], latency: 800ms, body_contains: ok, body_matches: "v[0-9]+",
                  json: [{path: "$.status", equals: healthy}, {path: "$.queue", at_most: 100},
                         {path: $.x, equals: null}],
                  header: {Content-Type: application/json}}}
      - {name: page, url: "https://shop.example/", expect: {certificate_days: 14, status: 204}}
dashboards: {config_file: pages.json}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder with the files that EVERYTHING names; its name is short, for messages shorten long ones."""
    authority = trustme.CA()
    client = authority.issue_cert("client.example")
    with TemporaryDirectory(prefix="ow") as name:
        folder = Path(name)
        authority.cert_pem.write_to_path(folder / "ca.pem")
        client.cert_chain_pems[0].write_to_path(folder / "c.pem")
        client.private_key_pem.write_to_path(folder / "k.pem")
        (folder / "p").write_text("hunter2\n")
        (folder / "pages.json").write_text("{}")
        yield folder


def load(folder: Path, text: str) -> Settings:
    (folder / "opswatch.yaml").write_text(text)
    return load_settings({}, folder / "opswatch.yaml")


def faults(folder: Path, text: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        load(folder, text)
    return [str(fault).replace(str(folder) + "/", "") for fault in caught.value.faults]


def test_every_key_of_the_contract_arrives(folder: Path) -> None:
    """Whatever interface.md shows for this version ends in the right place, with its type."""
    postgres, checkout = load(folder, EVERYTHING).services
    health, page = checkout.probes

    assert postgres == ServiceSpec("postgres")
    assert (checkout.depends_on, checkout.labels) == (("postgres",), (("team", "shop"),))
    assert (health.interval, health.timeout, health.failure_threshold, health.success_threshold) == (
        timedelta(seconds=15),
        timedelta(seconds=5),
        3,
        2,
    )
    assert health.request.headers == (("Accept", SecretStr("application/json")),)
    assert health.request.basic_auth == BasicAuth("u", SecretStr("hunter2"))
    assert (health.request.ca_file, health.request.client_key) == (folder / "ca.pem", folder / "k.pem")
    assert (health.request.redirect_hosts, health.request.proxy) == (("login.example",), "http://proxy:3128")
    assert health.expect.status == (StatusRange(200, 200), StatusRange(300, 399))
    assert health.expect.json == (
        JsonExpectation("$.status", Comparison.EQUALS, "healthy"),
        JsonExpectation("$.queue", Comparison.AT_MOST, 100),
        JsonExpectation("$.x", Comparison.EQUALS, None),
    )
    assert (page.expect.certificate_days, page.expect.status) == (14, (StatusRange(204, 204),))
    assert (page.kind, page.interval, page.timeout) == ("http", timedelta(seconds=30), timedelta(seconds=10))


def test_the_top_of_the_file_arrives(folder: Path) -> None:
    """Address, zone, folders, networks, retention and host are what is written; files are beside the file."""
    found = load(folder, EVERYTHING)

    assert (found.listen_host, found.listen_port, found.time_zone) == ("127.0.0.1", 0, "Europe/Berlin")
    assert (found.data_dir, found.dashboards_file) == (folder / "data", folder / "pages.json")
    assert [str(network) for network in found.trusted_proxies] == ["10.0.0.0/8", "fd00::/8"]
    assert found.retention.events == timedelta(days=400)
    assert (found.host_enabled, found.host_interval) == (True, timedelta(seconds=10))


def test_an_empty_file_and_empty_sections_are_good(tmp_path: Path) -> None:
    """People comment out what stands below a key."""
    assert load(tmp_path, "").services == ()
    assert load(tmp_path, "services:\nhost:\ndefaults:\n  interval:\nstorage: {retention: }\n").services == ()


def test_a_timeout_that_nobody_wrote_gives_way_to_a_short_interval(tmp_path: Path) -> None:
    """`interval: 3s` alone is no mistake, although the usual timeout is 10 s."""
    (service,) = load(tmp_path, "services: [{name: a, probes: [{url: 'http://a', interval: 3s}]}]").services

    assert service.probes[0].timeout == timedelta(seconds=2)


def probe(keys: str) -> str:
    return f"services:\n  - name: a\n    probes:\n      - {{url: 'https://a', {keys}}}\n"


AT = "opswatch.yaml:4:28: services[0].probes[0]"
MISTAKES = {
    "listne: 127.0.0.1:80": "opswatch.yaml:1:1: listne: unknown key 'listne' (did you mean `listen`?)",
    "version: 2": "opswatch.yaml:1:10: version: 2 cannot stand here (write 1)",
    "listen: 8321": "opswatch.yaml:1:9: listen: 8321 is not an address with a port"
    " (write 127.0.0.1:8321, or 0.0.0.0:8321 for every interface)",
    "listen: 127.0.0.1:99999": "opswatch.yaml:1:9: listen: '127.0.0.1:99999' is not an address with a port"
    " (write 127.0.0.1:8321)",
    "time_zone: Europe/Berln": "opswatch.yaml:1:12: time_zone: 'Europe/Berln' is not a time zone"
    " (did you mean `Europe/Berlin`?)",
    "trusted_proxies: [10.0.0.1/8]": "opswatch.yaml:1:19: trusted_proxies[0]: '10.0.0.1/8' is not a network"
    " (did you mean `10.0.0.0/8`?)",
    "trusted_proxies: 10.0.0.0/8": "opswatch.yaml:1:18: trusted_proxies: '10.0.0.0/8' stands where a list is expected"
    " (write [..., ...], or lines that begin with `- `)",
    "storage: {retention: {raw: 30m}}": "opswatch.yaml:1:28: storage.retention.raw: '30m' is too short (at least 1h)",
    "storage: {retention: {raw: 8d, 5m: 7d, 1h: 200d}}": "opswatch.yaml:1:36: storage.retention.5m: '7d' is"
    " shorter than raw, '8d' (keep 5m at least as long as raw)",
    "storage: {retention: {raw: 8d, 1h: 7d}}": "opswatch.yaml:1:36: storage.retention.1h: '7d' is shorter than"
    " raw, '8d' (keep 1h at least as long as raw)",
    "storage: {kind: mysql}": "opswatch.yaml:1:17: storage.kind: 'mysql' cannot stand here"
    " (write 'embedded' or 'influxdb')",
    "storage: {kind: influxdb, influxdb: {org: o, token_file: opswatch.yaml}}": "opswatch.yaml:1:17: storage.kind:"
    " InfluxDB has no URL (set INFLUXDB_V2_URL, or write storage.influxdb.url)",
    "storage: {influxdb: {url: 'http://u:hunter2@i'}}": "opswatch.yaml:1:27: storage.influxdb.url: 'http://***@i' is"
    " not a URL of a server (write http://host:port, without credentials)",
    "storage: {influxdb: {token: hunter2}}": "opswatch.yaml:1:22: storage.influxdb.token: unknown key 'token'"
    " (did you mean `token_file`?)",
    "storage: {influxdb: {token_file: nope}}": "opswatch.yaml:1:34: storage.influxdb.token_file: the file 'nope' does"
    " not exist (a relative name is looked up beside the configuration file)",
    "storage: {influxdb: {bucket_prefix: _raw}}": "opswatch.yaml:1:37: storage.influxdb.bucket_prefix: '_raw' cannot"
    " begin the name of a bucket (write letters and digits, as opswatch)",
    "logs: {files: []}": "opswatch.yaml:1:1: logs: `logs` is not available in this version yet (remove it)",
    "host: {enabled: no}": "opswatch.yaml:1:17: host.enabled: 'no' stands where true or false is expected"
    " (write true or false, without quotes)",
    "host: {interval: 10}": "opswatch.yaml:1:18: host.interval: 10 is not a duration: it has no unit"
    " (10s is so many seconds)",
    "host: {interval: 10 s}": "opswatch.yaml:1:18: host.interval: '10 s' is not a duration"
    " (write a number and a unit, like 500ms, 30s, 5m, 2h or 7d)",
    "host: {interval: 1ms}": "opswatch.yaml:1:18: host.interval: '1ms' is too short (at least 100ms)",
    "defaults: {interval: 30s, timeout: 60s}": "opswatch.yaml:1:36: defaults.timeout:"
    " timeout 60s must be shorter than interval 30s",
    "defaults: {failure_threshold: 0}": "opswatch.yaml:1:31: defaults.failure_threshold: 0 must be at least 1",
    "tls: {certificate: nope.pem, key: nope.pem}": "opswatch.yaml:1:6: tls: the file 'nope.pem' does not exist"
    " (a relative name is looked up beside the configuration file)",
    "tls: {certificate: nope.pem}": "opswatch.yaml:1:6: tls.key: `key` is missing",
    "services: {name: a}": "opswatch.yaml:1:11: services: a mapping stands where a list is expected"
    " (write [..., ...], or lines that begin with `- `)",
    "services: [a]": "opswatch.yaml:1:12: services[0]: 'a' stands where a mapping is expected (write key: value)",
    "services: [{probes: []}]": "opswatch.yaml:1:12: services[0].name: `name` is missing",
    "services: [{name: 7}]": "opswatch.yaml:1:19: services[0].name: a name must be text,"
    " and without quotes this is read as a number (put it in quotes)",
    "services: [{name: ../etc}]": "opswatch.yaml:1:19: services[0].name: '../etc' cannot be a name"
    " (letters, digits, space, `.`, `_` and `-`, beginning with a letter or digit)",
    f"services: [{{name: {'x' * 201}}}]": "opswatch.yaml:1:19: services[0].name: a name has 201 characters;"
    " at most 200 are taken",
    "services:\n  - name: a\n  - name: b\n  - name: a": "opswatch.yaml:4:11: services[2].name: the service 'a' stands"
    " twice; first in line 2 (give it another name)",
    "services: [{name: a, depends_on: [b]}, {name: bb}]": "opswatch.yaml:1:35: services[0].depends_on[0]:"
    " no service has the name 'b' (did you mean `bb`?)",
    "services: [{name: a, depends_on: [b]}, {name: b, depends_on: [c]}, {name: c, depends_on: [a]}]":
    "opswatch.yaml:1:91: services[2].depends_on[0]: services depend on each other in a ring: a → b → c → a",
    "services: [{name: a, depends_on: [a]}]": "opswatch.yaml:1:35: services[0].depends_on[0]:"
    " services depend on each other in a ring: a → a",
    "services: [{name: a, labels: {version: 1.10}}]": "opswatch.yaml:1:40: services[0].labels.version: the label"
    " version must be text, and without quotes this is read as a number (put it in quotes)",
    "services: [{name: a, probes: [{url: 'http://a'}, {url: 'http://b'}]}]": "opswatch.yaml:1:50:"
    " services[0].probes[1].name: the probe 'http' stands twice; first in line 1 (give it another name)",
    "services: [{name: a, probes: [{kind: tcp, address: 'a:1'}]}]": "opswatch.yaml:1:38: services[0].probes[0].kind:"
    " 'tcp' is not available in this version yet",
    "dashboards: {config_file: nope.json}": "opswatch.yaml:1:27: dashboards.config_file: the file 'nope.json' does not"
    " exist (a relative name is looked up beside the configuration file)",
    "7": "opswatch.yaml:1:1: the file must hold a mapping of keys (begin with `services:`)",
    probe("intervall: 15s"): f"{AT}.intervall: unknown key 'intervall' (did you mean `interval`?)",
    probe("interval: 15s, timeout: 30s"): "opswatch.yaml:4:52: services[0].probes[0].timeout:"
    " timeout 30s must be shorter than interval 15s",
    probe("interval: 15s, timeout: 15s"): "opswatch.yaml:4:52: services[0].probes[0].timeout:"
    " timeout 15s must be shorter than interval 15s",
    probe("method: GTE"): "opswatch.yaml:4:36: services[0].probes[0].method: 'GTE' is not a method that can be asked"
    " (did you mean `GET`?)",
    probe('headers: {X-A: "hunter2\\nX-B: 1"}'): "opswatch.yaml:4:43: services[0].probes[0].headers.X-A:"
    " the header X-A holds a line break or another control character (write it on one line)",
    probe("headers: {X-A: x, x-a: y}"): "opswatch.yaml:4:51: services[0].probes[0].headers.x-a: the header x-a stands"
    " twice (names of headers ignore case)",
    probe("headers: {Content-Length: '1'}"): "opswatch.yaml:4:54: services[0].probes[0].headers.Content-Length:"
    " the header Content-Length is set by OpsWatch itself (remove it)",
    probe("headers: hunter2"): "opswatch.yaml:4:37: services[0].probes[0].headers: headers must be a mapping, not text"
    " (write {Accept: text/html})",
    probe("basic_auth: 'u:hunter2'"): "opswatch.yaml:4:40: services[0].probes[0].basic_auth:"
    " the value stands where a mapping is expected (write key: value)",
    probe("basic_auth: {username: u}"): "opswatch.yaml:4:40: services[0].probes[0].basic_auth: no password is here"
    " (write one of password_file and password)",
    probe("basic_auth: {username: u, password: hunter2, password_file: p}"): "opswatch.yaml:4:40:"
    " services[0].probes[0].basic_auth: both password and password_file are here"
    " (write one of password_file and password)",
    probe("basic_auth: {username: u, password: 123}"): "opswatch.yaml:4:64: services[0].probes[0].basic_auth.password:"
    " the value stands where text is expected (put it in quotes)",
    probe("client_key: k.pem"): "opswatch.yaml:4:40: services[0].probes[0].client_key: a client_key needs a"
    " client_certificate (write client_certificate too)",
    probe("client_certificate: c.pem"): "opswatch.yaml:4:48: services[0].probes[0].client_certificate: 'c.pem': no"
    " certificate with its private key, both PEM and the key without a passphrase"
    " (a relative name is looked up beside the configuration file)",
    probe("client_certificate: ca.pem, client_key: k.pem"): "opswatch.yaml:4:48:"
    " services[0].probes[0].client_certificate: 'ca.pem' and 'k.pem': the key is not that of the certificate"
    " (a relative name is looked up beside the configuration file)",
    probe("ca_file: p"): "opswatch.yaml:4:37: services[0].probes[0].ca_file: the file 'p' holds no certificate in PEM"
    " form (a relative name is looked up beside the configuration file)",
    probe("proxy: 'socks5://p:1'"): "opswatch.yaml:4:35: services[0].probes[0].proxy: 'socks5://p:1' is not a proxy"
    " that can be used (write http://host:port)",
    probe("redirect_hosts: ['http://b']"): "opswatch.yaml:4:45: services[0].probes[0].redirect_hosts[0]: 'http://b' is"
    " not a host (write the name alone, without scheme, port or path)",
    probe("expect: {status: [200, 99]}"): "opswatch.yaml:4:51: services[0].probes[0].expect.status[1]: 99 is not a"
    ' status (write 200, or a range in quotes: "300-399")',
    probe("expect: {status: ['399-300']}"): "opswatch.yaml:4:46: services[0].probes[0].expect.status[0]: '399-300' is"
    ' not a status (write 200, or a range in quotes: "300-399")',
    probe("expect: {body_matches: '(?<=a)b'}"): "opswatch.yaml:4:51: services[0].probes[0].expect.body_matches:"
    " '(?<=a)b' is not a regular expression of RE2: invalid perl operator: (?<="
    " (RE2 knows no lookaround and no backreference)",
    probe("expect: {json: [{path: '$.[', equals: 1}]}"): "opswatch.yaml:4:51:"
    " services[0].probes[0].expect.json[0].path: '$.[' is not a JSON path (RFC 9535) (write $.status, $.items[0].name)",
    probe("expect: {json: [{path: $.a}]}"): "opswatch.yaml:4:44: services[0].probes[0].expect.json[0]: one comparison"
    " is needed, and here is no comparison (one of equals, not_equals, at_most, at_least, matches, exists)",
    probe("expect: {certificate_days: .nan}"): "opswatch.yaml:4:55: services[0].probes[0].expect.certificate_days:"
    " .nan stands where a finite number is expected",
    probe("method: HEAD, expect: {body_contains: x}"): "opswatch.yaml:4:66: services[0].probes[0].expect.body_contains:"
    " the answer to HEAD has no body (use the method GET)",
    probe("expect: {answers_contain: x}"): "opswatch.yaml:4:37: services[0].probes[0].expect.answers_contain:"
    " `answers_contain` is not available in this version yet (remove it)",
}  # fmt: skip


@pytest.mark.parametrize(("text", "fault"), MISTAKES.items(), ids=[text.splitlines()[-1][:50] for text in MISTAKES])
def test_f1_each_mistake_is_told_with_its_place_value_and_way_out(folder: Path, text: str, fault: str) -> None:
    """One mistake, one fault: file, line, column, path, value, and what to write instead."""
    found = [each.replace(f"{folder}/", "") for each in faults(folder, text)]

    assert found == [fault]


URLS = {
    "a.example/x": "'a.example/x' is not a URL: it has no scheme (did you mean https://a.example/x?)",
    "htps://a": "'htps://a': a URL with the scheme 'htps' cannot be asked (did you mean `https`?)",
    "ftp://a": "'ftp://a': a URL with the scheme 'ftp' cannot be asked (http and https are asked)",
    "ws://a": "'ws://a': websocket probes are not available in this version yet",
    "http://": "'http://' has no host (write https://host/path)",
    "http:///x": "'http:///x' has no host (write https://host/path)",
    "http://a:99999": "'http://a:99999' is not a URL: its host or port is malformed",
    "http://a:0": "'http://a:0': port 0 cannot be asked",
    "http://[::1": "'http://[::1' is not a URL: its host or port is malformed",
    "http://a b/": "'http://a b/' is not a URL: it holds a space or a control character (write a space as %20)",
    "http://-a/": "'http://-a/': the host '-a' is malformed",
    "http://u:hunter2@a/": "the URL holds credentials, which would show on pages and in logs"
    " (use basic_auth with password_file)",
    "http://u:hunt/er2@a/": "'http://***@a/' is not a URL: its host or port is malformed",
}


@pytest.mark.parametrize(("url", "fault"), URLS.items())
def test_f1_a_url_that_cannot_be_asked_is_refused(tmp_path: Path, url: str, fault: str) -> None:
    """Scheme, host, port and credentials are looked at when the file is read."""
    text = f"services: [{{name: a, probes: [{{url: {json.dumps(url)}}}]}}]"

    assert faults(tmp_path, text) == [f"opswatch.yaml:1:37: services[0].probes[0].url: {fault}"]


@pytest.mark.parametrize("url", ["http://a_b:80/x?y=z#f", "https://[::1]:8443/", "http://bücher.example/", "HTTP://A/"])
def test_unusual_urls_are_taken(tmp_path: Path, url: str) -> None:
    """Underscores, IPv6 and other alphabets are fine."""
    (service,) = load(tmp_path, f"services: [{{name: a, probes: [{{url: {json.dumps(url)}}}]}}]").services

    assert service.probes[0].target == url


def test_f1_all_faults_come_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    """Nobody mends a file one error at a time."""
    text = (
        "versoin: 1\nhost: {interval: 10}\nservices:\n  - name: a\n  - name: a\n    depends_on: [c]\n"
        "    probes: [{url: x, timeout: 1m, ca_file: nope}]\n"
    )

    found = [each.split(": ")[0:2] for each in faults(tmp_path, text)]

    assert found == [
        ["opswatch.yaml:1:1", "versoin"],
        ["opswatch.yaml:2:18", "host.interval"],
        ["opswatch.yaml:5:11", "services[1].name"],
        ["opswatch.yaml:6:18", "services[1].depends_on[0]"],
        ["opswatch.yaml:7:20", "services[1].probes[0].url"],
        ["opswatch.yaml:7:32", "services[1].probes[0].timeout"],
        ["opswatch.yaml:7:45", "services[1].probes[0].ca_file"],
    ]


def test_a_long_chain_of_dependencies_is_no_ring_and_quick(tmp_path: Path) -> None:
    """Three thousand services, each needing the one before, are read without recursion."""
    items = [f"  - {{name: s{i}, depends_on: [s{i - 1}]}}" if i else "  - name: s0" for i in range(3_000)]

    assert len(load(tmp_path, "services:\n" + "\n".join(items)).services) == 3_000


def test_warnings_name_what_has_no_effect(tmp_path: Path) -> None:
    """What is not wrong and yet not what was meant is told."""
    text = (
        "storage: {retention: {raw: 2h}}\n"
        "services: [{name: a, probes: [{url: 'http://a', timeout: 1s, expect: {latency: 2s}}]}]"
    )

    assert load(tmp_path, text).warnings == (
        "storage.retention.raw: 2h is less than 3h: samples that come late do not get into the rolled-up levels",
        "a/http in line 2: latency 2s is never reached, the timeout is 1s",
    )


def test_the_json_schema_takes_what_the_models_take() -> None:
    """The schema is valid, and the contract's example of this version is valid by it."""
    from opswatch.yaml_document import parse_document

    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(parse_document(EVERYTHING.replace("status: 204", "status: [204]"), "f").value, schema)

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"listne": "x"}, schema)


SECRETS = [
    probe("headers: {Authorization: 'Bearer hunter2'}"),
    probe("basic_auth: {username: u, password: hunter2}"),
    probe("basic_auth: {username: u, password: hunter2}, headers: {X: hunter2}, interval: 7"),
    probe("headers: [hunter2]"),
    probe("headers: {X: {y: hunter2}}"),
    probe("basic_auth: [hunter2]"),
    probe("basic_auth: {username: u, password: [hunter2]}"),
    probe("basic_auth: {username: u, passwrod: hunter2}"),
    probe("body: [hunter2]"),
    probe("proxy: 'ftp://u:hunter2@p'"),
    "services: [{name: a, probes: [{url: 'htp://u:hunter2@a/'}]}]",
]


@pytest.mark.parametrize("text", SECRETS)
def test_no_secret_shows_in_settings_or_faults(tmp_path: Path, text: str) -> None:
    """Neither what is printed of good settings nor any message holds a password or a header."""
    try:
        shown = repr(load(tmp_path, text))
    except ConfigurationError as error:
        shown = f"{error} {error!r} {error.faults!r} {error.__cause__!r} {error.__context__!r}"

    assert "hunter2" not in shown


KEYS = st.sampled_from(
    ["version", "listen", "services", "name", "probes", "url", "headers", "expect", "json", "status", "interval",
     "timeout", "depends_on", "labels", "basic_auth", "password_file", "ca_file", "tls", "storage", "retention", "5m",
     "defaults", "host", "kind", "x", "path", "equals", "dashboards", "config_file", "certificate", "key", "body"]
)  # fmt: skip
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=12),
    st.sampled_from(["http://a", "30s", "1h", "a", "tcp", "influxdb", "$.a", "GET", "9" * 400 + "s", ".", "/"]),
)  # fmt: skip
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=5), max_leaves=25
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(KEYS, TREES, max_size=6))
def test_f4_no_document_raises_anything_but_a_configuration_error(tmp_path: Path, tree: dict[str, object]) -> None:
    """Whatever is written becomes settings or faults, and every fault has a message."""
    (tmp_path / "opswatch.yaml").write_text(json.dumps(tree))  # JSON is YAML
    try:
        found = load_settings({}, tmp_path / "opswatch.yaml")
    except ConfigurationError as error:
        said = [fault.message for fault in error.faults if fault.line]
    else:
        said = [repr(found)]

    assert said
    assert all(said)
