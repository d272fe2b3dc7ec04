"""Tables of genes: where each lies in an assembly, under every name it has.

genes   one document per assembly and name: all names of the gene, and its places. A symbol that two genes share has
        the places of both.
meta    under genes:ASSEMBLY, which table that is
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from pymongo import ReplaceOne
from pymongo.database import Database

from beacon.model.genome import ASSEMBLIES, Gene, Place, gene_name
from beacon.store.documents import Document

_BATCH = 5_000


def gene_ids(name: str) -> list[str]:
    """Return the ids under which a gene of this name lies, one per assembly."""
    return [f"{assembly}:{name}" for assembly in ASSEMBLIES]


def decode_gene(documents: Iterable[Document]) -> Gene | None:
    """Return what the tables of all assemblies say of one name, None where they say nothing."""
    names: set[str] = set()
    places: list[Place] = []
    for document in documents:
        names.update(document["names"])
        places += [Place(document["a"], chrom, start, end) for chrom, start, end in document["places"]]
    return Gene(frozenset(names), tuple(places)) if names else None


def store_genes(db: Database[Document], assembly: str, genes: Iterable[Gene], about: Mapping[str, Any]) -> int:
    """Replace an assembly's table of genes; return how many names it has. ``genes`` lie in that assembly, and
    ``about`` says where they are from.

    A question asked meanwhile finds a gene in the old table or in the new one.
    """
    held: dict[str, tuple[set[str], set[tuple[str, int, int]]]] = {}
    for gene in genes:
        every = set(map(gene_name, gene.names))
        for name in every:
            names, places = held.setdefault(name, (set(), set()))
            names.update(every)
            places.update((place.chrom, place.start, place.end) for place in gene.places)
    load = uuid.uuid4().hex
    writes = []
    for name, (names, places) in held.items():
        id = f"{assembly}:{name}"
        document = {"a": assembly, "load": load, "names": sorted(names), "places": sorted(places)}
        writes.append(ReplaceOne({"_id": id}, document, upsert=True))
    for begin in range(0, len(writes), _BATCH):
        db["genes"].bulk_write(writes[begin : begin + _BATCH], ordered=False)
    db["meta"].replace_one({"_id": f"genes:{assembly}"}, dict(about), upsert=True)
    db["genes"].delete_many({"a": assembly, "load": {"$ne": load}})
    return len(held)
