"""What can go wrong on purpose; `netboot_site/api.py` maps each to one HTTP status.

The message is a sentence for the person who reads it: what happened, to which device or image, what to do.
It never holds a server path or a secret.
"""


class OrchestratorError(Exception):
    """Something we refuse or cannot do, told in one sentence."""


class ValidationError(OrchestratorError):
    """The input cannot be right (422)."""


class NotFoundError(OrchestratorError):
    """There is no such thing (404)."""


class ConflictError(OrchestratorError):
    """Right in itself, but not in the present state (409)."""


class OutdatedError(OrchestratorError):
    """Somebody else was faster: what the change was made from is no longer so (412)."""


class UnavailableError(OrchestratorError):
    """A daemon or a resource does not answer now; trying again later may work (503)."""
