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
    QUANTITY = "quantity"
    DURATION = "duration"
    DATE = "date"


@dataclass(frozen=True, slots=True)
class Field:
    """One filterable field of an entry type.

    ``id`` is what a filter names: the dotted path of the default schema, or a name of ours; ``aliases`` are further
    names. ``path`` is where the value lies in the record when that differs, or several such places. A term of an
    ``everyday`` field is found by the term's id alone; of the others only with the field's name. A term in ``closed``,
    or of an ontology in ``prefixes``, belongs to this field alone wherever it is asked for without a field or scope
    ("unknown" is a sex before it is anything else).

    A quantity's ``path`` leads to objects that have it, with its value and unit, in their member ``within``, and say in
    ``named_by`` what was measured; that term names the field as well. The values of an ``open`` field are too many to
    be listed: there is about one for each record. Those of a ``whole`` one are found as a whole only, never by a part.
    """

    id: str
    kind: FieldKind
    label: str
    path: str | tuple[str, ...] = ""
    everyday: bool = False
    closed: frozenset[str] = frozenset()
    prefixes: frozenset[str] = frozenset()
    aliases: tuple[str, ...] = ()
    within: str = ""
    named_by: str = ""
    open: bool = False
    whole: bool = False

    @property
    def sources(self) -> tuple[str, ...]:
        """Dotted paths of the value in the record."""
        return (self.path or self.id,) if isinstance(self.path, str) else self.path


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


def _term(id: str, label: str, *, path: str | tuple[str, ...] = "", everyday: bool = True) -> Field:
    return Field(id, FieldKind.ONTOLOGY, label, path, everyday)


def _text(id: str, label: str, path: str = "", *, open: bool = False) -> Field:
    return Field(id, FieldKind.TEXT, label, path, open=open)


def _number(id: str, label: str, path: str = "") -> Field:
    return Field(id, FieldKind.NUMBER, label, path)


def _quantity(id: str, label: str, path: str, named_by: str, within: str = "") -> Field:
    """A quantity; in Beacon's schema a measurement's value may be one itself (``measurementValue.value``)."""
    aliases = (id.replace(".quantity.", "."),) if ".quantity." in id else ()
    return Field(id, FieldKind.QUANTITY, label, path, aliases=aliases, within=within, named_by=named_by)


def _duration(id: str, label: str, path: str = "", *, aliases: tuple[str, ...] = ()) -> Field:
    """A duration; Beacon's time elements name it directly or as an age (``onset.age.iso8601duration``)."""
    if not path and id.endswith(".iso8601duration"):
        nested = id.removesuffix("iso8601duration") + "age.iso8601duration"
        return Field(id, FieldKind.DURATION, label, (id, nested), aliases=(*aliases, nested))
    return Field(id, FieldKind.DURATION, label, path, aliases=aliases)


def _date(id: str, label: str, path: str = "") -> Field:
    return Field(id, FieldKind.DATE, label, path)


SEXES = {"NCIT:C16576": "female", "NCIT:C20197": "male", "NCIT:C17649": "other", "NCIT:C17998": "unknown"}
ZYGOSITIES = {"GENO:0000135": "heterozygous", "GENO:0000136": "homozygous", "GENO:0000134": "hemizygous"}

_INDIVIDUAL_FIELDS = (
    Field("sex", FieldKind.ONTOLOGY, "Sex", everyday=True, closed=frozenset(SEXES)),
    _text("karyotypicSex", "Karyotypic sex"),
    _term("ethnicity", "Ethnicity"),
    _term("geographicOrigin", "Geographic origin"),
    # Beacon's diseases are those that somebody has; those that are excluded say so themselves.
    _term("diseases.diseaseCode", "Disease", path=("diseases.diseaseCode", "info.excludedDiseases.diseaseCode")),
    _term("diseases.stage", "Disease stage"),
    _term("diseases.severity", "Disease severity"),
    _term("diseases.ageOfOnset", "Onset of disease, as a class"),
    _duration("diseases.ageOfOnset.iso8601duration", "Age at onset of disease"),
    _term("phenotypicFeatures.featureType", "Phenotypic feature"),
    _term("phenotypicFeatures.severity", "Severity of a phenotypic feature"),
    _term("phenotypicFeatures.modifiers", "Modifier of a phenotypic feature"),
    _term("phenotypicFeatures.onset", "Onset of a phenotypic feature, as a class"),
    _duration("phenotypicFeatures.onset.iso8601duration", "Age at onset of a phenotypic feature"),
    _term("measures.assayCode", "Measured by assay"),
    _term("measures.measurementValue", "Result of a measurement, as a class", everyday=False),
    _quantity(
        "measures.measurementValue.quantity.value", "Measured value", "measures", "assayCode", "measurementValue"
    ),
    _duration("measures.observationMoment.iso8601duration", "Age at measurement"),
    _date("measures.date", "Date of a measurement"),
    _term("treatments.treatmentCode", "Treatment"),
    _duration("treatments.ageAtOnset.iso8601duration", "Age at the beginning of a treatment"),
    _term("interventionsOrProcedures.procedureCode", "Intervention or procedure"),
    _duration("interventionsOrProcedures.ageAtProcedure.iso8601duration", "Age at an intervention or procedure"),
    _date("interventionsOrProcedures.dateOfProcedure", "Date of an intervention or procedure"),
    _term("exposures.exposureCode", "Exposure"),
    _quantity("exposures.value", "Amount of an exposure", "exposures", "exposureCode"),
    _duration("exposures.ageAtExposure.iso8601duration", "Age at exposure"),
    _duration(
        "ageAtLastEncounter",
        "Age at last encounter",
        "info.timeAtLastEncounter.iso8601duration",
        aliases=("PATO:0000011",),
    ),
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
    _term("diagnosticMarkers", "Diagnostic marker"),
    _term("sampleProcessing", "Processing of the sample"),
    _term("sampleStorage", "Storage of the sample"),
    _term("obtentionProcedure.procedureCode", "Procedure by which the sample was taken"),
    _term("phenotypicFeatures.featureType", "Phenotypic feature of the sample"),
    _term("measurements.assayCode", "Measured in the sample by assay"),
    _term("measurements.measurementValue", "Result of a measurement of the sample, as a class", everyday=False),
    _quantity(
        "measurements.measurementValue.quantity.value",
        "Value measured in the sample",
        "measurements",
        "assayCode",
        "measurementValue",
    ),
    _text("individualId", "Individual the sample is from", open=True),
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
    _text("individualId", "Individual the run is of", open=True),
    _text("biosampleId", "Sample the run is of", open=True),
    _date("runDate", "Date of the run"),
)

_ANALYSIS_FIELDS = (
    _text("pipelineName", "Pipeline"),
    _text("aligner", "Aligner"),
    _text("variantCaller", "Variant caller"),
    _text("individualId", "Individual the analysis is of", open=True),
    _text("biosampleId", "Sample the analysis is of", open=True),
    _date("analysisDate", "Date of the analysis"),
)

ZYGOSITY = "caseLevelData.zygosity"
"""Answered from genotypes rather than from an index."""

FREQUENCY = "alleleFrequency"
"""Allele count over allele number among the dataset's people, counted when asked, so not from an index either."""


def _name(id: str, label: str) -> Field:
    """Names that nearly every variant has, and no two the same."""
    return Field(id, FieldKind.TEXT, label, open=True, whole=True)


EFFECT = "molecularAttributes.molecularEffects"
HGVS = "identifiers.genomicHGVSId"
"""A name that most variants get only when they are written, so it is looked for as a short form."""
OTHER_IDS = "identifiers.variantAlternativeIds.id"
"""Names in other databases as files tell them, and SPDI and VRS ids, which are looked for as short forms too."""


def _interpretations(path: str, of: str) -> tuple[Field, ...]:
    """What clinical interpretations say, of a variant or of one person's."""
    return (
        _text(f"{path}.clinicalRelevance", f"Clinical relevance {of}"),
        _text(f"{path}.conditionId", f"Condition {of}, by id"),
        _term(f"{path}.effect", f"Condition or effect {of}"),
        _term(f"{path}.category", f"Category of the effect {of}", everyday=False),
    )


_VARIANT_FIELDS = (
    Field(
        ZYGOSITY,
        FieldKind.ONTOLOGY,
        "Zygosity",
        everyday=True,
        closed=frozenset(ZYGOSITIES),
        prefixes=frozenset({"GENO"}),
    ),
    _term("caseLevelData.alleleOrigin", "Origin of the allele in a person"),
    *_interpretations("caseLevelData.clinicalInterpretations", "of the variant in a person"),
    *_interpretations("caseLevelData.phenotypicEffects", "of the variant on a person"),
    _number(FREQUENCY, "Frequency of the allele in the dataset"),
    _text("molecularAttributes.geneIds", "Gene that the variant is annotated with", open=True),
    Field(EFFECT, FieldKind.ONTOLOGY, "Molecular effect", everyday=True, prefixes=frozenset({"SO", "ENSGLOSSARY"})),
    _name("molecularAttributes.aminoacidChanges", "Amino-acid change"),
    *_interpretations("variantLevelData.clinicalInterpretations", "of the variant"),
    *_interpretations("variantLevelData.phenotypicEffects", "of the variant, phenotypic"),
    _number("frequencyInPopulations.frequencies.alleleFrequency", "Frequency of the allele in another population"),
    _text("frequencyInPopulations.frequencies.population", "Population whose allele frequency is stated"),
    _text("frequencyInPopulations.source", "Source of an allele frequency"),
    _name(HGVS, "Genomic HGVS name"),
    _name("identifiers.transcriptHGVSIds", "HGVS name on a transcript"),
    _name("identifiers.proteinHGVSIds", "HGVS name on a protein"),
    _name("identifiers.clinvarVariantId", "ClinVar id"),
    _name(OTHER_IDS, "Id in another database"),
)

_DATASET_FIELDS = (
    _text("id", "Id of the dataset"),
    _text("name", "Name of the dataset"),
    Field(
        "dataUseConditions.duoDataUse", FieldKind.ONTOLOGY, "Condition of use", everyday=True,
        prefixes=frozenset({"DUO"}),
    ),
    _text("version", "Version of the dataset"),
    _date("createDateTime", "When the dataset was made"),
    _date("updateDateTime", "When the dataset was last changed"),
)  # fmt: skip

_COHORT_FIELDS = (
    _text("id", "Id of the cohort"),
    _text("name", "Name of the cohort"),
    _text("cohortType", "Type of the cohort"),
    _term("cohortDesign", "Design of the cohort"),
    _term("cohortDataTypes", "Type of data of the cohort"),
    _term("inclusionCriteria.diseaseConditions.diseaseCode", "Disease as a criterion of inclusion"),
    _term("inclusionCriteria.phenotypicConditions.featureType", "Phenotypic feature as a criterion of inclusion"),
    _term("inclusionCriteria.genders", "Sex as a criterion of inclusion"),
    _term("inclusionCriteria.ethnicities", "Ethnicity as a criterion of inclusion"),
    _term("inclusionCriteria.locations", "Location as a criterion of inclusion"),
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
        ("analysis", "biosample", "genomicVariant", "individual", "run", "cohort"), _DATASET_FIELDS,
        collection=True, contains=("individual", "biosample", "genomicVariant", "run", "analysis"),
        aliases=("datasets", "Dataset"),
    ),
    EntryType(
        "cohort", "cohorts", "Cohort", "People chosen by common criteria.",
        "ga4gh-beacon-cohort-v2.0.0", _schema("cohorts"), ("NCIT:C61512", "Cohort"),
        ("analysis", "biosample", "genomicVariant", "individual", "run", "dataset"), _COHORT_FIELDS,
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
CLOSED_PREFIXES: Mapping[str, str] = {
    prefix: row.id for row in _ROWS for field in row.fields for prefix in field.prefixes
}
"""Ontologies whose terms belong to one entry type alone, by prefix."""
FIELDS: Mapping[str, Mapping[str, Field]] = {
    row.id: {name: field for field in row.fields for name in (field.id, *field.aliases)} for row in _ROWS
}
"""Every entry type's fields, by all their names."""
FIELD_NAMES = frozenset(name for fields in FIELDS.values() for name in fields)

_NAMES = {name: row.id for row in _ROWS for name in (row.id, row.path, *row.aliases)}


def entry_type_id(name: str) -> str | None:
    """Return the entry type id for any spelling in use (``individuals``, ``g_variant``), or None."""
    return _NAMES.get(name)
