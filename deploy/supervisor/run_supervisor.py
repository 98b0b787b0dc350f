"""Runs supervisord, then ends what serves layers, as: run_supervisor.py LAYERS_RUN_PATH -c CONFIGURATION

Those processes outlive workers and tgtd on purpose. Should `make up` be killed, nobody but us is left who
could end them when everything else has stopped.
"""

from __future__ import annotations

import sys
from pathlib import Path

from supervisor import supervisord

PROJECT = Path(__file__).resolve().parents[2]


def main() -> None:
    """Supervisor's own command line, without its first word."""
    layers = Path(sys.argv.pop(1))
    try:
        supervisord.main()
    finally:
        sys.path.insert(0, str(PROJECT))
        # Only now: it takes memory that supervisor does not need for all its life.
        from images.qemu_serving import clear_all

        clear_all(layers)


if __name__ == "__main__":
    main()
