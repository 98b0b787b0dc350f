#!/bin/bash
# make lock: writes requirements.lock and requirements-dev.lock from pyproject.toml, with hashes, without any address.
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
uv=$(command -v uv || true)
if [ -z "$uv" ]; then
    tools=$(mktemp -d)
    trap 'rm -rf "$tools"' EXIT
    /usr/bin/python3 -m venv "$tools"
    "$tools/bin/pip" install --quiet uv
    uv=$tools/bin/uv
fi
options=(--quiet --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header)
"$uv" pip compile "${options[@]}" pyproject.toml -o requirements.lock
"$uv" pip compile "${options[@]}" --extra dev pyproject.toml -o requirements-dev.lock
