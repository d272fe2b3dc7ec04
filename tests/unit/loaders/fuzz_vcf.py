"""Broken VCFs for the reader, made from whole ones: no crash, no hang, nothing but problems and records.

``make fuzz-vcf MINUTES=15`` runs this file for so long; ``make test`` runs a few hundred files of fixed seeds.
"""

from __future__ import annotations

import argparse
import faulthandler
import gzip
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pysam

from beacon.errors import LoadError
from loaders.report import Report
from loaders.vcf import check_vcf

MOST_SECONDS = 20.0
"""A file of some kilobytes that takes longer hangs."""

HEADER = (
    "##fileformat=VCFv4.3\n##fileDate=20240131\n##source=maker\n##reference=GRCh38\n"
    "##contig=<ID=chr1,length=248956422>\n##contig=<ID=chr2,length=242193529>\n"
    '##INFO=<ID=AF,Number=A,Type=Float,Description="f">\n##INFO=<ID=END,Number=1,Type=Integer,Description="e">\n'
    '##INFO=<ID=SVLEN,Number=.,Type=Integer,Description="l">\n##INFO=<ID=CHR2,Number=1,Type=String,Description="c">\n'
    '##INFO=<ID=CSQ,Number=.,Type=String,Description="Format: Allele|Consequence|SYMBOL|HGVSc|HGVSp|ALLELE_NUM">\n'
    "##INFO=<ID=ANN,Number=.,Type=String,Description=\"Functional annotations: 'Allele | Annotation | Gene_Name | "
    "Feature_ID | HGVS.c | HGVS.p'\">\n"
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="g">\n##FORMAT=<ID=DP,Number=1,Type=Integer,Description="d">\n'
    "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2\tS3\n"
)
GENOTYPES = ("0/0", "0|1", "1/1", "./.", ".", "1", "0/.", "1|2", "2/2", "0/1/1", "./1", "10/1", "/1", "0/1:12", ":", "")
USUAL = 7
"""So many of the genotypes fit every record with an ALT."""
ALTS = (
    "A", "C", "GA", "G,T", "*", "<DEL>", "<DUP:TANDEM>", "<INS:ME:ALU>", "<CN0>,<CN3>", "]chr2:321]G", "G[<ctg>:1[",
    ".", "G.", ".G", "<*>", "A,<NON_REF>", "N",
)  # fmt: skip
INFOS = (
    ".", "AF=0.1", "END=5000", "END=1;SVLEN=-7", "SVLEN=-50,3;CHR2=chr2", "AF=nan,1e999;END=x",
    "CSQ=A|missense_variant|X||p.|1,",
    "ANN=C|stop_gained&splice_region_variant|GENE|ENST1|c.5del|p.Val1=", ";;;=;", "AF", "SVLEN=" + "9" * 30,
)  # fmt: skip
PIECES = (b"\t", b"\n", b"\0", b":", b"/", b"|", b"\xff", b"\r", b"-1", b"9" * 40, b",", b"<", b"[", b"", b"##", b"#")


def whole(rng: random.Random) -> bytes:
    """Write a VCF that is in order, or nearly."""
    pos, lines = 1, []
    for _ in range(rng.randrange(30)):
        pos += rng.choice((0, 1, 1, 7, 400, 10**7)) if rng.random() < 0.99 else -1
        ref = rng.choice(("A", "G", "GAA", "ACGT", "N", "g"))
        usual = rng.random() < 0.9
        cells = [rng.choice(GENOTYPES[:USUAL] if usual else GENOTYPES) for _ in range(3)]
        parts = (
            rng.choice(("chr1",) * 40 + ("chr2",)),
            str(pos),
            rng.choice((".", "rs5;x")),
            ref,
            rng.choice(ALTS),
            ".",
            "PASS",
            rng.choice(INFOS),
        )
        lines.append("\t".join([*parts, rng.choice(("GT", "GT:DP", "DP:GT", "DP")), *cells]))
    return (HEADER + "".join(f"{line}\n" for line in lines)).encode()


def broken(rng: random.Random, data: bytes) -> bytes:
    """Damage it in some places: cut, doubled, replaced, or another piece put in."""
    for _ in range(rng.choice((0, 1, 1, 2, 5, 20))):
        at = rng.randrange(len(data) + 1)
        match rng.randrange(5):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + rng.choice(PIECES) + data[at + rng.randrange(3) :]
            case 2:
                data = data[:at] + bytes([rng.randrange(256)]) + data[at + 1 :]
            case 3:
                size = rng.randrange(200)
                data = data[:at] + data[at : at + size] * rng.randrange(4) + data[at + size :]
            case _:
                other = rng.randrange(len(data) + 1)
                data = data[:at] + data[other : other + 60] + data[at:]
    return data


def _plain(data: bytes, path: Path) -> None:
    path.write_bytes(data)


def _gzip(data: bytes, path: Path) -> None:
    path.write_bytes(gzip.compress(data, 1))


def _bgzf(data: bytes, path: Path) -> None:
    with pysam.BGZFile(str(path), "wb", None) as file:
        file.write(data)


PACKINGS: tuple[Callable[[bytes, Path], None], ...] = (_plain, _plain, _plain, _gzip, _bgzf)


def cases(seed: int, folder: Path) -> Iterator[tuple[int, Path]]:
    """Write one file after the other, each from a seed of its own, which tells it again; packed ones broken twice."""
    path = folder / "fuzz.vcf"
    while True:
        rng = random.Random(seed)
        rng.choice(PACKINGS)(broken(rng, whole(rng)), path)
        if rng.random() < 0.1:
            path.write_bytes(broken(rng, path.read_bytes()))
        yield seed, path
        seed += 1


def read(path: Path) -> Report:
    """Read one file as a check does; what is wrong with it is in the report, or is one clear sentence."""
    report = Report("fuzz", most=50)
    try:
        check_vcf(path, assembly="GRCh38", report=report)
    except LoadError as error:
        assert error.message, "an error without a sentence"
    assert all(problem.message and problem.rule for problem in report.problems)
    return report


def main() -> int:
    """Read broken files for some minutes; print what was seen, and the seed of whatever went wrong."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    end, slowest, found, records = time.monotonic() + 60 * options.minutes, 0.0, 0, 0
    number, rules = 0, set[str]()
    with tempfile.TemporaryDirectory() as folder:
        for seed, path in cases(options.seed, Path(folder)):
            number += 1
            faulthandler.dump_traceback_later(MOST_SECONDS, exit=True)
            begun = time.monotonic()
            try:
                report = read(path)
            except BaseException:
                print(f"seed {seed} breaks the reader", file=sys.stderr)
                raise
            slowest = max(slowest, time.monotonic() - begun)
            faulthandler.cancel_dump_traceback_later()
            found += len(report.problems)
            records += report.counts.get("record", 0)
            rules |= {problem.rule for problem in report.problems}
            if time.monotonic() > end:
                break
    print(
        f"{number:,} files from seed {options.seed}, {records:,} records, {found:,} problems under {len(rules)} rules; "
        f"the slowest took {slowest:.2f} s. No crash, no hang."
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
