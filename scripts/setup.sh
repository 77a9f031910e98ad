# shellcheck shell=bash
# Sourced by the scripts beside it, with ROOT set to the repository: `set_up` finds a Python and makes the virtual
# environment that requirements.lock describes, once; `set_up dev` adds what requirements-dev.lock has beside that. The
# environment holds packages and a link; the scripts read the code itself from ROOT. Speaks on stderr. Written for bash 3.2,
# which macOS still ships.

VENV=${POINTSMAN_VENV:-$ROOT/.venv}
case $VENV in
/*) ;;
*) VENV=$PWD/$VENV ;;
esac
LOCK=$ROOT/requirements.lock
DEV_LOCK=$ROOT/requirements-dev.lock
STAMP=$VENV/pointsman-stamp # empty: the environment is ours but half made; filled: complete for what it says
DEV_STAMP=$VENV/pointsman-stamp-dev # the same, of what requirements-dev.lock adds
SETUP_LOG=$VENV/pointsman-setup.log

set_up() { # [dev]
    local -x PYTHONSAFEPATH=1 # whatever lies in the user's current folder is not to be imported
    if ! is_complete "$@"; then
        find_python
        take_turn
        is_complete "$@" || make_environment "$@" # another set-up may have made it while we waited
        end_turn
    fi
    export PYTHONPATH="$ROOT/addon${PYTHONPATH:+:$PYTHONPATH}"
}

say() { printf 'pointsman: %s\n' "$*" >&2; }

die() {
    say "$@"
    exit 1
}

# --- the environment -------------------------------------------------------------------------------------------

# What the stamp of a complete environment says. The place belongs to it: an environment cannot be moved.
stamp() {
    printf '%s\n' "$VENV"
    cat "$LOCK"
}

is_complete() { # [dev]
    can_run && { [ "${1:-}" != dev ] || is_same "$DEV_STAMP" "$(cat "$DEV_LOCK")"; }
}

can_run() {
    # Running its Python notices an environment whose Python has gone or has been replaced by another version.
    is_same "$STAMP" "$(stamp)" && "$VENV/bin/python" -c 'import mitmproxy' 2>/dev/null
}

is_same() { [ -s "$1" ] && [ "$(cat "$1")" = "$2" ]; }

make_environment() { # [dev]
    if ! can_run || [ -e "$DEV_STAMP" ]; then # half of another lock's packages are no better than a new environment
        clear_place
        say "first start: making an environment in $VENV with $PYTHON"
        "$PYTHON" -m venv "$VENV" >&2 || die "$PYTHON could not make a virtual environment in $VENV"
        install_packages "$LOCK"
        add_project
        "$VENV/bin/python" -m compileall -q "$ROOT/addon" >/dev/null 2>&1 || : # the first start is as quick as others
        stamp >"$STAMP"
    fi
    if [ "${1:-}" = dev ]; then
        say "adding the tests' packages"
        : >"$DEV_STAMP"
        install_packages "$DEV_LOCK"
        cat "$DEV_LOCK" >"$DEV_STAMP"
    fi
    say "the environment is complete ($SECONDS s)"
}

install_packages() { # lock
    # A pip.conf may set --user, which cannot work in here. The lock file names every dependency.
    PIP_USER=0 "$VENV/bin/python" -m pip install --no-deps --no-input --disable-pip-version-check --progress-bar off \
        --requirement "$1" 2>&1 | show_progress "$1" && return
    cat "$SETUP_LOG" >&2
    say "pip could not install $1: see above. Start again to try again."
    die "Without a network, PIP_FIND_LINKS=/folder/of/wheels names packages on this machine; pip reads HTTPS_PROXY and" \
        "PIP_INDEX_URL"
}

# Reads what pip prints. On a terminal, one line that counts; elsewhere, one line for each step. All of it is in the log.
show_progress() { # lock
    local line total=0 count=0
    while IFS= read -r line; do
        case $line in *==*) total=$((total + 1)) ;; esac
    done <"$1"
    [ -t 2 ] || say "fetching $total packages"
    while IFS= read -r line; do
        printf '%s\n' "$line" >&8
        case $line in
        "Collecting "* | "Requirement already satisfied: "*)
            count=$((count + 1))
            [ ! -t 2 ] || printf '\rpointsman: fetching package %d of about %d ' "$count" "$total" >&2
            ;;
        "Installing collected packages"*)
            [ ! -t 2 ] || printf '\n' >&2
            say "unpacking them"
            ;;
        esac
    done 8>"$SETUP_LOG"
}

# Empties the place, unless it may hold something of the user's.
clear_place() {
    if [ -e "$VENV" ] && [ "$VENV" != "$ROOT/.venv" ] && [ ! -e "$STAMP" ] && [ -n "$(ls -A "$VENV")" ]; then
        die "$VENV was not made by this script: remove it, or name another place with POINTSMAN_VENV"
    fi
    rm -rf "$VENV"
    mkdir -p "$VENV"
    : >"$STAMP"
}

# For use without these scripts: `import pointsman` and the command `pointsman` work in the environment.
add_project() {
    local packages
    for packages in "$VENV"/lib/python3*/site-packages; do
        printf '%s\n' "$ROOT/addon" >"$packages/pointsman.pth"
    done
    printf '#!/usr/bin/env bash\nexec %q "$@"\n' "$ROOT/scripts/run" >"$VENV/bin/pointsman"
    chmod +x "$VENV/bin/pointsman"
}

# --- one set-up at a time --------------------------------------------------------------------------------------

# The system lets go of the lock on descriptor 9 when its last holder ends, however it ends: it is never stale.
take_turn() {
    local lock='import fcntl, sys; fcntl.flock(9, fcntl.LOCK_EX | (fcntl.LOCK_NB if sys.argv[1] == "try" else 0))'
    mkdir -p "${VENV%/*}"
    exec 9>>"$VENV.lock"
    "$PYTHON" -c "$lock" try 2>/dev/null && return
    say "another set-up of $VENV is running: waiting for it"
    "$PYTHON" -c "$lock" wait
}

end_turn() { exec 9>&-; }

# --- a Python that fits ----------------------------------------------------------------------------------------

# Only running it tells whether a candidate is any good: pyenv's shims exist for versions that are not selected.
# Also understood by Python 2. Status 0, or why not on stderr.
PROBE='
import sys
if sys.version_info < (3, 12):
    sys.exit("is Python %d.%d.%d" % tuple(sys.version_info[:3]))
import sysconfig
if sys.implementation.name != "cpython" or sysconfig.get_config_var("Py_GIL_DISABLED"):
    sys.exit("is not a standard CPython")
try:
    import venv, ensurepip
except ImportError as error:
    sys.exit("lacks the module %s (on Debian and Ubuntu: the package python3-venv)" % error.name)
'

# Status 0 for a Python whose standard library has the security fixes that 3.12.6 brought.
IS_FIXED='
import sys
sys.exit(sys.version_info < (3, 12, 6))
'

# Sets PYTHON to the first candidate that fits and is 3.12.6 or newer, else to the first that fits, or ends the script
# with what was looked at.
find_python() {
    local candidate answer older="" tried="" newline=$'\n'
    while IFS= read -r candidate; do
        case $candidate in "$VENV"/*) continue ;; esac # about to be replaced
        if answer=$("$candidate" -c "$PROBE" 2>&1 </dev/null); then
            PYTHON=$candidate
            "$candidate" -c "$IS_FIXED" 2>/dev/null </dev/null && return
            : "${older:=$candidate}"
        fi
        answer=${answer%%"$newline"*}
        tried="$tried  $candidate: ${answer#*: line *: "$candidate": }$newline"
    done < <(python_candidates)
    if [ -n "$older" ]; then
        PYTHON=$older
        say "$PYTHON is Python $("$PYTHON" -c 'import sys; print("%d.%d.%d" % tuple(sys.version_info[:3]))'), which" \
            "works; 3.12.6 and newer have security fixes in the standard library"
        return
    fi
    local places="Looked on PATH, in pyenv and in uv, and tried:"
    [ -z "${POINTSMAN_PYTHON:-}" ] || places="POINTSMAN_PYTHON names:"
    say "needs Python 3.12 or newer and found none that works. $places"
    printf '%s' "${tried:-  nothing: there is no Python at all$newline}" >&2
    die "get one (uv python install 3.13, pyenv install 3.13, or your system's packages)," \
        "or name one: POINTSMAN_PYTHON=/path/to/python3"
}

# Interpreters that might fit, one a line, likeliest first. The versions this was tested with come before newer ones.
python_candidates() {
    if [ -n "${POINTSMAN_PYTHON:-}" ]; then
        printf '%s\n' "$POINTSMAN_PYTHON"
        return
    fi
    local name
    for name in python3.13 python3.12 python3.14 python3 python; do
        type -aP "$name" || true
    done
    managed_pythons
}

managed_pythons() {
    local uv_pythons=${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-${HOME:-}/.local/share}/uv/python}
    existing "${PYENV_ROOT:-${HOME:-}/.pyenv}"/versions/*/bin/python3 "$uv_pythons"/*/bin/python3
    local directory directories
    IFS=: read -ra directories <<<"$PATH"
    for directory in ${directories[@]+"${directories[@]}"}; do
        case $directory in
        */shims) existing "${directory%/shims}"/versions/*/bin/python3 "${directory%/shims}"/installs/python/*/bin/python3 ;;
        esac
    done
    if type -P uv >/dev/null; then
        local versions
        for versions in '>=3.12.6' '>=3.12'; do
            UV_PYTHON_DOWNLOADS=never uv python find --system --no-project "$versions" 2>/dev/null || true
        done
    fi
}

# Those of the paths given that exist: a glob that matches nothing is passed on as it stands.
existing() {
    local path
    for path; do
        if [ -x "$path" ]; then printf '%s\n' "$path"; fi
    done
}
