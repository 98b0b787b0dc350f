#!/bin/bash
# make check: everything that can be judged without starting a service. Runs all of it, then tells what failed.
set -uo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."
bin=.venv/bin
failed=()

# The deployment check looks at settings as they are in service: with a key that was made for it.
export SECRET_KEY=${SECRET_KEY:-"a key for the checks alone, long enough and with signs of many kinds: 0123456789"}

step() {
    local name=$1 output
    shift
    if output=$("$@" 2>&1); then
        echo "ok      $name"
    else
        echo "FAILED  $name"
        echo "$output" | sed 's/^/        /'
        failed+=("$name")
    fi
}

templates() {
    local files
    mapfile -t files < <(git ls-files 'templates/*.html')
    if [ "${#files[@]}" -gt 0 ]; then "$bin/djade" --target-version 5.2 --check "${files[@]}"; fi
}

step "format" "$bin/ruff" format --check .
step "lint" "$bin/ruff" check .
step "types" "$bin/mypy"
step "import contracts" "$bin/lint-imports"
step "templates" templates
step "migrations" "$bin/python" manage.py makemigrations --check --dry-run
step "deployment" "$bin/python" manage.py check --deploy --fail-level WARNING
[ "${#failed[@]}" = 0 ] || { echo "failed: ${failed[*]}" >&2; exit 1; }
