"""The genomic part of a request: thirteen parameters become one ``VariantQuery``, or a refusal that names one.

Documents here have passed the schema ``request_parameters``, so types and ranges of single values are right;
what remains is what they mean together (Beacon v2, genomic query types: sequence, range, bracket, gene,
amino acid, short form).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from beacon.errors import BadRequest, CannotAnswer
from beacon.model import genome, protein
from beacon.model.entry_types import entry_type_id
from beacon.model.query import VariantQuery

GENOMIC = (
    "referenceName", "assemblyId", "start", "end", "referenceBases", "alternateBases", "variantType",
    "variantMinLength", "variantMaxLength", "geneId", "aminoacidChange", "genomicAlleleShortForm", "mateName",
)  # fmt: skip
"""The standard's genomic parameters."""

SPELLINGS = {"geneid": "geneId", "allele": "genomicAlleleShortForm"}
"""Names in the standard's OpenAPI files for what its schemas call otherwise."""

SCOPING = ("datasets", "dataset", "datasetIds")
"""Where clients name the datasets they ask."""


def respell(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Bring ``requestParameters`` into the spelling of the schemas, at the top and one level down.

    ``geneid`` becomes ``geneId``, and numbers written as text (``"100,200"``) become numbers. What cannot be
    read so is left for the schema to refuse.
    """
    return {
        SPELLINGS.get(name, name): respell(value) if isinstance(value, dict) else _number(name, value)
        for name, value in parameters.items()
    }


def _number(name: str, value: Any) -> Any:
    if name in {"start", "end"} and isinstance(value, list):
        return [int(item) if isinstance(item, str) and is_whole(item.strip()) else item for item in value]
    if not isinstance(value, str):
        return value
    if name in {"start", "end"}:
        parts = [part.strip() for part in value.split(",")]
        return [int(part) for part in parts] if all(map(is_whole, parts)) else value
    if name in {"variantMinLength", "variantMaxLength"} and is_whole(value.strip()):
        return int(value)
    return value


def is_whole(text: str) -> bool:
    """Whether a text is a whole number, of whatever size: what is above the largest that is meant is told so."""
    return text.isascii() and text.removeprefix("-").isdigit() and len(text) <= 1000


def read(parameters: Mapping[str, Any]) -> tuple[VariantQuery | None, tuple[str, ...] | None]:
    """Return the genomic question and the datasets asked, None where nothing is said of them.

    Raises ``BadRequest`` where parameters contradict each other or lack a companion, ``CannotAnswer`` for an
    assembly or sequence that this program does not know.
    """
    genomic: dict[str, Any] = {}
    datasets: tuple[str, ...] | None = None
    for name, value in _flatten(parameters):
        if name in SCOPING:
            asked = tuple(_dataset_ids(value))
            if datasets and asked and set(datasets) != set(asked):
                raise BadRequest("The datasets are named twice, and differently; name them once.", where=name)
            datasets = asked or datasets
        elif genomic.setdefault(name, value) != value:
            raise BadRequest(f"The parameter {name} is given twice, with different values; give it once.", where=name)
    return (_variant(genomic) if genomic else None), datasets


def _flatten(parameters: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the parameters, whether they are nested by entity (the standard) or flat."""
    for name, value in parameters.items():
        if name == "$schema":
            continue
        if name not in SCOPING and entry_type_id(name) and isinstance(value, Mapping):
            yield from _flatten(value)
        else:
            yield name, value


def _dataset_ids(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        value = value.get("datasetIds", ())
    texts = value.split(",") if isinstance(value, str) else value
    yield from dict.fromkeys(text.strip() for text in texts if text.strip())


def _variant(given: Mapping[str, Any]) -> VariantQuery:
    assembly = _assembly(given.get("assemblyId"))
    assembly, chrom = _chromosome("referenceName", given.get("referenceName"), assembly)
    assembly, mate = _chromosome("mateName", given.get("mateName"), assembly)
    named = chrom is None or genome.sequence_digest(chrom) or genome.named_by(given["referenceName"])
    if not named and assembly is None:
        raise BadRequest(
            f"The referenceName {given['referenceName']!r} says nothing without an assembly: add assemblyId (such as "
            "GRCh38), or give the versioned accession of a chromosome (such as NC_000017.11).",
            where="assemblyId",
        )
    gene, change = _change(given)
    query = VariantQuery(
        assembly=assembly,
        chrom=chrom,
        start=_positions(given.get("start")),
        end=_positions(given.get("end")),
        reference_bases=_bases("referenceBases", given.get("referenceBases")),
        alternate_bases=_bases("alternateBases", given.get("alternateBases")),
        variant_type=given.get("variantType"),
        min_length=_length(given.get("variantMinLength")),
        max_length=_length(given.get("variantMaxLength")),
        gene=gene,
        aminoacid_change=change,
        short_form=given.get("genomicAlleleShortForm"),
        mate=mate,
    )
    _check_positions(query)
    _check_bases(query)
    if query.min_length is not None and query.max_length is not None and query.min_length > query.max_length:
        raise BadRequest(
            "The variantMinLength is above the variantMaxLength; no variant can be both.", where="variantMinLength"
        )
    return query


def _assembly(id: str | None) -> str | None:
    if id is not None and genome.assembly_name(id) is None:
        known = ", ".join(genome.ASSEMBLIES)
        raise CannotAnswer(f"The assembly {id!r} is not known here; known are {known}.", where="assemblyId")
    return None if id is None else genome.assembly_name(id)


def _chromosome(parameter: str, name: str | None, assembly: str | None) -> tuple[str | None, str | None]:
    """Return assembly and chromosome; a versioned accession names both, or what several assemblies share."""
    if name is None:
        return assembly, None
    if parameter == "referenceName" and (digest := genome.sequence_digest(name)):
        return assembly, f"ga4gh:SQ.{digest}"  # only the sequences that are loaded tell which one it is
    if genome.is_unknown(name):
        raise CannotAnswer(
            f"The sequence {name!r} is not known here; give the accession of a chromosome of "
            f"{', '.join(genome.ASSEMBLIES)} with its version, such as NC_000017.11.",
            where=parameter,
        )
    told, _ = genome.named_by(name) or (None, "")
    if told and assembly and told != assembly:
        raise BadRequest(
            f"The {parameter} {name!r} belongs to {told}, but the assembly asked is {assembly}.", where="assemblyId"
        )
    return told or assembly, genome.chromosome(name)


def _change(given: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """Return the gene and the amino-acid change, which may name its gene itself (``BRAF:p.Val600Glu``)."""
    gene = None if (text := given.get("geneId")) is None else genome.gene_name(text)
    if gene == "":
        raise BadRequest("The geneId is empty: give a gene's symbol or id.", where="geneId")
    if (text := given.get("aminoacidChange")) is None:
        return gene, None
    sequence, change = protein.taken_apart(text)
    if not protein.is_change(change):
        raise BadRequest(
            f"The text {text!r} is no change of amino acids: write it as V600E or p.Val600Glu.", where="aminoacidChange"
        )
    if protein.is_accession(sequence):
        raise CannotAnswer(
            f"Changes are not told apart by protein here, as {text!r} wants: give the gene as geneId, or the whole "
            "name to the filter identifiers.proteinHGVSIds.",
            where="aminoacidChange",
        )
    named = genome.gene_name(sequence) if sequence else None
    if gene and named and gene != named:
        raise BadRequest(f"The aminoacidChange {text!r} is of {named}, but geneId says {gene}.", where="geneId")
    return gene or named, change


def _positions(value: Any) -> tuple[int, ...]:
    if value is None:
        return ()
    return tuple(int(item) for item in value) if isinstance(value, list) else (int(value),)


def _length(value: Any) -> int | None:
    return None if value is None else int(value)


def _bases(name: str, value: str | None) -> str | None:
    if value is None:
        return None
    if "-" in value or "." in value:
        raise CannotAnswer(f"The {name} {value!r} holds '-' or '.'; write no bases as an empty text.", where=name)
    return value.upper().replace("U", "T")


def _check_positions(query: VariantQuery) -> None:
    start, end = query.start, query.end
    if query.chrom is None:
        if start or end:
            raise BadRequest("A position needs referenceName, the chromosome it is on.", where="referenceName")
        return
    shape = (len(start), len(end))
    if shape not in {(1, 0), (1, 1), (2, 2)}:
        raise BadRequest(
            f"Given are {shape[0]} start and {shape[1]} end positions; one start with alternateBases asks for an "
            "allele, one start and one end for a range, two starts and two ends for a bracket.",
            where="end" if shape == (2, 0) or shape[0] == 1 else "start",
        )
    if shape == (1, 1) and end[0] <= start[0]:
        raise BadRequest(f"The end {end[0]} is not after the start {start[0]} (0-based, end exclusive).", where="end")
    if shape == (2, 2):
        if start[0] > start[1]:
            raise BadRequest(f"The first start {start[0]} is after the second {start[1]}.", where="start")
        if end[0] > end[1]:
            raise BadRequest(f"The first end {end[0]} is after the second {end[1]}.", where="end")
        if end[1] <= start[0]:
            raise BadRequest(f"The last end {end[1]} is not after the first start {start[0]}.", where="end")


def _check_bases(query: VariantQuery) -> None:
    reference, alternate = query.reference_bases, query.alternate_bases
    if len(query.start) == 1 and not query.end:
        if alternate is None:
            raise BadRequest(
                "One start without an end asks for an allele: add referenceBases and alternateBases (one of them may "
                "be empty), or an end to ask for a range.",
                where="alternateBases",
            )
        if not alternate and not reference:
            raise BadRequest(
                "An allele needs bases: add referenceBases, the bases that are deleted.", where="referenceBases"
            )
    for name, bases in (("referenceBases", reference), ("alternateBases", alternate)):
        if bases is not None and not query.start and query.gene is None:
            raise BadRequest(f"The parameter {name} needs a place: add referenceName and start, or geneId.", where=name)


def echo(variant: VariantQuery | None, datasets: tuple[str, ...] | None) -> dict[str, dict[str, Any]]:
    """Return the parameters as they were understood, nested as the summary's schema wants them."""
    echoed: dict[str, dict[str, Any]] = {}
    if variant:
        values: tuple[Any, ...] = (
            variant.chrom, variant.assembly, list(variant.start) or None, list(variant.end) or None,
            variant.reference_bases, variant.alternate_bases, variant.variant_type, variant.min_length,
            variant.max_length, variant.gene, variant.aminoacid_change, variant.short_form, variant.mate,
        )  # fmt: skip
        echoed["g_variant"] = {name: value for name, value in zip(GENOMIC, values, strict=True) if value is not None}
    if datasets is not None:
        echoed["datasets"] = {"datasetIds": list(datasets)}
    return echoed
