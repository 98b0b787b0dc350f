"""What kind of reason stands behind a boot's sentence: the sentences hold names and times, a kind does not.

A row's kind is a generated column (Boot.cause): whoever writes a reason, it is never wrong or forgotten.
A new sentence of a judge gets its words here, and a migration that makes the column anew.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cause:
    """A kind of reason: its key, what a person calls it, and words of which its sentences hold one."""

    key: str
    label: str
    words: tuple[str, ...]


OTHER = "other"
# The first that fits: what is more special stands before what is more general.
CAUSES = (
    Cause("waits-approval", "Not approved", ("to be approved", "Nobody approved", "not enrolled")),
    Cause("identity", "Identity not proved", ("identity could not", "be known by its address")),
    Cause("waits-disk", "Its disk was not ready", ("aits for its disk", "it waited for its disk")),
    Cause("waits-files", "Its boot files were not ready", ("for its boot files",)),
    Cause("disabled", "Disabled", ("is disabled", "disabled device")),
    Cause("no-disk", "Nothing is assigned", ("No disk is assigned",)),
    Cause("chosen", "Chosen for this boot", ("This boot was set to", "local disk was chosen")),
    Cause("installer-runs", "The installer runs", ("files were fetched; it runs",)),
    Cause("restarted", "Told to restart into its own files", ("was told to restart into",)),
    Cause("own-folder", "Firmware does not find its folder", ("told to restart, and came back",)),
    Cause("powered-again", "Powered on again on the way", ("Powered on again",)),
    Cause("no-address", "No address to offer", ("check DHCP_RANGE",)),
    Cause("other-dhcp", "Another DHCP server was faster", ("an address was offered and not taken",)),
    Cause("no-tftp", "No file was asked for by TFTP", ("no file was asked for by TFTP",)),
    Cause(
        "broken-transfer", "A transfer broke off",
        ("did not arrive whole", "TFTP transfer was begun", "its firmware went no further", "it fetched "),
    ),
    Cause(
        "no-http", "HTTP was not reached",
        ("no script was asked for", "no script asked for", "did not ask for it within", "did not fetch it"),
    ),
    Cause("no-login", "No login at its disk", ("no login at the iSCSI",)),
    Cause(
        "no-takeover", "The operating system did not take its disk",
        ("no operating system", "before an operating system", "neither checked in nor logged in"),
    ),
    Cause("kernel-silent", "The kernel was not heard of", ("nothing was heard of it",)),
    Cause(
        "missing-file", "A boot file is missing",
        ("not there", "is not among the boot files", "asked for its boot files by TFTP and got none"),
    ),
    Cause("disk-refused", "The disk did not boot", ("The disk did not boot", "could not boot its disk")),
    Cause(
        "installer", "The installer did not start",
        ("installer did not start", "installer could not", "told to start the installer", "The installer "),
    ),
    Cause("silent", "Nothing was heard after its script", ("nothing was heard after it",)),
)  # fmt: skip
LABELS = {**{cause.key: cause.label for cause in CAUSES}, OTHER: "Another reason"}


def cause_of(reason: str) -> str:
    """The key of a sentence's kind; empty where there is no sentence. The generated column says the same."""
    if not reason:
        return ""
    return next((cause.key for cause in CAUSES if any(word in reason for word in cause.words)), OTHER)
