"""Which words a filter may be made of: ontology prefixes that this program knows of.

A term of a known ontology that nobody here has is an honest "no"; a prefix that nobody knows is an error,
so that a network can tell the two apart.
"""

from __future__ import annotations

import re

KNOWN_PREFIXES = frozenset({
    "ATC", "BTO", "CHEBI", "CL", "DECIPHER", "DOID", "DRUGBANK", "DrugCentral", "DUO", "ECTO", "EDAM", "EFO",
    "ENSGLOSSARY", "GAZ", "GENO", "GSSO", "HANCESTRO", "HGNC", "HP", "ICD10", "ICD10CM", "ICD11", "ICD9CM", "LNC",
    "LOINC", "MAXO", "MESH", "MONDO", "MP", "NCBIGene", "NCBITaxon", "NCIT", "OBA", "OBI", "OGMS", "OMIM", "OPCS4",
    "ORDO", "ORPHA", "Orphanet", "PATO", "PMID", "RXNORM", "SNOMED", "SNOMEDCT", "SO", "UBERON", "UCUM", "UMLS", "UO",
})  # fmt: skip
_CURIE = re.compile(r"(?P<prefix>\w[\w.\-]+):(?P<local>\S+)")


def prefix(term: str) -> str | None:
    """Return a CURIE's prefix, or None where the text is not a CURIE (prefix of two characters or more)."""
    match = _CURIE.fullmatch(term)
    return match["prefix"] if match else None
