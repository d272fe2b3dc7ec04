"""Managing datasets, and beginning loads: the synchronous side of the store, for the command line and loaders."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import orjson
from pymongo import MongoClient, ReplaceOne
from pymongo.database import Database
from pymongo.errors import BulkWriteError, PyMongoError
from pyroaring import BitMap

from beacon.errors import ConfigurationError, LoadError
from beacon.model.access import DatasetPolicy
from beacon.model.genome import Gene, Reference
from beacon.model.indexing import Ancestors
from beacon.store import corrected, described, freshness, journal, loads, purge, removal, stricter
from beacon.store.base import COLUMN
from beacon.store.carriers import carried_by
from beacon.store.compact import due, rewrite
from beacon.store.documents import (
    INDEXES,
    MODEL_VERSION,
    Document,
    decode_body,
    decode_policy,
    decode_rows,
    encode_policy,
    encode_rows,
    index_models,
)
from beacon.store.garbage import hide_dataset, roll_back, sweep
from beacon.store.genes import store_genes
from beacon.store.heads import carriers
from beacon.store.loading import LoadInfo
from beacon.store.locks import Lease
from beacon.store.ontologies import expand, keep_whole, read_ontologies, read_terms, read_whole, replace_ontology
from beacon.store.publish import Amendment, Home, Saying, find_home, publish
from beacon.store.reference import decode_reference, index_alleles, store_sequence
from beacon.store.reference import sweep as sweep_bases
from beacon.store.segments import calls_of, heads_in, read_layout
from beacon.store.tombstones import Tombstones
from beacon.store.unusable import SELECTION_MS, read_uri, unreadable, unusable
from beacon.store.writer import SegmentWriter


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A dataset as its custodian sees it; ``counts`` are live records by entry type id.

    ``record`` is what the custodian, else a file, says of it beside name and description.
    """

    id: str
    name: str
    description: str | None
    policy: DatasetPolicy
    record: Mapping[str, Any]
    counts: Mapping[str, int]
    cohorts: Mapping[str, int]
    created: datetime
    updated: datetime


GRACE = 35.0
"""Seconds for which readers may go on with what a dataset has stopped showing, unless the settings say otherwise."""


class Admin:
    """The synchronous store; a context manager."""

    def __init__(
        self,
        client: MongoClient[Document],
        uri: str,
        database: str,
        grace: float = GRACE,
        key_file: Path | None = None,
    ) -> None:
        self._client = client
        self._db = client[database]
        self._uri = uri
        self._grace = grace
        self._key_file = key_file
        self._held: dict[str, Lease] = {}

    @classmethod
    def open(cls, uri: str, database: str = "skerry", *, grace: float = GRACE, key_file: Path | None = None) -> Admin:
        """Connect, check the data model's version and make the indexes.

        ``grace``: how many seconds a request may still read what a dataset shows no more. ``key_file``: where the
        key of withdrawals is, or will be.

        Raises ``StoreUnavailable`` or ``ConfigurationError``.
        """
        with read_uri():
            client: MongoClient[Document] = MongoClient(
                uri, serverSelectionTimeoutMS=SELECTION_MS, tz_aware=True, connect=False
            )
        asked = client.topology_description
        try:
            check_version(client[database]["meta"].find_one({"_id": "model"}))
            admin = cls(client, uri, database, grace, key_file)
            admin._prepare()
        except PyMongoError as error:
            known = client.topology_description
            client.close()
            raise unusable(known, error, asked) from error
        except OSError as error:  # of a host whose options are in its DNS, they are read only now
            client.close()
            raise unreadable(error) from error
        except ConfigurationError:
            client.close()
            raise
        return admin

    @property
    def address(self) -> tuple[str, str]:
        """Where the database is, and its name: with these another process can open it."""
        return self._uri, self._db.name

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        known = self._client.topology_description
        self._client.close()
        if isinstance(error, PyMongoError):
            raise unusable(known, error) from error

    def create_dataset(
        self,
        id: str,
        *,
        name: str | None = None,
        description: str | None = None,
        policy: DatasetPolicy | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        """Create an empty dataset. Raises ``LoadError`` where one of that id exists."""
        now = datetime.now(UTC)
        document: Document = {
            "name": name or id, "description": description, "policy": encode_policy(DatasetPolicy()),
            "info": dict(info or {}), "created": now, "updated": now, "revision": 0, "segments": [], "cohorts": [],
            "people": uuid.uuid4().hex,
        }  # fmt: skip
        done = self._db["datasets"].update_one({"_id": id}, {"$setOnInsert": document}, upsert=True)
        if done.matched_count:
            raise LoadError(f"there is a dataset {id!r} already", where=id)
        if policy is not None:
            self.set_policy(id, policy)
        freshness.wait()

    def datasets(self) -> list[DatasetSummary]:
        """Return all datasets, by id."""
        return [self._summary(document) for document in self._db["datasets"].find().sort("_id", 1)]

    def dataset(self, id: str) -> DatasetSummary:
        """Return one dataset. Raises ``LoadError`` where there is none of that id."""
        return self._summary(self._document(id))

    def delete_dataset(self, id: str, who: str = "") -> None:
        """Delete a dataset: readers lose it at once, its documents go once nobody can be reading them."""
        home, entry = find_home(self._db, id), uuid.uuid4().hex
        journal.begin(self._db, entry, home, "delete dataset", who, {})
        if hide_dataset(self._db, id):
            journal.end(self._db, entry, {})
        self.sweep()

    def delete_people(self, dataset: str, ids: Iterable[str], who: str) -> dict[str, int]:
        """Delete individuals with all that is theirs; return how many records went, by kind."""
        return removal.delete_people(self._db, self.home(dataset), ids, who)

    def delete_cohort(self, dataset: str, cohort: str, who: str) -> dict[str, int]:
        """Delete a cohort and its members with all that is theirs; return how many records went, by kind."""
        return removal.delete_cohort(self._db, self.home(dataset), cohort, who)

    def delete_load(self, dataset: str, load: str, who: str) -> dict[str, int]:
        """Delete what a load brought and is still shown; return how many records went, by kind."""
        entry = self.load(load)
        if entry.dataset != dataset:
            raise LoadError(f"load {load!r} was into dataset {entry.dataset!r}, not {dataset!r}", where=load)
        return removal.delete_load(self._db, self.home(dataset), entry.id, who)

    def withdraw(self, dataset: str, id: str, who: str) -> removal.Withdrawn:
        """Take a person from every answer at once, and let no load bring them back (``removal.withdraw``)."""
        home, tombstones = self.home(dataset), self.tombstones(dataset)
        purge.remember(self._db, home, tombstones, id)
        return removal.withdraw(self._db, home, tombstones, id, who)

    def purge(
        self, dataset: str, id: str, ancestors: Ancestors, who: str, wait: Callable[[float], None] = time.sleep
    ) -> int:
        """Erase the bytes of a person who withdrew, and say so in the journal; return how many segments were rewritten.

        Takes at least the grace, for questions under way (``wait`` is called with seconds). What is interrupted is
        continued by doing it again. Raises ``LoadError`` where nobody of this id withdrew.
        """
        home, tombstones, entry = self.home(dataset), self.tombstones(dataset), uuid.uuid4().hex
        person = removal.find_person(self._db, home, tombstones, id)
        journal.begin(self._db, entry, home, "purge an individual", who, {})
        purge.remember(self._db, home, tombstones, id)
        stricter.forget(self._db, home, id)
        segments = purge.erase(self._db, home, person, tombstones.recall(id).is_called, ancestors, who)
        while left := self.sweep():
            wait(left)
        purge.forget_names(self._db, home, person)
        journal.end(self._db, entry, {"segment written anew": segments, "sample": len(person.samples)})
        return segments

    def readmit(self, dataset: str, id: str, samples: Iterable[str], who: str) -> int:
        """Let a person who withdrew come again with the next load; return how many tombstones that took away.

        The policy asks for the level that their records needed before: whoever comes again is no easier to see.
        """
        home, tombstones = self.home(dataset), self.tombstones(dataset)
        if (level := tombstones.recall(id).level) is not None:
            stricter.name_again(self._db, home, id, level)
        return removal.readmit(self._db, home, tombstones, id, samples, who)

    def compact(self, dataset: str, ancestors: Ancestors, who: str, *, everything: bool = False) -> int:
        """Write many small segments as one, where there are many; return how many went.

        ``everything``: also where there are few. Answers stay what they are.
        """
        gone = 0
        while runs := due(self._document(dataset), everything=everything):
            for run in runs:
                rewrite(self._db, self.home(dataset), run, ancestors, what="compact", who=who)
                gone += len(run) - 1
        return gone

    def where(self, id: str) -> list[loads.Provenance]:
        """Return where the records of this id that are shown came from, in all datasets; of a variant, the loads."""
        return [
            found for part in self._db["datasets"].find().sort("_id", 1) for found in loads.where(self._db, part, id)
        ]

    def sweep(self) -> float:
        """Delete what no dataset shows any more and nobody can still be reading.

        Return how many seconds remain until the rest may go, 0 where nothing is left.
        """
        return sweep(self._db, self._grace)

    @contextmanager
    def hold(self, dataset: str, what: str, who: str, wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold the right to change a dataset; what dead commands left half done there is cleared away first.

        Whatever this ``Admin`` does to the dataset inside the block is done under that right.

        Raises ``LoadError`` where there is no such dataset, and, without ``wait``, where somebody else holds it; with
        ``wait``, that is told who does, and it is waited for.
        """
        with Lease(self._db, dataset, what, who, wait) as lease:
            roll_back(self._db, dataset)
            journal.settle(self._db, dataset)
            self._held[dataset] = lease
            try:
                yield
            finally:
                del self._held[dataset]
            self.sweep()

    def policy(self, id: str) -> DatasetPolicy:
        """Return a dataset's policy. Raises ``LoadError`` where there is no such dataset."""
        return decode_policy(self._document(id)["policy"])

    def set_policy(self, id: str, policy: DatasetPolicy) -> None:
        """Replace a dataset's policy; who withdrew is not named in it (``stricter``).

        Raises ``LoadError`` where there is no such dataset.
        """
        home = find_home(self._db, id)
        if not stricter.write(self._db, home, stricter.without_withdrawn(policy, self.tombstones(id))):
            raise LoadError.no_dataset(id)

    def set_info(self, id: str, changes: Mapping[str, Any]) -> None:
        """Change what the custodian says of a dataset (``described.set_info``)."""
        described.set_info(self._db, id, changes)

    def cohort(
        self, dataset: str, id: str, name: str, members: Iterable[str] | None, body: Mapping[str, Any] | None = None
    ) -> described.Membership:
        """Return what makes individuals the members of a cohort (``described.cohort``); nothing is changed yet."""
        return described.cohort(
            self._db, self.home(dataset), self.tombstones(dataset).reader(), id, name, members, body
        )

    def say(self, dataset: str, sayings: Sequence[Saying]) -> None:
        """Change what is said of a dataset and its cohorts, all at once. Raises ``LoadError`` as a load does."""
        publish(self._db, self.home(dataset), None, Amendment(sayings=sayings))

    def begin(self, dataset: str, load: LoadInfo, ancestors: Ancestors) -> SegmentWriter:
        """Begin a load. Raises ``LoadError`` where there is no such dataset."""
        home = self.home(dataset)
        return SegmentWriter(self._db, home, load, ancestors, self.tombstones(dataset).reader)

    def home(self, dataset: str) -> Home:
        """Return a dataset as a change finds it, under the lease that is held. Raises ``LoadError`` without one."""
        held = self._held.get(dataset)
        return find_home(self._db, dataset, held.token if held else None)

    def tombstones(self, dataset: str) -> Tombstones:
        """Return what tells who withdrew from a dataset."""
        return Tombstones(self._db, dataset, self._key_file)

    def loaded(self, dataset: str, sha256: str, format: str) -> str | None:
        """Return the load that brought these very bytes, where the dataset still shows all that it brought."""
        for part in self._document(dataset)["segments"]:
            for load in part["loads"]:
                if (load["sha256"], load["format"], load["intact"]) == (sha256, format, True):
                    return str(load["id"])
        return None

    def loads(self, dataset: str | None = None) -> list[journal.Entry]:
        """Return what was done to one dataset or to all, oldest first."""
        return journal.entries(self._db, dataset)

    def load(self, id: str) -> journal.Entry:
        """Return the load of this id, or whose id begins so. Raises ``LoadError`` where it is not exactly one."""
        return journal.entry(self._db, id)

    def held(self, dataset: str, ids: Iterable[str]) -> dict[str, bytes]:
        """Return the digests of these individuals' contents as loaded, by id, where the dataset shows them.

        It is empty where the load took none; people that are only derived from samples are left out.
        """
        return loads.digests(self._db, self._document(dataset), list(ids))

    def earlier(self, dataset: str, source: str, format: str) -> list[Document]:
        """Return the loads of files of these names, in this format, of which the dataset still shows something."""
        return [
            load
            for part in self._document(dataset)["segments"]
            for load in part["loads"]
            if (load["source"], load["format"]) == (source, format)
        ]

    def vanished(self, dataset: str, brought: Iterable[str], seen: Set[str]) -> list[str]:
        """Return the individuals that these loads brought, that are still shown, and whose ids are not in ``seen``."""
        return loads.others(self._db, self._document(dataset), set(brought), seen)

    def uncorrected(self, dataset: str, brought: Set[str], seen: Set[tuple[str, str]]) -> Iterator[corrected.Left]:
        """Yield samples, runs and analyses that these loads brought and nobody has ``seen``; see ``corrected``."""
        return corrected.uncorrected(self._db, self._document(dataset), brought, seen)

    def other_samples(self, dataset: str, brought: Iterable[str], seen: Iterable[str]) -> list[str]:
        """Return the samples of whom these loads' calls are shown, except those named in ``seen``."""
        return loads.other_samples(self._db, self._document(dataset), set(brought), set(seen))

    def owners(self, dataset: str, samples: Iterable[str]) -> dict[str, str]:
        """Return whose these samples are in the dataset already, by sample id; those of nobody are left out."""
        wanted = list(dict.fromkeys(samples))
        found: dict[str, str] = {}
        for part in self._document(dataset)["segments"]:
            live = decode_rows(part["live"].get("biosample", encode_rows(())))
            query = {"s": part["id"], "k": "biosample", "i": {"$in": wanted}}
            for record in self._db["records"].find(query) if live and wanted else ():
                if record["r"] in live:
                    found[record["i"]] = str(orjson.loads(record["b"]).get("individualId", ""))
        return found

    def individuals(self, dataset: str, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are individuals of the dataset of whom more is known than a sample's name."""
        wanted, found = list(dict.fromkeys(ids)), set()
        for part in self._document(dataset)["segments"]:
            own = decode_rows(part["live"].get("individual", encode_rows(())))
            own -= decode_rows(part["derived"].get("individual", encode_rows(())))
            query = {"s": part["id"], "k": "individual", "i": {"$in": wanted}}
            for record in self._db["records"].find(query, {"r": 1, "i": 1}) if own and wanted else ():
                if record["r"] in own:
                    found.add(record["i"])
        return found

    def references(self, assembly: str) -> list[Reference]:
        """Return the sequences of an assembly that are there, after clearing away what a killed loader left."""
        sweep_bases(self._db)
        return [decode_reference(part) for part in self._db["references"].find({"a": assembly}).sort("c", 1)]

    def store_sequence(
        self, assembly: str, chrom: str, pieces: Iterable[bytes], length: int | None, source: str
    ) -> tuple[Reference, bool]:
        """Store one chromosome's sequence; return it, and whether it is new. ``name_alleles`` has to follow.

        Raises ``LoadError`` where it does not have the ``length`` that it should have.
        """
        return store_sequence(self._db, assembly, chrom, pieces, length, source)

    def name_alleles(self, reference: Reference, tell: Callable[[int], None]) -> tuple[int, int]:
        """Name all alleles on a sequence after it; return how many got a name, and how many with bases none."""
        counts = index_alleles(self._db, reference, tell)
        freshness.wait()
        return counts

    def store_genes(self, assembly: str, genes: Iterable[Gene], about: Mapping[str, Any]) -> int:
        """Replace an assembly's table of genes; return how many names it has. ``about`` says where they are from."""
        names = store_genes(self._db, assembly, genes, about)
        freshness.wait()
        return names

    def replace_ontology(
        self,
        resource: Mapping[str, Any],
        labels: Mapping[str, str],
        above: Mapping[str, Iterable[str]],
        replaced: Mapping[str, str | None],
        near: Mapping[str, bytes] | None = None,
    ) -> None:
        """Make a curator's ontology the site's own, in place of the one of its prefix.

        ``near`` holds what is similar to each term, where that was measured.
        """
        replace_ontology(self._db, resource, labels, above, replaced, near or {})

    def ontologies(self) -> list[tuple[dict[str, Any], dict[str, str | None]]]:
        """Return the curators' ontologies: resource, and obsolete terms with what replaced them."""
        return read_ontologies(self._db)

    def terms(self, prefix: str) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
        """Return labels, and everything above each term, of a curator's ontology."""
        return read_terms(self._db, prefix)

    def keep_whole(self, prefix: str, package: str, data: bytes, replaced: Mapping[str, str | None]) -> None:
        """Keep a stored ontology as its ``package`` (name and version) has it, for loaders to read back.

        ``replaced`` are its obsolete terms, with what replaced them.
        """
        keep_whole(self._db, prefix, package, data, replaced)

    def whole(self, prefix: str, package: str) -> bytes | None:
        """Return what was kept of this very package's ontology, None where there is nothing of it."""
        return read_whole(self._db, prefix, package)

    def expand(self, dataset: str, ancestors: Ancestors, who: str) -> int:
        """Find a dataset's records under what is above their terms now; return how many index entries changed."""
        with self.hold(dataset, "expand terms", who):
            changed = expand(self._db, dataset, ancestors)
            freshness.wait()
        return changed

    def store_ontology(
        self,
        resource: Mapping[str, Any],
        terms: Mapping[str, str],
        above: Mapping[str, Iterable[str]] | None = None,
        neighbours: Callable[[], Mapping[str, bytes]] | None = None,
    ) -> None:
        """Keep an ontology's term ids and labels, so that a server can tell a term that does not exist.

        ``resource`` is a Phenopackets resource with ``namespacePrefix`` and ``version``; ``above`` gives all ancestors
        of each term, where they are to be kept too, ``neighbours`` makes what is similar to each
        (``beacon.model.similarity``). Storing the version that is there already does nothing, unless ancestors come
        with it.
        """
        prefix = resource["namespacePrefix"]
        held = self._db["ontologies"].find_one({"_id": prefix})
        if held is not None and held["resource"]["version"] == resource["version"] and above is None:
            return
        near = neighbours() if neighbours else {}
        documents: list[Document] = [
            {"_id": term, "label": label}
            | ({} if above is None else {"above": sorted(above.get(term, ()))})
            | ({"near": near[term]} if term in near else {})
            for term, label in terms.items()
        ]
        if held is not None or not self._insert_terms(documents):
            writes = [ReplaceOne({"_id": document["_id"]}, document, upsert=True) for document in documents]
            for begin in range(0, len(writes), 5_000):
                self._db["terms"].bulk_write(writes[begin : begin + 5_000], ordered=False)
        self._db["ontologies"].replace_one({"_id": prefix}, {"resource": dict(resource)}, upsert=True)

    def _insert_terms(self, documents: list[Document]) -> bool:
        """Write new terms, several times as fast as replacing them; False where some are there, of a load cut off."""
        try:
            self._db["terms"].insert_many(documents)
        except BulkWriteError:
            return False
        return True

    def _prepare(self) -> None:
        self._db["meta"].update_one({"_id": "model"}, {"$setOnInsert": {"version": MODEL_VERSION}}, upsert=True)
        for collection in INDEXES:
            self._db[collection].create_indexes(index_models(collection))
        # Of datasets that were made before they had this.
        self._db["datasets"].update_many({"people": None}, [{"$set": {"people": "$_id"}}])

    def _document(self, id: str) -> Document:
        document = self._db["datasets"].find_one({"_id": id})
        if document is None:
            raise LoadError.no_dataset(id)
        return document

    def _summary(self, document: Document) -> DatasetSummary:
        counts = dict.fromkeys(("individual", "biosample", "run", "analysis"), 0)
        for part in document["segments"]:
            for kind in counts:
                if kind in part["live"]:
                    counts[kind] += len(decode_rows(part["live"][kind]))
        variants = _distinct_variants(self._db, document["segments"])
        return DatasetSummary(
            id=document["_id"],
            name=document["name"],
            description=document.get("description"),
            policy=decode_policy(document["policy"]),
            record=decode_body(document.get("stated")) | document.get("info", {}),
            counts=counts | {"genomicVariant": variants},
            cohorts={part["id"]: len(decode_rows(part["members"])) for part in document["cohorts"]},
            created=document["created"],
            updated=document["updated"],
        )


def _distinct_variants(db: Database[Document], segments: list[Document]) -> int:
    """Count the alleles of visible segments once each, leaving out those whose last carrier is gone."""
    if len(segments) == 1 and segments[0]["whole"]:
        return int(segments[0]["variants"])
    keys = [np.empty(0, np.uint64)]
    for part in segments:
        layout = read_layout(db, part["id"])
        live = decode_rows(part["live"][COLUMN]) if COLUMN in part["live"] else BitMap()
        for number, head in heads_in(db, part["id"], layout):
            if part["whole"]:
                keys.append(head["key"])
                continue
            calls = calls_of(db, part["id"], layout, number)
            never = (carriers(head) <= 0) & (part.get("uncarried", 1) > 0)
            keys.append(head["key"][never | carried_by([(calls, np.arange(len(never), dtype=np.int32))], live)])
    return len(np.unique(np.concatenate(keys)))


def check_version(document: Document | None) -> None:
    """Refuse a database that another version of the data model wrote. Raises ``ConfigurationError``."""
    if document is not None and document["version"] != MODEL_VERSION:
        raise ConfigurationError(
            f"this database has data model {document['version']}, this program needs {MODEL_VERSION}; "
            "load the data anew into another database, or use the matching version of skerry"
        )
