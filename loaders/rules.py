"""Every rule that input is checked with: its id, how bad it is to break it, and what it means.

The ids are for programs and do not change their meaning; ``docs/curating.md`` lists the same table, and a test
compares the two. An error sets a record (or, for a VCF that cannot be read on, the file) aside, because loading it
would make an answer wrong; a warning is about something that a curator should look at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from loaders.report import Severity

ERROR, WARNING = Severity.ERROR, Severity.WARNING


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule."""

    severity: Severity
    meaning: str


_ROWS: tuple[tuple[str, Severity, str], ...] = (
    ("file-unreadable", ERROR, "The file is not there or may not be read."),
    ("file-kind", ERROR, "The file is of no kind that can be read."),
    ("file-damaged", ERROR, "The file or archive is cut short or damaged."),
    ("file-packed", ERROR, "A member of an archive has a password or an unknown compression."),
    ("file-too-large", ERROR, "The document is too large to be a phenopacket."),
    ("nothing-found", ERROR, "There was no document at all."),
    ("record-vanished", WARNING, "An earlier load of these files brought it, and this one does not have it."),
    ("vcf-part-vanished", WARNING, "A corrected file has nothing on a chromosome where the earlier one had something."),
    ("vcf-replaced", WARNING, "An earlier load gives way to this file, by its name or folder, or as was said."),
    ("vcf-replaces-nothing", WARNING, "The dataset shows nothing of a load that is to be replaced."),
    ("json-invalid", ERROR, "This is not JSON."),
    ("json-key-repeated", ERROR, "An object has a key twice, so that one of its values would be lost."),
    ("json-empty", ERROR, "There is nothing in the document."),
    ("schema", ERROR, "The document does not have the form of the standard."),
    ("table-mapping", ERROR, "The file that says what columns mean is wrong; nothing of the tables is read."),
    ("table-column", ERROR, "A table has not the column that is named; nothing of the tables is read further."),
    ("table-row", ERROR, "A row of a table cannot be read; nothing of the tables is read further."),
    ("table-value", ERROR, "A cell does not say what its column is for; that person is set aside."),
    ("table-repeated", ERROR, "A person has two rows among the individuals; the first one counts."),
    ("table-person", ERROR, "A row is about somebody who is not among the individuals."),
    ("packet-list", ERROR, "A list of phenopackets where one is expected."),
    ("packet-version", ERROR, "A phenopacket of version 1."),
    ("packet-id-taken", ERROR, "Another phenopacket of this load has the id, with other content; that one is loaded."),
    ("packet-repeated", WARNING, "The very same phenopacket was there before; it is loaded once."),
    ("term-swapped", WARNING, "A term's id and label were exchanged; they are taken the right way round."),
    ("term-not-curie", WARNING, "A modifier's id is no CURIE; it is kept, but cannot be searched for."),
    ("term-unknown", WARNING, "The ontology in use does not have this term; it is kept, without ancestors."),
    ("term-obsolete", WARNING, "The term is obsolete; where it was replaced it counts as its replacement too."),
    ("term-label-missing", WARNING, "A term has no label."),
    ("term-label", WARNING, "A term's label is not the ontology's, often an older name of it."),
    ("resource-missing", WARNING, "A prefix in use is not among the resources of the meta data."),
    ("date-impossible", ERROR, "A point in time lies on a day that no calendar has."),
    ("date-future", WARNING, "A point in time lies in the future."),
    ("date-before-birth", WARNING, "A point in time lies before the birth of the subject."),
    ("age-impossible", ERROR, "An age, or another time since birth, is more than 150 years."),
    ("age-gestation", WARNING, "A gestational age has more than 6 days beside its weeks."),
    ("time-reversed", ERROR, "An age range or interval ends before it begins."),
    ("time-order", WARNING, "Something was resolved before it began."),
    ("time-after-last", WARNING, "Something began after the last encounter."),
    ("range-reversed", WARNING, "A reference range has its limits exchanged; it is left out."),
    ("feature-contradiction", ERROR, "A feature is observed and excluded, with the same onset and modifiers."),
    ("feature-both", WARNING, "A feature is observed and excluded, with different onset or modifiers."),
    ("feature-excluded-ancestor", WARNING, "A feature is observed although a more general one is excluded."),
    ("feature-repeated", WARNING, "A feature is listed twice with the same onset and modifiers."),
    ("biosample-repeated", ERROR, "Two samples of one phenopacket have the same id."),
    ("biosample-id-taken", WARNING, "Another person's sample has this id; this one gets the person's before its own."),
    ("biosample-individual", WARNING, "A sample names another individual than the phenopacket's subject."),
    ("pedigree-person", WARNING, "A member of a family is no person of its pedigree."),
    ("pedigree-parent", WARNING, "A parent is no person of the pedigree."),
    ("pedigree-sex", WARNING, "A mother is male, or a father female."),
    ("pedigree-cycle", ERROR, "A person of a pedigree descends from themselves."),
    ("interpretation-subject", WARNING, "A variant belongs to nobody in the phenopacket; it is the subject's."),
    ("vcf-assembly", ERROR, "The assembly is not known, or not the one that the chromosome's accession belongs to."),
    ("vcf-beyond-end", ERROR, "The position lies beyond the end of the chromosome."),
    ("vcf-no-allele", ERROR, "The alternate allele is none, or the same as the reference."),
    ("vcf-symbolic", WARNING, "A symbolic allele is written without angle brackets; `DEL` is taken as `<DEL>`."),
    ("vcf-hgvs", WARNING, "The VCF record and the genomic HGVS name different alleles; the VCF record counts."),
    ("vcf-header", ERROR, "The header of a VCF cannot be understood; the file is refused."),
    ("vcf-order", ERROR, "The records are not sorted by contig and position; the file is refused."),
    ("vcf-blank", ERROR, "A line between others is empty, so something may be missing."),
    ("vcf-columns", ERROR, "A record has another number of columns than the header."),
    ("vcf-encoding", ERROR, "A record is not in UTF-8."),
    ("vcf-contig", ERROR, "CHROM is not among the header's contigs."),
    ("vcf-contig-length", WARNING, "The header gives a contig another length than it has in the assembly."),
    ("vcf-contig-unknown", WARNING, "A contig has the length of a chromosome, but no name that is known for it."),
    ("vcf-pos", ERROR, "POS is no position of its contig."),
    ("vcf-ref", ERROR, "REF is not written in bases."),
    ("vcf-alt", ERROR, "ALT is no allele, or the same as REF."),
    ("vcf-qual", ERROR, "QUAL is no number."),
    ("vcf-info", ERROR, "END or SVLEN is no whole number."),
    ("vcf-end", ERROR, "END lies before POS, of an allele that reaches from POS to END."),
    ("vcf-extent", WARNING, "SVLEN is not the length from POS to END; END is taken."),
    ("vcf-genotype", ERROR, "A sample's genotype cannot be read, or names an allele that the record does not have."),
    ("vcf-allele-twice", WARNING, "Two records have the same allele; their calls are united."),
    ("vcf-ref-mismatch", ERROR, "REF is not what the reference sequence has there."),
    ("vcf-no-sequence", WARNING, "The FASTA lacks a chromosome of the file."),
    ("vcf-sample-owner", ERROR, "A table or rule gives a sample to somebody else than the dataset does; refused."),
    ("vcf-sample-unmatched", WARNING, "A sample's individual is not in the dataset, or not in the table."),
    ("vcf-sample-absent", WARNING, "The table names a sample that the file does not have."),
    ("bff-file", ERROR, "A Beacon file is not named after an entry type; in a folder it is left alone."),
    ("bff-record", ERROR, "A Beacon file has something in its list that is no record."),
    ("bff-shape", WARNING, "A member is not as Beacon's model has it; it is kept under `info.bff`, out of the way."),
    ("bff-required", ERROR, "A record lacks what Beacon's model demands of it."),
    ("bff-id-taken", ERROR, "Another record of this kind has the id, with other content; that one is loaded."),
    ("bff-repeated", WARNING, "The very same record was there before; it is loaded once."),
    ("bff-of-nobody", ERROR, "A run or an analysis names neither a sample nor an individual."),
    ("bff-sample-owner", WARNING, "A sample names no individual; it is taken as one of the person of its own name."),
    ("bff-sample-taken", ERROR, "A record gives a sample to somebody else than the dataset or the files do."),
    ("bff-of-many", WARNING, "A run or an analysis is of several samples; it becomes one of each of them."),
    ("bff-targets", ERROR, "The file of targets lists no samples."),
    ("bff-cohort-members", WARNING, "A cohort lists no members, or members whom nobody knows."),
    ("bff-cohort-size", WARNING, "A cohort has another number of members here than the file says."),
    ("bff-elsewhere", WARNING, "A load of other files brought these people too; what it has beside them stays."),
    ("bff-datasets", WARNING, "The files describe more than one dataset, so that none of it is taken over."),
    ("bff-data-use", WARNING, "A dataset's conditions of use are not those of its policy, which no file changes."),
    ("bff-variation", ERROR, "Nobody can tell which variant is meant."),
    ("bff-sequence", ERROR, "A variant names no chromosome, or two."),
    ("bff-assembly", ERROR, "Nothing tells a variant's assembly, or what tells disagrees."),
    ("bff-position", ERROR, "A variant's start or end is no position."),
    ("bff-case", ERROR, "An entry of case-level data names no sample, or has no genotype."),
    ("bff-extension", ERROR, "What an export left in `info.skerry` was changed and cannot be read."),
)  # fmt: skip

RULES: Mapping[str, Rule] = {id: Rule(severity, meaning) for id, severity, meaning in _ROWS}
"""All rules by id, in the order of the documentation."""


def about(rule: str) -> Rule:
    """Return the rule of an id. ``schema-KEYWORD`` is the rule ``schema``, broken in the way the keyword says."""
    return RULES["schema" if rule.startswith("schema-") else rule]
