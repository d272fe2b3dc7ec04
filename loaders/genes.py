"""Loading a table of genes: GFF3 or GTF as Ensembl, GENCODE and NCBI publish it, plain or packed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from beacon.errors import LoadError
from beacon.model import genome
from beacon.model.genome import Gene, Place
from beacon.store.admin import Admin
from loaders.files import lines
from loaders.words import counted, visible

Attributes = dict[str, str]

_GTF = re.compile(r'(\w+) "([^"]*)"')
_VERSION = re.compile(r"##description:.*\bversion (\S+)|#!genebuild-last-updated (\S+)|#!annotation-source (.+)")
_HGNC = re.compile(r"HGNC:(\d+)")
_ENSEMBL = re.compile(r"(ENS[A-Z]*G\d+)(?:\.\d+)?(?:_PAR_Y)?")
_SYMBOLS = ("gene_name", "gene", "Name")
_ABOUT_HGNC = ("hgnc_id", "Dbxref", "db_xref", "description")


@dataclass(frozen=True, slots=True)
class GeneReport:
    """What came of loading a table: genes on chromosomes, genes elsewhere that were left out, names."""

    assembly: str
    genes: int
    elsewhere: int
    names: int
    version: str | None = None

    def render(self) -> str:
        """Return the report as text for a terminal."""
        left = f" Left out: {counted(self.elsewhere, 'gene')} on other sequences." if self.elsewhere else ""
        release = f" (version {self.version})" if self.version else ""
        genes, names = counted(self.genes, "gene"), counted(self.names, "name")
        return visible(f"{genes} of {self.assembly}{release} loaded, under {names}.{left}")


def load_genes(admin: Admin, path: Path, assembly: str) -> GeneReport:
    """Make a file's genes the assembly's table of genes, in place of the one that was there.

    Raises ``LoadError`` for a file that is neither GFF3 nor GTF, has no genes, or is of another assembly.
    """
    known = genome.assembly_name(assembly)
    if known is None:
        raise LoadError(f"the assembly {assembly!r} is not known here; known are {', '.join(genome.ASSEMBLIES)}")
    found, elsewhere = [], 0
    for gene in genes(path, known):
        if gene.places[0].chrom in genome.CHROMOSOMES:
            found.append(gene)
        else:
            elsewhere += 1
    if not found:
        raise LoadError(
            f"{path} has no gene on a chromosome of {known}; it takes GFF3 or GTF with lines of type gene",
            where=str(path),
        )
    version = table_version(path)
    names = admin.store_genes(known, found, {"file": path.name, "version": version, "genes": len(found)})
    return GeneReport(known, len(found), elsewhere, names, version)


def table_version(path: Path) -> str | None:
    """Return the version that the comments before the first line tell, as GENCODE, Ensembl and NCBI write it."""
    for _, line in lines(path):
        if not line.startswith("#"):
            break
        if match := _VERSION.match(line):
            return str(next(filter(None, match.groups())))
    return None


def genes(path: Path, assembly: str) -> Iterator[Gene]:
    """Yield every gene of a GFF3 or GTF file, with one place. Raises ``LoadError`` that names the line."""
    read: Callable[[str], Attributes] | None = None
    for number, line in lines(path):
        if line == "##FASTA":
            return
        if not line or line.startswith("#"):
            continue
        columns = line.split("\t")
        if len(columns) != 9:
            raise _wrong(path, number, f"the line has {counted(len(columns), 'column')}, but GFF3 and GTF have 9")
        kind = columns[2]
        if kind not in ("gene", "pseudogene") and not kind.endswith("_gene"):
            continue
        read = read or (_gtf if _GTF.match(columns[8].lstrip()) else _gff3)
        names = _names(read(columns[8]))
        if names:
            yield Gene(names, (_place(path, number, columns, assembly),))


def _place(path: Path, number: int, columns: list[str], assembly: str) -> Place:
    told = genome.named_by(columns[0])
    if told is not None and told[0] not in (None, assembly):
        raise _wrong(path, number, f"{columns[0]} belongs to {told[0]}, not to {assembly}")
    chrom = genome.chromosome(columns[0])
    if not (columns[3].isdecimal() and columns[4].isdecimal() and 0 < int(columns[3]) <= int(columns[4])):
        raise _wrong(path, number, f"{columns[3]!r} to {columns[4]!r} are no positions")
    start, end = int(columns[3]) - 1, int(columns[4])
    length = genome.ASSEMBLIES[assembly].lengths.get(chrom)
    if length is not None and end > length:
        raise _wrong(path, number, f"{end} lies beyond the end of chromosome {chrom}; is this the right assembly?")
    return Place(assembly, chrom, start, end)


def _names(attributes: Attributes) -> frozenset[str]:
    """Return a gene's symbol, HGNC id and stable id without version, those that it has."""
    symbol = next((attributes[name] for name in _SYMBOLS if attributes.get(name)), "")
    id = attributes.get("gene_id", "")
    stable = match[1] if (match := _ENSEMBL.fullmatch(id)) else "" if symbol else id
    hgnc = next((f"HGNC:{found[1]}" for key in _ABOUT_HGNC if (found := _HGNC.search(attributes.get(key, "")))), "")
    return frozenset(name for name in (symbol, stable, hgnc) if name)


def _gff3(text: str) -> Attributes:
    pairs = (part.strip().partition("=") for part in text.split(";"))
    return {key: unquote(value) for key, _, value in pairs if value}


def _gtf(text: str) -> Attributes:
    found: Attributes = {}
    for key, value in _GTF.findall(text):
        found[key] = f"{found[key]},{value}" if key in found else value
    return found


def _wrong(path: Path, number: int, message: str) -> LoadError:
    return LoadError(f"{path}:{number}: {message}", where=f"{path}:{number}")
