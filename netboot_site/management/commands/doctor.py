"""`manage.py doctor`: check the installation from a shell, also while its database is down."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from netboot_site.doctor.examination import Report, examine
from netboot_site.doctor.findings import GROUPS, Finding, State
from netboot_site.doctor.told import doctor_out

_SIGNS = {State.GOOD: "ok", State.WARNING: "WARNING", State.BAD: "BAD", State.UNKNOWN: "unknown"}
_SIGN_WIDTH = 9


class Command(BaseCommand):
    """Look at everything; exit code 0 where nothing is amiss, else 1."""

    help = "Check the installation: what is wrong, why it matters, and the command that mends it."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """For programs, too."""
        parser.add_argument("--json", action="store_true", help="Print what GET /api/v1/doctor answers.")

    def handle(self, *args: Any, **options: Any) -> None:
        """As root it asks on the boot network's wire itself, too."""
        report = examine(ask_wire=True)
        if options["json"]:
            self.stdout.write(doctor_out(report).model_dump_json(indent=2))
        else:
            self._print(report)
        if report.state != State.GOOD:
            sys.exit(1)

    def _print(self, report: Report) -> None:
        for group in GROUPS:
            findings = [finding for finding in report.findings if finding.group == group]
            if findings:
                self.stdout.write(self.style.MIGRATE_HEADING(group))
            for finding in findings:
                self._print_finding(finding)
        counts = ", ".join(f"{report.count(state)} {state}" for state in State if report.count(state))
        self.stdout.write(f"{counts}; looked for {report.seconds:.1f} s.")

    def _print_finding(self, finding: Finding) -> None:
        sign = self._coloured(finding.state, f"{_SIGNS[finding.state]:<{_SIGN_WIDTH}}")
        self.stdout.write(f"  {sign} {finding.title}: {finding.what}")
        if finding.state != State.GOOD:
            self.stdout.write(f"  {'':<{_SIGN_WIDTH}} {finding.why}")
            self.stdout.write(f"  {'':<{_SIGN_WIDTH}} $ {finding.command}")

    def _coloured(self, state: State, text: str) -> str:
        styles = {
            State.GOOD: self.style.SUCCESS, State.WARNING: self.style.WARNING,
            State.BAD: self.style.ERROR, State.UNKNOWN: self.style.NOTICE,
        }  # fmt: skip
        return str(styles[state](text))
