"""What records consist of, by entry type: the names that a custodian may withhold, and where what they mean lies.

The members are those of the default models of Beacon v2.1; what else is known of a record lies in its ``info``.
"""

from __future__ import annotations

from collections.abc import Mapping

from beacon.model.entry_types import FIELDS

MEMBERS: Mapping[str, frozenset[str]] = {
    kind: frozenset(names.split())
    for kind, names in {
        "individual": """diseases ethnicity exposures geographicOrigin info interventionsOrProcedures karyotypicSex
            measures pedigrees phenotypicFeatures sex treatments""",
        "biosample": """biosampleStatus collectionDate collectionMoment diagnosticMarkers histologicalDiagnosis
            individualId info measurements notes obtentionProcedure pathologicalStage pathologicalTnmFinding
            phenotypicFeatures sampleOriginDetail sampleOriginType sampleProcessing sampleStorage tumorGrade
            tumorProgression""",
        "run": """biosampleId individualId info libraryLayout librarySelection librarySource libraryStrategy platform
            platformModel runDate""",
        "analysis": """aligner analysisDate biosampleId individualId info pipelineName pipelineRef runId
            variantCaller""",
        "genomicVariant": """caseLevelData frequencyInPopulations identifiers info molecularAttributes
            variantLevelData""",
        "dataset": "createDateTime dataUseConditions description externalUrl info name updateDateTime version",
        "cohort": """cohortDataTypes cohortDesign cohortSize cohortType collectionEvents exclusionCriteria
            inclusionCriteria info name""",
    }.items()
}
"""All but ids, and what says which variant it is: without these a record is none."""

_BESIDE: Mapping[tuple[str, str], tuple[str, ...]] = {
    ("genomicVariant", "caseLevelData"): ("info.genotypes", "info.caseLevelTotal", "info.caseLevelIndividuals"),
}
"""What this program says elsewhere of the same thing."""


def is_property(kind: str, name: str) -> bool:
    """Whether a dotted name is that of a property of records of an entry type, or of one of its fields."""
    return name in FIELDS[kind] or name.partition(".")[0] in MEMBERS[kind]


def paths(kind: str, name: str) -> frozenset[str]:
    """Return the dotted paths at which a property, and all that is within it, lies in a record.

    A field of ours is named otherwise than what it is read from (``vitalStatus``), and some lie in two places.
    """
    fields = {field for id, field in FIELDS[kind].items() if f"{id}.".startswith(f"{name}.")}
    return frozenset({name, *_BESIDE.get((kind, name), ())}.union(*(field.sources for field in fields)))
