"""From one phenopacket to Beacon records: an individual, its samples, and its variants."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

from loaders import elements, interpretations
from loaders.elements import Json, compact, term, terms
from loaders.groups import with_group
from loaders.interpretations import Case
from loaders.messages import Group

UNKNOWN = {"id": "NCIT:C17998", "label": "Unknown"}
SEXES: Mapping[str, Json] = {
    "FEMALE": {"id": "NCIT:C16576", "label": "female"},
    "MALE": {"id": "NCIT:C20197", "label": "male"},
    "UNKNOWN_SEX": {"id": "NCIT:C17998", "label": "unknown"},
    "OTHER_SEX": {"id": "NCIT:C17649", "label": "other"},
}
"""Beacon names the first three; the last is NCI Thesaurus' plain "Other", for it says no more than that."""

NameSample = Callable[[str, str], str]
"""(individual id, sample id as written) to the id that the sample has in the dataset."""


class SampleNames:
    """Gives samples ids that are their own in a dataset: the one written, or that with the person's id before it."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    def know(self, owners: Mapping[str, str]) -> None:
        """Learn whose samples are in the dataset already (sample id to individual id)."""
        for sample, individual_id in owners.items():
            self._owners.setdefault(sample, individual_id)

    def owner(self, sample: str) -> str:
        """Return whose the sample of this id is. Raises ``KeyError`` where it is nobody's."""
        return self._owners[sample]

    def name(self, individual_id: str, sample: str) -> str:
        """Return the id for a person's sample; the same for the same person and sample every time."""
        for candidate in _candidates(individual_id, sample):
            if self._owners.setdefault(candidate, individual_id) == individual_id:
                return candidate
        return self.name(individual_id, f"{individual_id}:{sample}")


def _candidates(individual_id: str, sample: str) -> tuple[str, str]:
    return sample, f"{individual_id}:{sample}"


def sample_ids(packet: Mapping[str, Any]) -> list[str]:
    """Return every id that a packet's samples may get; whoever has one already must be known before converting."""
    written = [sample["id"] for sample in packet.get("biosamples") or ()]
    derived = _derived_name(packet["id"], written)
    return [name for sample in (*written, derived) for name in _candidates(packet["id"], sample)]


@dataclass(frozen=True, slots=True)
class Converted:
    """One phenopacket as records. ``cases`` pairs each variant with the sample that it was found in.

    ``derived`` is the sample that stands for the person where variants are known but not from which sample.
    """

    individual: Json
    biosamples: tuple[Json, ...]
    derived: Json | None
    cases: tuple[tuple[str, Case], ...]

    @property
    def id(self) -> str:
        """The individual's id, which is the phenopacket's: subject ids repeat across publications."""
        return str(self.individual["id"])

    @property
    def samples(self) -> tuple[Json, ...]:
        """All samples, the derived one last."""
        return self.biosamples if self.derived is None else (*self.biosamples, self.derived)


def convert(packet: Mapping[str, Any], name_sample: NameSample, group: Group | None = None) -> Converted:
    """Convert a phenopacket that schema and checks accepted, with what its family or cohort says.

    Coordinates become 0-based half-open.
    """
    id = packet["id"]
    names = {sample["id"]: name_sample(id, sample["id"]) for sample in packet.get("biosamples") or ()}
    derived = None
    found = []
    for case in interpretations.cases(packet):
        sample = names.get(case.subject)
        if sample is None:
            derived = derived or derived_sample(id, name_sample(id, _derived_name(id, names)))
            sample = derived["id"]
        found.append((sample, case))
    samples = tuple(biosample(sample, id, names[sample["id"]]) for sample in packet.get("biosamples") or ())
    person = individual(packet)
    if group is not None:
        person = with_group(person, packet["subject"]["id"], group)
    return Converted(person, samples, derived, tuple(found))


def _derived_name(id: str, taken: Container[str]) -> str:
    name = f"{id}-sample"
    return name if name not in taken else f"{id}-derived-sample"


def individual(packet: Mapping[str, Any]) -> Json:
    """Return the Beacon individual of a phenopacket (default model ``individuals``, v2.0.0)."""
    subject = packet["subject"]
    diseases = packet.get("diseases") or ()
    actions = _actions(packet)
    return compact(
        {
            "id": packet["id"],
            "sex": SEXES[subject.get("sex", "UNKNOWN_SEX")],
            "karyotypicSex": subject.get("karyotypicSex"),
            "diseases": [elements.disease(row) for row in diseases if not row.get("excluded")] or None,
            "phenotypicFeatures": [elements.feature(row) for row in packet.get("phenotypicFeatures") or ()] or None,
            "measures": [elements.measurement(row) for row in packet.get("measurements") or ()] or None,
            "treatments": actions["treatments"] or None,
            "interventionsOrProcedures": actions["interventionsOrProcedures"] or None,
        },
        {
            "phenopacket": compact(
                {
                    "subjectId": subject["id"],
                    "alternateIds": subject.get("alternateIds") or None,
                    "dateOfBirth": subject.get("dateOfBirth"),
                    "gender": subject.get("gender"),
                    "taxonomy": subject.get("taxonomy"),
                }
            ),
            "timeAtLastEncounter": elements.time(subject.get("timeAtLastEncounter"))
            or subject.get("timeAtLastEncounter"),
            "vitalStatus": subject.get("vitalStatus"),
            "excludedDiseases": [_excluded(row) for row in diseases if row.get("excluded")] or None,
            "medicalActions": actions["medicalActions"] or None,
            "genes": interpretations.genes(packet) or None,
            "interpretations": _interpretations(packet) or None,
            "files": packet.get("files") or None,
            "metaData": _meta_data(packet["metaData"]),
        },
    )


def _excluded(disease: Mapping[str, Any]) -> Json:
    """Return a disease that the person has not; it is marked as that, so that it is found as excluded alone."""
    return elements.disease(disease) | {"excluded": True}


_ABOUT_ACTION = (
    "treatmentTarget", "treatmentIntent", "responseToTreatment", "adverseEvents", "treatmentTerminationReason",
)  # fmt: skip


def _actions(packet: Mapping[str, Any]) -> dict[str, list[Json]]:
    """Sort medical actions into Beacon's two lists; what has no code stays as it is."""
    sorted_actions: dict[str, list[Json]] = {"treatments": [], "interventionsOrProcedures": [], "medicalActions": []}
    for action in packet.get("medicalActions") or ():
        about = {name: action.get(name) for name in _ABOUT_ACTION}
        match action:
            case {"treatment": element}:
                sorted_actions["treatments"].append(elements.treatment(element, about))
            case {"procedure": element}:
                sorted_actions["interventionsOrProcedures"].append(elements.procedure(element, about))
            case {"radiationTherapy": element}:
                sorted_actions["interventionsOrProcedures"].append(elements.radiation(element, about))
            case {"therapeuticRegimen": element}:
                made = elements.regimen(element, about)
                sorted_actions["medicalActions" if made is None else "treatments"].append(made or action)
    return sorted_actions


def _interpretations(packet: Mapping[str, Any]) -> list[Json]:
    """What was concluded, without the variants: a diagnosis under work is no disease of the person yet."""
    return [
        compact(
            {
                "id": row["id"],
                "progressStatus": row.get("progressStatus"),
                "disease": term((row.get("diagnosis") or {}).get("disease")),
                "summary": row.get("summary"),
            }
        )
        for row in packet.get("interpretations") or ()
    ]


def _meta_data(meta: Mapping[str, Any]) -> Json:
    return compact(
        {
            "created": meta.get("created"),
            "createdBy": meta.get("createdBy"),
            "submittedBy": meta.get("submittedBy"),
            "externalReferences": [elements.external(row) for row in meta.get("externalReferences") or ()] or None,
            "updates": meta.get("updates") or None,
            "phenopacketSchemaVersion": meta.get("phenopacketSchemaVersion"),
            "resources": {row["namespacePrefix"]: row.get("version", "") for row in meta.get("resources") or ()}
            or None,
        }
    )


def biosample(sample: Mapping[str, Any], individual_id: str, id: str) -> Json:
    """Return the Beacon biosample of a phenopacket's (default model ``biosamples``, v2.0.0).

    Status and origin, which Beacon requires, are the packet's ``materialSample`` and ``sampleType``, else unknown.
    """
    collected = sample.get("timeOfCollection")
    age = (elements.time(collected) or {}).get("iso8601duration")
    return compact(
        {
            "id": id,
            "individualId": individual_id,
            "biosampleStatus": term(sample.get("materialSample")) or UNKNOWN,
            "sampleOriginType": term(sample.get("sampleType")) or UNKNOWN,
            "sampleOriginDetail": term(sample.get("sampledTissue")),
            "collectionMoment": age,
            "collectionDate": elements.date(collected),
            "obtentionProcedure": elements.procedure(sample["procedure"]) if "procedure" in sample else None,
            "phenotypicFeatures": [elements.feature(row) for row in sample.get("phenotypicFeatures") or ()] or None,
            "measurements": [elements.measurement(row) for row in sample.get("measurements") or ()] or None,
            "pathologicalTnmFinding": terms(sample.get("pathologicalTnmFinding")),
            "diagnosticMarkers": terms(sample.get("diagnosticMarkers")),
            "notes": sample.get("description"),
        }
        | {name: term(sample.get(name)) for name in _SAMPLE_TERMS},
        {
            "phenopacket": compact(
                {
                    "biosampleId": sample["id"] if sample["id"] != id else None,
                    "individualId": sample.get("individualId"),
                    "derivedFromId": sample.get("derivedFromId"),
                    "taxonomy": sample.get("taxonomy"),
                }
            )
            or None,
            "timeOfCollection": None if age else collected,
            "files": sample.get("files") or None,
        },
    )


_SAMPLE_TERMS = (
    "histologicalDiagnosis", "tumorProgression", "tumorGrade", "pathologicalStage", "sampleProcessing", "sampleStorage",
)  # fmt: skip


def derived_sample(individual_id: str, id: str) -> Json:
    """Return the sample that stands for a person whose variants are known but not from which sample."""
    return {
        "id": id,
        "individualId": individual_id,
        "biosampleStatus": UNKNOWN,
        "sampleOriginType": UNKNOWN,
        "info": {"derived": True},
    }
