"""Configuration files become frozen values, or one sentence that names the file, the key and what is allowed."""

from __future__ import annotations

import re
import tomllib
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from beacon.errors import ConfigurationError
from beacon.model.access import Granularity, Level
from beacon.settings import NetworkSettings, Node, Peer, SiteSettings, load_network, load_site

DEPLOY = Path(__file__).parents[2] / "deploy"
EXAMPLES = [("site.toml", SiteSettings, load_site), ("network.toml", NetworkSettings, load_network)]
ISSUER = '[[issuers]]\nissuer = "https://a.example"\naudiences = ["x"]\njwks_file = "k.json"\n'
HANDOVER = "[[handovers]]\ndataset = 'd'\ntype_id = 'CUSTOM:x'\ntype_label = 'x'\n"


def refusal(tmp_path: Path, text: str) -> str:
    file = tmp_path / "site.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load_site(file, {})
    assert str(caught.value).startswith(str(file))
    return str(caught.value).removeprefix(f"{file}: ")


def site(tmp_path: Path, text: str) -> SiteSettings:
    file = tmp_path / "site.toml"
    file.write_text(text)
    return load_site(file, {})


def uncommented(name: str) -> str:
    return re.sub(r"(?m)^#(?=\[|[a-z_]+ = )", "", (DEPLOY / name).read_text())


def keys_of(kind: type, prefix: str = "") -> set[str]:
    """Dotted names of all settings below a settings class."""
    names: set[str] = set()
    for item in fields(kind):
        hint = get_type_hints(kind)[item.name]
        inner = next((one for one in (hint, *get_args(hint)) if is_dataclass(one)), None)
        names |= keys_of(inner, f"{prefix}{item.name}.") if isinstance(inner, type) else {prefix + item.name}
    return names


def keys_in(table: dict[str, Any], known: set[str], prefix: str = "") -> set[str]:
    """Dotted names of all settings that a TOML table sets."""
    names: set[str] = set()
    for key, value in table.items():
        for one in value if isinstance(value, list) else [value]:
            nested = isinstance(one, dict) and prefix + key not in known
            names |= keys_in(one, known, f"{prefix}{key}.") if nested else {prefix + key}
    return names


@pytest.mark.parametrize(("name", "kind", "load"), EXAMPLES)
def test_the_examples_load_as_they_are_and_with_every_comment_removed(
    name: str, kind: type, load: Any, tmp_path: Path
) -> None:
    assert isinstance(load(DEPLOY / name), kind)
    full = tmp_path / name
    full.write_text(uncommented(name))
    assert isinstance(load(full), kind)


@pytest.mark.parametrize(("name", "kind", "load"), EXAMPLES)
def test_every_setting_is_documented_in_the_example(name: str, kind: type, load: Any) -> None:
    known = keys_of(kind)
    assert keys_in(tomllib.loads(uncommented(name)), known) == known


def test_without_configuration_a_site_listens_on_this_machine_only_and_believes_nobody() -> None:
    default = load_site(None, {})
    assert (default.listen.host, default.listen.port) == ("127.0.0.1", 5050)
    assert (default.issuers, default.nodes, default.listen.trusted_proxies) == ((), (), ())
    assert default.mongo.uri is None


def test_without_configuration_no_web_page_may_ask_no_numbers_are_served_and_askers_have_limits() -> None:
    default = load_site(None, {})
    assert (default.listen.cors_origins, default.metrics.port, default.handovers) == ((), None, ())
    assert (default.metrics.host, default.workers) == ("127.0.0.1", 1)
    assert default.rate.per_second > 0


def test_an_issuer_without_keys_is_discovered(tmp_path: Path) -> None:
    (issuer,) = site(tmp_path, ISSUER.replace('jwks_file = "k.json"\n', "")).issuers
    assert (issuer.jwks_uri, issuer.jwks_file) == (None, None)


def test_a_node_is_believed_as_little_as_possible_unless_told_otherwise() -> None:
    node = Node(id="n", issuers=("https://a.example",), jwks={"keys": [{}]})
    assert (node.max_level, node.max_granularity) == ("public", "boolean")


def test_levels_and_granularities_are_the_words_of_the_model() -> None:
    hints = get_type_hints(Node)
    assert get_args(hints["max_level"]) == tuple(Level)
    assert get_args(hints["max_granularity"]) == tuple(g.label for g in Granularity)


def test_relative_paths_count_from_the_file(tmp_path: Path) -> None:
    text = '[listen]\ntls_cert = "tls/c.pem"\ntls_key = "/etc/k.pem"\n[mongo]\ndata_dir = "d"\n'
    made = site(tmp_path, text)
    assert (made.listen.tls_cert, made.listen.tls_key) == (tmp_path / "tls/c.pem", Path("/etc/k.pem"))
    assert made.mongo.data_dir == tmp_path / "d"


def test_a_table_keeps_the_defaults_of_what_contains_it(tmp_path: Path) -> None:
    file = tmp_path / "network.toml"
    file.write_text('id = "n"\n[listen]\nhost = "::1"\n[[peers]]\nid = "p"\nurl = "http://p:1/api"\n')
    network = load_network(file)
    assert (network.listen.host, network.listen.port) == ("::1", 5060)
    assert network.peers == (Peer(id="p", url="http://p:1/api"),)
    assert network.deadline_seconds == 5


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("nmae = 'x'", "nmae: unknown key; did you mean name."),
        ("[listen]\nzzz = 1", "listen.zzz: unknown key; allowed here are host, port, public_url"),
        ("[listen]\nport = '5050'", "listen.port: must be a whole number, not '5050'."),
        ("[listen]\nport = true", "listen.port: must be a whole number, not True."),
        ("[listen]\nport = 65536", "listen.port: must be a number from 0 to 65535, not 65536."),
        ("listen = 3", "listen: must be a table, not 3."),
        ("name = ''", "name: must be a text that is not empty, not ''."),
        ("id = 'has space'", "id: must be 1 to 100 letters, digits"),
        ("environment = 'production'", "environment: must be one of prod, test, dev, staging"),
        ("[listen]\ntls_cert = 'c.pem'", "listen: tls_cert and tls_key belong together"),
        ("[listen]\ntrusted_proxies = ['10.0.0.1/8']", "listen.trusted_proxies[0]: must be an IP address"),
        ("[mongo]\nuri = 'postgres://u:secret@h'", "mongo.uri: must be an address that begins with mongodb://"),
        ("[mongo]\ncache_gb = nan", "mongo.cache_gb: must be a number from 0.25"),
        ("[limits]\nquery_seconds = inf", "limits.query_seconds: must be a number from 0.1 to 3600"),
        (ISSUER + ISSUER, "issuers names https://a.example more than once."),
        (ISSUER + "jwks_uri = 'https://a.example/jwk'", "issuers[0]: give jwks_uri or jwks_file, not both"),
        (ISSUER.replace("https", "http"), "issuers[0].issuer: must be a web address that begins with https://"),
        (ISSUER.replace('["x"]', "[]"), "issuers[0].audiences: must be a list with at least one entry"),
        (ISSUER.replace('audiences = ["x"]', ""), "issuers[0].audiences: is missing, and has no default."),
        (ISSUER + "algorithms = ['none']", "issuers[0].algorithms[0]: must be one of RS256, ES256, not 'none'."),
        (ISSUER + "algorithms = []", "issuers[0].algorithms: must be a list with at least one entry"),
        ("[listen]\ncors_origins = ['https://a.example/']", "listen.cors_origins: must be a list of origins such as"),
        ("[listen]\ncors_origins = ['*', 'https://a.example']", "listen.cors_origins: must be a list of origins"),
        ("[listen]\ncors_origins = ['null']", "listen.cors_origins: must be a list of origins"),
        (HANDOVER + "url = 'javascript:alert(1)'", "handovers[0].url: must be an absolute address such as"),
        (HANDOVER + "url = '/relative'", "handovers[0].url: must be an absolute address such as"),
        (HANDOVER + "url = 'drs://h/1'\ngranularity = 'none'", "handovers[0].granularity: must be one of boolean"),
        (HANDOVER.replace("CUSTOM:x", "x") + "url = 'drs://h/1'", "handovers[0].type_id: must be a CURIE such as"),
        ("workers = 0", "workers: must be a number from 1 to 256, not 0."),
        ("[rate]\nburst = 0", "rate.burst: must be a number from 1 to"),
        ("[[nodes]]\nid = 'n'\nissuers = ['https://a.example']", "nodes[0]: give exactly one of jwks and jwks_file."),
        ("[[nodes]]\nid = 'n'\nissuers = ['a']", "nodes[0].issuers: must be a list with at least one entry, each"),
        ("a = = b", "is not TOML"),
    ],
)
def test_a_wrong_setting_is_refused_with_its_key_and_what_is_allowed(text: str, sentence: str, tmp_path: Path) -> None:
    said = refusal(tmp_path, text)
    assert said.startswith(sentence)
    assert "secret" not in said


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"absent.toml: cannot be read \(No such file"):
        load_site(tmp_path / "absent.toml", {})


def test_the_environment_may_only_say_where_the_data_are(tmp_path: Path) -> None:
    environ = {
        "SKERRY_MONGODB_URI": "mongodb://u:p@db/",
        "SKERRY_DATA_DIR": str(tmp_path),
        "SKERRY_ISSUERS": "https://evil.example",
        "SKERRY_NODES": "n",
        "SKERRY_LISTEN_HOST": "0.0.0.0",
        "SKERRY_ENVIRONMENT": "test",
    }
    made = load_site(None, environ)
    assert (made.mongo.uri, made.mongo.data_dir) == ("mongodb://u:p@db/", tmp_path)
    plain = load_site(None, {})
    assert (made.issuers, made.nodes, made.listen, made.environment) == (
        plain.issuers,
        plain.nodes,
        plain.listen,
        plain.environment,
    )
    with pytest.raises(ConfigurationError, match=r"^SKERRY_MONGODB_URI must be an address that begins with mongodb"):
        load_site(None, {"SKERRY_MONGODB_URI": "u:secret@db"})


TOML_VALUES = st.one_of(
    st.integers(-(2**63), 2**63 - 1).map(str),
    st.floats().map(lambda x: str(x) if "e" not in str(x) else "1.5"),
    st.sampled_from(["true", "[]", "{}", "[[]]", "[{}]", '"x"', '""', "1979-05-27", "[1, 'a']", "{keys = 1}"]),
    st.from_regex(r'"[a-z:/.\[\]#?@ 0-9]{0,20}"', fullmatch=True),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(key=st.sampled_from(sorted(keys_of(SiteSettings))), value=TOML_VALUES)
def test_any_value_at_any_key_is_either_taken_or_refused_with_one_sentence(
    key: str, value: str, tmp_path: Path
) -> None:
    file = tmp_path / "any.toml"
    parent, _, leaf = key.rpartition(".")
    header = "" if not parent else f"[[{parent}]]\n" if parent in {"issuers", "nodes", "handovers"} else f"[{parent}]\n"
    file.write_text(f"{header}{leaf} = {value}\n")
    try:
        load_site(file, {})
    except ConfigurationError as error:
        assert str(error).endswith(".")
        assert "\n" not in str(error)
