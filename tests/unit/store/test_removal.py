"""Deleting by individual, cohort and load, and withdrawing consent: every count stays right."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import orjson
import pytest

from beacon.errors import ConfigurationError, LoadError
from beacon.model.access import Granularity
from beacon.model.query import OntologyFilter, Pagination, Query
from beacon.model.variant import from_vcf
from beacon.store.admin import Admin
from tests.world import (
    Case,
    Facts,
    Load,
    Packet,
    Sample,
    Sequenced,
    Site,
    World,
    info,
    write,
    write_packet,
)  # fmt: skip

SNV = from_vcf("GRCh38", "1", 101, "A", "G")
OWN = from_vcf("GRCh38", "1", 201, "C", "T")
MALE = "NCIT:C20197"


def packets(*people: str, sex: str = MALE, cohort: str | None = None) -> Load:
    made = (
        Packet(p, Facts(terms=frozenset({("sex", sex)})), (Sample(f"{p}-s", Facts()),), (Case(SNV, f"{p}-s", "het"),))
        for p in people
    )
    return Load(packets=tuple(made), cohort=cohort)


def calls(people: dict[str, str], *, run: bool = True) -> Load:
    facts = Facts() if run else None
    sequenced = tuple(Sequenced(p, f"{p}-s", facts, facts) for p in people)
    own = Site(OWN, tuple("0/1" if n == 0 else "0/0" for n in range(len(people))))
    return Load(sequenced=sequenced, sites=(Site(SNV, tuple(people.values())), own))


def records(world: World, dataset: str, kind: str, **asked: Any) -> list[dict[str, Any]]:
    query = Query(kind, granularity=Granularity.RECORD, pagination=Pagination(limit=0), **asked)
    return [orjson.loads(record) for record in world.ask(dataset, query).records or ()]


def told(world: World, dataset: str, allele: Any = SNV) -> tuple[int, int, int] | None:
    for record in records(world, dataset, "genomicVariant"):
        if record["variantInternalId"] == allele.id:
            facts = record["info"]
            return facts["carriers"], facts["alleleCount"], facts["alleleNumber"]
    return None


def test_deleting_individuals_takes_all_that_is_theirs_and_keeps_every_count_right(world: World, admin: Admin) -> None:
    dataset = world.load(packets("ana", "ben", cohort="study"), calls({"ana": "1/1", "ben": "0/1", "cas": "0/1"}))
    assert told(world, dataset) == (3, 4, 6)
    admin.delete_people(dataset, ["ana"], "a curator")
    assert told(world, dataset) == (2, 2, 4)
    assert told(world, dataset, OWN) is None
    assert [one["id"] for one in records(world, dataset, "individual")] == ["ben", "cas"]
    assert [one["id"] for one in records(world, dataset, "biosample")] == ["ben-s", "cas-s"]
    assert len(records(world, dataset, "run")) == len(records(world, dataset, "analysis")) == 2
    assert len(records(world, dataset, "individual", filters=(OntologyFilter(MALE),))) == 1
    summary = admin.dataset(dataset)
    assert (summary.cohorts, summary.counts["genomicVariant"]) == ({"study": 1}, 1)
    assert (admin.loads(dataset)[-1].what, admin.loads(dataset)[-1].who) == ("delete individuals", "a curator")
    with pytest.raises(LoadError, match="shows no individual 'ana'"):
        admin.delete_people(dataset, ["ana"], "")


def test_deleted_people_come_back_with_the_next_load_of_the_same(world: World, admin: Admin) -> None:
    dataset = world.load(packets("ana", "ben"))
    admin.delete_people(dataset, ["ana"], "")
    write(admin, dataset, packets("ana", "ben"))
    assert [one["id"] for one in records(world, dataset, "individual")] == ["ana", "ben"]


def test_deleting_a_cohort_deletes_its_people_and_the_cohort(world: World, admin: Admin) -> None:
    dataset = world.load(packets("ana", "ben", cohort="study"), packets("cas", cohort="other"))
    admin.delete_cohort(dataset, "study", "")
    assert [one["id"] for one in records(world, dataset, "individual")] == ["cas"]
    assert dict(admin.dataset(dataset).cohorts) == {"other": 1}
    with pytest.raises(LoadError, match="no cohort 'study'"):
        admin.delete_cohort(dataset, "study", "")


def test_deleting_a_load_lets_what_its_records_had_displaced_for_genotypes_stand_again(
    world: World, admin: Admin
) -> None:
    dataset = world.load(calls({"ana": "0/1", "ben": "1/1"}), packets("ana", "cas"))
    first, second = admin.loads(dataset)
    assert len(records(world, dataset, "individual", filters=(OntologyFilter(MALE),))) == 2
    counts = admin.delete_load(dataset, second.id[:8], "")
    assert counts == admin.loads(dataset)[-1].counts
    assert (counts["individual"], counts["individual in whose place a derived one stands again"]) == (1, 1)
    assert [one["id"] for one in records(world, dataset, "individual")] == ["ana", "ben"]
    assert records(world, dataset, "individual", filters=(OntologyFilter(MALE),)) == []
    assert [one["id"] for one in records(world, dataset, "biosample")] == ["ana-s", "ben-s"]
    assert told(world, dataset) == (2, 3, 4)
    admin.delete_load(dataset, first.id, "")
    assert records(world, dataset, "individual") == records(world, dataset, "genomicVariant") == []
    assert admin.dataset(dataset).counts["genomicVariant"] == 0


def test_who_withdraws_is_in_no_answer_from_then_on_and_no_load_brings_them_back(world: World, admin: Admin) -> None:
    sequenced = calls({"ana": "1/1", "ben": "0/1"})
    dataset = world.load(packets("ana", cohort="study"), sequenced)
    done = admin.withdraw(dataset, "ana", "a curator")
    assert done.samples == 1
    for again in (packets("ana", cohort="study"), sequenced, None):
        assert told(world, dataset) == (1, 1, 2)
        assert told(world, dataset, OWN) is None
        assert [one["id"] for one in records(world, dataset, "individual")] == ["ben"]
        assert [one["id"] for one in records(world, dataset, "biosample")] == ["ben-s"]
        segments = world.run(world.store.datasets())[dataset].segments
        terms = [term for segment in segments for term in world.run(world.store.terms(segment)) if MALE in term.key]
        assert terms == []
        assert admin.dataset(dataset).cohorts == {"study": 0}
        if again is not None:
            write(admin, dataset, again)


def test_a_load_that_was_under_way_does_not_bring_back_who_withdrew_meanwhile(world: World, admin: Admin) -> None:
    dataset = world.load()
    with admin.begin(dataset, info(), lambda _: ()) as writer:
        for person in ("ana", "ben", "new"):
            writer.individual({"id": person})
        admin.withdraw(dataset, "ana", "")
        writer.publish()
    assert [one["id"] for one in records(world, dataset, "individual")] == ["ben", "new"]


def test_who_withdrew_before_they_were_ever_loaded_is_left_out(world: World, admin: Admin) -> None:
    dataset = world.load()
    admin.withdraw(dataset, "ana", "")
    write(admin, dataset, calls({"ana": "1/1", "ben": "0/1"}))
    assert [one["id"] for one in records(world, dataset, "individual")] == ["ben"]
    assert told(world, dataset) == (1, 1, 2)


def test_who_is_readmitted_comes_back_with_the_next_load(world: World, admin: Admin) -> None:
    dataset = world.load(packets("ana", "ben"))
    admin.withdraw(dataset, "ana", "")
    assert admin.readmit(dataset, "ana", (), "") == 2
    assert [one["id"] for one in records(world, dataset, "individual")] == ["ben"]
    write(admin, dataset, packets("ana", "ben"))
    assert [one["id"] for one in records(world, dataset, "individual")] == ["ana", "ben"]
    assert admin.readmit(dataset, "ana", (), "") == 0


def test_after_a_readmission_no_load_says_that_it_holds_its_files_already(world: World, admin: Admin) -> None:
    dataset = world.load()
    admin.withdraw(dataset, "ana", "")
    with admin.begin(dataset, info(sha256="v1"), lambda _: ()) as writer:
        for one in packets("ana", "ben").packets:
            write_packet(writer, one)
        writer.publish()
    assert admin.loaded(dataset, "v1", "test") == writer.id
    admin.readmit(dataset, "ana", (), "")
    assert admin.loaded(dataset, "v1", "test") is None


def test_without_the_right_key_that_its_owner_alone_can_read_nothing_is_loaded(
    mongo_uri: str, database_name: str, tmp_path: Path
) -> None:
    key = tmp_path / "key"
    with Admin.open(mongo_uri, database_name, key_file=key) as admin:
        admin.create_dataset("d")
        admin.withdraw("d", "ana", "")
        assert key.stat().st_mode & 0o777 == 0o600
        assert key.read_text() not in str(list(admin._db["tombstones"].find()))
    made = key.read_text()

    def refusal(text: str | None, mode: int = 0o600) -> str:
        key.unlink()
        if text is not None:
            key.write_text(text)
            key.chmod(mode)
        with Admin.open(mongo_uri, database_name, key_file=key) as admin:
            with pytest.raises(ConfigurationError) as caught:
                admin.begin("d", info(), lambda _: ())
            assert admin._db["segments"].count_documents({}) == 0
        key.touch()
        return caught.value.message

    assert "readable by its owner alone" in refusal(made, 0o640)
    assert "is not the key" in refusal(os.urandom(32).hex())
    assert "is not a key of withdrawals" in refusal("short")
    assert "cannot be read" in refusal(None)
    with Admin.open(mongo_uri, database_name) as admin, pytest.raises(ConfigurationError, match="key_file"):
        admin.begin("d", info(), lambda _: ())
