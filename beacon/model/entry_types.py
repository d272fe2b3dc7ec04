"""The table of entry types: paths, schemas, cross endpoints and filterable fields. Everything else is made from it.

Routes, ``/map``, ``/entry_types``, ``/configuration``, the index that loaders write and the filters that
queries may use all read these rows; a new field or endpoint is a new row here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

DEFAULT_MODEL = "https://raw.githubusercontent.com/ga4gh-beacon/beacon-v2/main/models/json/beacon-v2-default-model"


class FieldKind(StrEnum):
    """How a field's values are compared."""

    ONTOLOGY = "ontology"
    TEXT = "text"
    NUMBER = "number"
    DURATION = "duration"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Field:
    """One filterable field of an entry type.

    ``id`` is what a filter names: the dotted path of the default schema, or a name of ours. ``path`` is
    where the value lies in the record when that differs. A term of an ``everyday`` field is found by the
    term's id alone; of the others only with the field's name. A term in ``closed`` belongs to this field alone
    wherever it is asked for without a field or scope ("unknown" is a sex before it is anything else).
    """

    id: str
    kind: FieldKind
    label: str
    path: str = ""
    everyday: bool = False
    closed: frozenset[str] = frozenset()

    @property
    def source(self) -> str:
        """Dotted path of the value in the record."""
        return self.path or self.id


@dataclass(frozen=True, slots=True)
class EntryType:
    """One kind of record (Beacon v2 ``entryType``).

    ``path`` is the endpoint's name, ``parameter`` the record's id field as URL templates name it,
    ``crosses`` the entry types that ``/path/{id}/...`` can list. ``collection`` types (dataset, cohort) are answered as
    ``collections``. ``aliases`` are other names that clients use in scopes and request parameters.
    """

    id: str
    path: str
    label: str
    description: str
    schema_id: str
    schema_url: str
    ontology_term: tuple[str, str]
    crosses: tuple[str, ...]
    fields: tuple[Field, ...] = ()
    parameter: str = "id"
    collection: bool = False
    contains: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


def _term(id: str, label: str, *, path: str = "", everyday: bool = True) -> Field:
    return Field(id, FieldKind.ONTOLOGY, label, path, everyday)


def _text(id: str, label: str, path: str = "") -> Field:
    return Field(id, FieldKind.TEXT, label, path)


def _number(id: str, label: str, path: str = "") -> Field:
    return Field(id, FieldKind.NUMBER, label, path)


def _duration(id: str, label: str, path: str = "") -> Field:
    return Field(id, FieldKind.DURATION, label, path)


def _date(id: str, label: str, path: str = "") -> Field:
    return Field(id, FieldKind.DATE, label, path)


SEXES = {"NCIT:C16576": "female", "NCIT:C20197": "male", "NCIT:C17649": "other", "NCIT:C17998": "unknown"}
ZYGOSITIES = {"GENO:0000135": "heterozygous", "GENO:0000136": "homozygous", "GENO:0000134": "hemizygous"}

_INDIVIDUAL_FIELDS = (
    Field("sex", FieldKind.ONTOLOGY, "Sex", everyday=True, closed=frozenset(SEXES)),
    _text("karyotypicSex", "Karyotypic sex"),
    _term("ethnicity", "Ethnicity"),
    _term("geographicOrigin", "Geographic origin"),
    _term("diseases.diseaseCode", "Disease"),
    _term("diseases.stage", "Disease stage"),
    _term("diseases.severity", "Disease severity", everyday=False),
    _term("diseases.ageOfOnset", "Onset of disease, as a class", everyday=False),
    _duration("diseases.ageOfOnset.iso8601duration", "Age at onset of disease"),
    _term("phenotypicFeatures.featureType", "Phenotypic feature"),
    _term("phenotypicFeatures.severity", "Severity of a phenotypic feature", everyday=False),
    _term("phenotypicFeatures.modifiers", "Modifier of a phenotypic feature", everyday=False),
    _term("phenotypicFeatures.onset", "Onset of a phenotypic feature, as a class", everyday=False),
    _duration("phenotypicFeatures.onset.iso8601duration", "Age at onset of a phenotypic feature"),
    _term("measures.assayCode", "Measured by assay"),
    _term("treatments.treatmentCode", "Treatment"),
    _term("interventionsOrProcedures.procedureCode", "Intervention or procedure"),
    _term("exposures.exposureCode", "Exposure"),
    _duration("exposures.ageAtExposure.iso8601duration", "Age at exposure"),
    _duration("ageAtLastEncounter", "Age at last encounter", "info.timeAtLastEncounter.iso8601duration"),
    _text("vitalStatus", "Vital status", "info.vitalStatus.status"),
)

_BIOSAMPLE_FIELDS = (
    _term("biosampleStatus", "Status of the sample"),
    _term("sampleOriginType", "Type of sample origin"),
    _term("sampleOriginDetail", "Origin of the sample in detail"),
    _term("histologicalDiagnosis", "Histological diagnosis"),
    _term("tumorProgression", "Tumor progression"),
    _term("tumorGrade", "Tumor grade"),
    _term("pathologicalStage", "Pathological stage"),
    _term("pathologicalTnmFinding", "Pathological TNM finding"),
    _term("phenotypicFeatures.featureType", "Phenotypic feature of the sample"),
    _text("individualId", "Individual the sample is from"),
    _duration("collectionMoment", "Age at collection"),
    _date("collectionDate", "Date of collection"),
)

_RUN_FIELDS = (
    _text("platform", "Platform"),
    _term("platformModel", "Platform model"),
    _term("librarySource", "Library source"),
    _text("librarySelection", "Library selection"),
    _text("libraryStrategy", "Library strategy"),
    _text("libraryLayout", "Library layout"),
    _text("individualId", "Individual the run is of"),
    _text("biosampleId", "Sample the run is of"),
    _date("runDate", "Date of the run"),
)

_ANALYSIS_FIELDS = (
    _text("pipelineName", "Pipeline"),
    _text("aligner", "Aligner"),
    _text("variantCaller", "Variant caller"),
    _text("individualId", "Individual the analysis is of"),
    _text("biosampleId", "Sample the analysis is of"),
    _date("analysisDate", "Date of the analysis"),
)

ZYGOSITY = "caseLevelData.zygosity"
"""Answered from genotypes rather than from an index."""

FREQUENCY = "alleleFrequency"
"""Allele count over allele number among the dataset's people, counted when asked, so not from an index either."""

_VARIANT_FIELDS = (
    Field(ZYGOSITY, FieldKind.ONTOLOGY, "Zygosity", everyday=True, closed=frozenset(ZYGOSITIES)),
    _number(FREQUENCY, "Frequency of the allele in the dataset"),
)


def _schema(folder: str) -> str:
    return f"{DEFAULT_MODEL}/{folder}/defaultSchema.json"


_ROWS = (
    EntryType(
        "individual", "individuals", "Individual", "A person, with what is known of their health.",
        "ga4gh-beacon-individual-v2.0.0", _schema("individuals"), ("NCIT:C25190", "Person"),
        ("analysis", "biosample", "genomicVariant", "run", "dataset", "cohort"), _INDIVIDUAL_FIELDS,
        aliases=("individuals", "Individual"),
    ),
    EntryType(
        "biosample", "biosamples", "Biosample", "Material taken from a person.",
        "ga4gh-beacon-biosample-v2.0.0", _schema("biosamples"), ("NCIT:C70699", "Biospecimen"),
        ("analysis", "genomicVariant", "run", "individual", "dataset", "cohort"), _BIOSAMPLE_FIELDS,
        aliases=("biosamples", "Biosample"),
    ),
    EntryType(
        "genomicVariant", "g_variants", "Genomic variant", "An allele, and who carries it.",
        "ga4gh-beacon-variant-v2.1.0", _schema("genomicVariations"), ("ENSGLOSSARY:0000092", "Variant"),
        ("analysis", "biosample", "individual", "run", "dataset", "cohort"), _VARIANT_FIELDS,
        parameter="variantInternalId",
        aliases=("g_variant", "g_variants", "genomicVariation", "genomicVariations", "genomicVariants", "variant"),
    ),
    EntryType(
        "run", "runs", "Sequencing run", "One sequencing of one sample.",
        "ga4gh-beacon-run-v2.0.0", _schema("runs"), ("NCIT:C148088", "Sequencing run"),
        ("analysis", "genomicVariant", "biosample", "individual", "dataset", "cohort"), _RUN_FIELDS,
        aliases=("runs", "Run"),
    ),
    EntryType(
        "analysis", "analyses", "Bioinformatics analysis", "One run of a pipeline over a sample's reads.",
        "ga4gh-beacon-analysis-v2.0.0", _schema("analyses"), ("edam:operation_2945", "Analysis"),
        ("genomicVariant", "biosample", "individual", "run", "dataset", "cohort"), _ANALYSIS_FIELDS,
        aliases=("analyses", "Analysis"),
    ),
    EntryType(
        "dataset", "datasets", "Dataset", "Data held together under one set of rules.",
        "ga4gh-beacon-dataset-v2.0.0", _schema("datasets"), ("NCIT:C47824", "Data set"),
        ("analysis", "biosample", "genomicVariant", "individual", "run", "cohort"), (),
        collection=True, contains=("individual", "biosample", "genomicVariant", "run", "analysis"),
        aliases=("datasets", "Dataset"),
    ),
    EntryType(
        "cohort", "cohorts", "Cohort", "People chosen by common criteria.",
        "ga4gh-beacon-cohort-v2.0.0", _schema("cohorts"), ("NCIT:C61512", "Cohort"),
        ("analysis", "biosample", "genomicVariant", "individual", "run", "dataset"), (),
        collection=True, contains=("individual",), aliases=("cohorts", "Cohort"),
    ),
)  # fmt: skip

ENTRY_TYPES: Mapping[str, EntryType] = {row.id: row for row in _ROWS}
RECORD_TYPES = ("individual", "biosample", "run", "analysis")
"""Entry types whose records are stored one by one and belong to a person."""

CLOSED_TERMS: Mapping[str, tuple[str, str]] = {
    term: (row.id, field.id) for row in _ROWS for field in row.fields for term in field.closed
}
"""Terms that belong to one field alone: (entry type id, field id) by term."""

_NAMES = {name: row.id for row in _ROWS for name in (row.id, row.path, *row.aliases)}


def entry_type_id(name: str) -> str | None:
    """Return the entry type id for any spelling in use (``individuals``, ``g_variant``), or None."""
    return _NAMES.get(name)
