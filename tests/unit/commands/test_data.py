"""``skerry readmit`` says what whoever comes again needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from beacon.auth.policy_file import policy_from_toml
from beacon.cli import main
from beacon.store.admin import Admin

POLICY = """
level = "public"
granularity = {stranger = "record"}
[[stricter]]
level = "controlled"
individuals = ["a"]
"""


def test_readmit_says_which_level_the_policy_has_for_whoever_comes_again(
    mongo_uri: str, database_name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    key, config = tmp_path / "key", tmp_path / "site.toml"
    config.write_text(
        f'id = "org.example.site"\n[mongo]\nuri = "{mongo_uri}"\ndatabase = "{database_name}"\n'
        f'[withdrawals]\nkey_file = "{key}"\n'
    )
    with Admin.open(mongo_uri, database_name, key_file=key) as admin:
        admin.create_dataset("d", policy=policy_from_toml(POLICY))
        for person in ("a", "b"):
            admin.withdraw("d", person, "")
            admin.purge("d", person, lambda _: (), "")
        assert admin.policy("d").stricter == ()
    told = {}
    for person in ("a", "b"):
        assert main(["readmit", person, "--dataset", "d", "--config", str(config)]) == 0
        told[person] = capsys.readouterr().out
    assert "need the level controlled" in told["a"]
    assert "level" not in told["b"]
