from __future__ import annotations

import io
import json
import re

from loaders.formats import FORMATS
from loaders.report import KEPT, Problem, Progress, Report, Severity, Share


def problem(number: int = 0, rule: str = "term-label", severity: Severity = Severity.WARNING) -> Problem:
    return Problem("cases.jsonl", number, "/diseases/0", rule, severity, "Something is odd.", "odd", "Look at it.")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_report_with_an_error_ends_with_a_code_that_is_not_zero() -> None:
    report = Report("cases")
    report.add(problem())
    assert report.exit_code == 0
    report.add(problem(severity=Severity.ERROR))
    assert report.exit_code == 1
    assert (report.errors, report.warnings) == (1, 1)


def test_the_summary_gives_counts_then_errors_then_warnings_with_a_few_examples_each() -> None:
    report = Report("cases", outcome="Loaded into dataset cases:")
    report.count("individual", 2016)
    report.count("analysis", 1)
    for number in range(5):
        report.add(problem(number))
    report.add(problem(9, "vcf-assembly", Severity.ERROR))
    report.ahead = "Next: skerry serve"
    assert report.render().splitlines() == [
        "Loaded into dataset cases:",
        "      2,016  individuals",
        "          1  analysis",
        "1 error: vcf-assembly",
        "    cases.jsonl:9 /diseases/0: Something is odd. Look at it.",
        "5 warnings: term-label",
        "    cases.jsonl:0 /diseases/0: Something is odd. Look at it.",
        "    cases.jsonl:1 /diseases/0: Something is odd. Look at it.",
        "    cases.jsonl:2 /diseases/0: Something is odd. Look at it.",
        "    ... and 2 more",
        "Next: skerry serve",
    ]


def test_problems_beyond_what_is_kept_are_still_counted() -> None:
    report = Report("cases")
    for _ in range(KEPT + 5):
        report.add(problem())
    assert len(report.problems) == KEPT
    assert report.warnings == KEPT + 5
    assert f"and {KEPT + 2:,} more" in report.render()


def test_the_report_can_be_read_by_programs() -> None:
    report = Report("cases", counts={"individual": 1}, outcome="Loaded.")
    report.add(problem(3))
    found = json.loads(json.dumps(report.to_json()))
    assert found["warnings"] == 1
    assert found["rules"] == [{"rule": "term-label", "severity": "warning", "count": 1}]
    assert found["problems"][0]["line"] == 3


def test_a_terminal_gets_the_same_words() -> None:
    report = Report("cases", outcome="Loaded [1] into cases:")
    report.add(problem())
    plain, terminal = io.StringIO(), Terminal()
    report.show(plain)
    report.show(terminal)
    assert plain.getvalue() == report.render() + "\n"
    assert "Loaded [1] into cases:" in terminal.getvalue()


def test_what_files_hold_and_are_called_controls_no_terminal_and_programs_get_it_as_it_is() -> None:
    evil = "\x1b[2J\x9b\n1 error: none\u202e\u2028\udcff"
    report = Report("cases", outcome=f"Loaded {evil}.")
    report.add(Problem(evil, 1, evil, "term-label", Severity.WARNING, evil, evil, evil))
    report.ahead = "Next:\n  skerry serve"
    plain, terminal = io.StringIO(), Terminal()
    report.show(plain)
    report.show(terminal)
    assert [line.isprintable() for line in plain.getvalue().splitlines()] == [True] * 5
    assert "\\x1b[2J\\x9b\\n1 error: none\\u202e\\u2028\\udcff" in plain.getvalue()
    assert not {"\x9b", "\u202e", "\u2028", "\udcff"} & set(terminal.getvalue())
    assert json.loads(FORMATS["json"](report))["problems"][0]["message"] == evil


def test_progress_is_lines_in_a_log_a_bar_on_a_terminal_and_nothing_where_quiet() -> None:
    log, terminal, nothing = io.StringIO(), Terminal(), io.StringIO()
    for progress in (Progress(log, every=0), Progress(terminal), Progress(nothing, quiet=True)):
        with progress.task("Reading", 3, "document") as advance:
            advance(1)
            advance(2)
    lines = log.getvalue().splitlines()
    assert lines[0].startswith("Reading: 1 of 3 documents, ")
    assert lines[-1].startswith("Reading: 3 of 3 documents in ")
    assert "Reading" in terminal.getvalue()
    assert nothing.getvalue() == ""


def test_progress_tells_rate_and_time_left_also_where_only_the_share_that_was_read_is_known() -> None:
    for total, share in ((8, None), (None, Share(0.25))):
        log, terminal = io.StringIO(), Terminal()
        for stream in (log, terminal):
            with Progress(stream, every=0).task("Reading", total, share=share) as advance:
                advance(2)
        assert re.search(r"Reading: 2( of 8)? records, [\d,]+ a second, \d+ s left", log.getvalue())
        assert re.search(r"2( of 8)? records, [\d,]+ a second, \d+ s left", terminal.getvalue())


def test_progress_without_a_known_total_only_counts() -> None:
    log = io.StringIO()
    with Progress(log, every=0).task("Reading") as advance:
        advance(1200)
    assert log.getvalue().splitlines()[0].startswith("Reading: 1,200 records, ")
