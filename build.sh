#!/bin/sh
# The one entry point of the course: ./build.sh --help
# Plain POSIX shell, so that it runs with whatever /bin/sh is. It finds a Python, lets tools/setup.py make or check the
# environment, and hands over to Python.
set -eu
interrupted() {
    echo "Interrupted. Run it again to go on." >&2
    exit 130
}
trap interrupted INT
unset CDPATH PYTHONHOME PYTHONPATH   # set for something else, they would lead this astray

help() {
    cat <<'HELP'
Usage: ./build.sh [COMMAND]

  lab                     open the course in JupyterLab; what you get without a command
  run [NN ...] [--save]   execute notebooks, all of them or those numbered NN; --save keeps the outputs
  test [PYTEST ARGS]      run the tests
  bench [RACE] [--quick]  race Numba, Mojo, Polars... and ours, on mandelbrot, stations or
                          calls (ctypes, cffi...), or on all; table here, figure and CSV in build/; bench --help has more
  setup [--peers]         only make the environment; --peers adds the systems that the race compares with
  doctor                  what this machine has and lacks for the course, and how to get it
  clean                   remove what build.sh made

Each command first does the set-up that is missing: the environment in .venv, and the C code of csrc/ compiled into it.

  PYTHON=python3.14 ./build.sh ...    use that interpreter (3.11 or newer), in an environment of its own (.venv-3.14)
HELP
}

fail() {
    echo "build.sh: $1" >&2
    exit 1
}

is_recent() {
    "$1" -I -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

# Sets `python`: $PYTHON, or else python3, or else the one in an environment that is there already.
find_python() {
    wanted=${PYTHON:-python3}
    case $wanted in
        /*) ;;
        */*) wanted=$started_in/$wanted ;;   # relative to where the command was given
    esac
    python=$(command -v "$wanted" || true)
    if [ -n "$python" ] && is_recent "$python"; then return; fi
    if [ -z "${PYTHON:-}" ] && is_recent "$root/.venv/bin/python"; then
        python=$root/.venv/bin/python
        return
    fi
    for other in python3.14 python3.15 python3.13 python3.12 python3.11; do
        if is_recent "$other"; then
            hint="Found $other: run PYTHON=$other ./build.sh"
            break
        fi
    done
    : "${hint:=Install one from python.org or your package manager, or with uv: uv python install 3.14}"
    if [ -z "$python" ]; then
        fail "there is no $wanted, and the course needs Python 3.11 or newer. $hint"
    fi
    found=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || fail "$wanted does not start. $hint"
    fail "$wanted is Python $found, and the course needs 3.11 or newer. $hint"
}

# Runs Python so that Ctrl-C ends it without a traceback even while it starts and imports. A command in the background ignores
# SIGINT; this shell passes it on as SIGTERM, which Python obeys in silence until a program asks for more. To be called in a subshell.
interruptible() {
    trap '[ -z "${!:-}" ] || kill "$!" 2>/dev/null; wait; exit 130' INT
    "$python" "$@" &
    wait "$!"
}

# Makes or checks the environment; afterwards `python` is the environment's.
set_up() {
    python=$(interruptible -I tools/setup.py "$@") || {
        status=$?
        [ "$status" -ne 130 ] || interrupted
        exit "$status"
    }
    PATH=$(dirname "$python"):$PATH
    VIRTUAL_ENV=$(dirname "$(dirname "$python")")
    export PATH VIRTUAL_ENV
}

started_in=$PWD
script=$0
while [ -L "$script" ]; do   # called through a symbolic link
    target=$(readlink "$script")
    case $target in
        /*) script=$target ;;
        *) script=$(dirname "$script")/$target ;;
    esac
done
root=$(cd -P -- "$(dirname -- "$script")" && pwd)

command=${1:-lab}
[ $# -eq 0 ] || shift
case $command in
    -h | --help | help) help; exit ;;
    lab | run | test | bench | setup | doctor | clean) ;;
    *) fail "there is no command '$command'. ./build.sh --help lists them" ;;
esac

cd -- "$root"
find_python
case $command in
    lab)
        set_up
        if [ "$(id -u)" = 0 ]; then set -- --allow-root "$@"; fi   # Jupyter refuses root otherwise; this one listens on localhost only
        exec "$python" -m jupyterlab --ServerApp.ip=localhost notebooks/00_start_here.ipynb "$@"
        ;;
    run) set_up && exec "$python" tools/execute.py "$@" ;;
    test) set_up && exec "$python" -m pytest "$@" ;;
    bench) set_up && exec "$python" tools/bench.py "$@" ;;
    setup) set_up "$@" && echo "Ready: $(dirname "$(dirname "$python")")" ;;
    doctor) (interruptible tools/doctor.py "$@") ;;
    clean) (interruptible -I tools/setup.py --clean "$@") ;;
esac
