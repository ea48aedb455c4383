#!/usr/bin/env bash
# The whole job in one command: make a private environment, then train, quantize, deploy, verify, measure, judge.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv=${BRAMBLE_VENV:-$here/.venv}

usage() {
    cat <<'EOF'
usage: ./deploy.sh [BOARD] [RECIPE]

  ./deploy.sh                       recipe digits-int8 on this machine
  ./deploy.sh lenet5-int8           another recipe on this machine (`bramble models` lists them; or a .toml file)
  ./deploy.sh pi@raspberrypi.local  the same on a real board, blank or not, over SSH with key login
  ./deploy.sh pi@10.0.0.7:2222 my.toml
  ./deploy.sh NAME [RECIPE]         a board you added with `bramble board add`

  --install      only make the environment (.venv) from the lock file
  --install dev  the same with the tools for tests and linting
  --help         this text

Needs Python 3.11 to 3.13 and a package registry; no root, no GPU, no Pi. A board needs Python 3.9 or newer and no
internet: what it lacks is fetched here and installed there. The environment is made once (a few minutes);
results are kept under runs/ and nothing is computed twice. $PYTHON names another interpreter, $BRAMBLE_VENV another
place for the environment, $BRAMBLE_DATA the folder with MNIST and CIFAR-10.
Exit codes: 0 pass, 3 budget missed, 4 undecided; others: see README.
EOF
}

say() { printf '%s\n' "$*" >&2; }

fits() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' >/dev/null 2>&1; }

find_python() {
    local candidate
    for candidate in ${PYTHON:+"$PYTHON"} python3 python3.13 python3.12 python3.11; do
        if fits "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    say "deploy.sh: no Python 3.11, 3.12 or 3.13 here"
    say "  → install one (Debian, Raspberry Pi OS: sudo apt install python3 python3-venv), or name it: PYTHON=… ./deploy.sh"
    exit 2
}

# What identifies an environment made from a lock file.
stamp_of() { echo "$(cat "$1" "$here/pyproject.toml" | sha256sum | cut -d ' ' -f 1) $here"; }

# Make the environment, unless it was made from this lock file (the one for developers holds all of the other).
install() {
    local lock=$here/requirements.txt stamps=$venv/.bramble python
    [ "${1:-}" = dev ] && lock=$here/requirements-dev.txt
    grep -qxF "$(stamp_of "$lock")" "$stamps" 2>/dev/null && return
    python=$(find_python)
    say "making the environment in $venv (once; TensorFlow is about 600 MB)"
    if [ -e "$venv" ] && [ ! -e "$venv/pyvenv.cfg" ]; then
        say "deploy.sh: $venv is there and no Python environment"
        say "  → name another place: BRAMBLE_VENV=…"
        exit 2
    fi
    if [ ! -x "$venv/bin/pip" ] && ! "$python" -m venv "$venv" >&2; then
        say "deploy.sh: $python cannot make environments"
        say "  → Debian, Raspberry Pi OS: sudo apt install python3-venv"
        exit 2
    fi
    rm -f "$stamps"
    local pip=("$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps)
    "${pip[@]}" --require-hashes -r "$lock" || fail_install
    "${pip[@]}" --no-build-isolation --editable "$here" || fail_install
    stamp_of "$here/requirements.txt" >"$stamps"
    stamp_of "$lock" >>"$stamps"
}

fail_install() {
    say "deploy.sh: the packages could not be installed (see above)"
    say "  → check the network and the disk (3 GB are needed), then run this again: it goes on where it stopped"
    exit 1
}

main() {
    local words board recipe
    case ${1:-} in
        -h | --help) usage; return ;;
        --install) install "${2:-}"; return ;;
        -*) usage >&2; exit 2 ;;
    esac
    [ $# -gt 2 ] && { usage >&2; exit 2; }
    install
    words=$("$venv/bin/python" -m bramble.cli.deploy_sh "$@") || exit $?
    board=${words%%$'\n'*} recipe=${words#*$'\n'}
    if [ "$board" != local ]; then  # a blank board gets a runtime; one that is ready answers at once
        "$venv/bin/python" -m bramble board setup "$board" || exit $?
    fi
    "$venv/bin/python" -m bramble deploy "$recipe" "$board" || exit $?
    say "the command itself: $venv/bin/bramble (or: source $venv/bin/activate)"
}

main "$@"
