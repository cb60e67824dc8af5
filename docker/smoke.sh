#!/usr/bin/env bash
# Does an installation work from end to end? The same steps inside the images and outside:
#
#   docker/smoke.sh cpu               wheel and plugin: the demo, then the check of its model
#   docker/smoke.sh cuda [MODEL.pt]   LAMMPS built from source: the same model and input without and with KOKKOS on the GPU
#
# Run it from the root of the sources. The last line printed is `smoke ok: ...`, or the exit status is not zero.
set -euo pipefail

usage() {
    echo "usage: docker/smoke.sh cpu | cuda [MODEL.pt]" >&2
    exit 2
}

# Energy of the start in eV/atom: column 5 of the first line of thermodynamic output.
first_energy() {
    awk '$1 == "Step" {getline; print $5; exit}' "$1"
}

# Last line of a command's output must begin so; everything is shown too.
ends_with() {
    local start=$1 log=$2
    shift 2
    "$@" | tee "$log"
    if ! tail -n 1 "$log" | grep -q "^$start"; then
        echo "smoke: the last line of '$*' does not begin with '$start'" >&2
        exit 1
    fi
}

cpu() {
    mkdir -p runs/smoke
    ends_with "demo ok:" runs/smoke/demo.txt make demo
    ends_with "check ok:" runs/smoke/check.txt mliap-hybrid check runs/nacl/model.pt
    echo "smoke ok: demo and check passed"
}

cuda() {
    local model=$1 out=runs/smoke
    mkdir -p "$out"
    if [ ! -e "$model" ]; then
        mliap-hybrid train training/nacl/train.yaml
        mliap-hybrid export runs/nacl -o "$model"
    fi
    mliap-hybrid lammps-input "$model" > "$out/potential.in"
    local input=(-in lammps_inputs/in.nacl_nve -var potential "$out/potential.in" -var steps 200)
    local kokkos=(-k on g 1 -sf kk -pk kokkos newton on neigh half)
    lmp "${input[@]}" -var out "$out/plain"
    lmp "${kokkos[@]}" "${input[@]}" -var out "$out/kokkos"

    local plain gpu
    plain=$(first_energy "$out/plain/nacl_nve.log")
    gpu=$(first_energy "$out/kokkos/nacl_nve.log")
    echo "energy of the start: $plain eV/atom without KOKKOS, $gpu eV/atom on the GPU"
    if ! awk -v a="$plain" -v b="$gpu" 'BEGIN {d = a - b; exit !(a != "" && b != "" && d < 5e-6 && -d < 5e-6)}'; then
        echo "smoke: the two energies differ by more than 5e-6 eV/atom" >&2
        exit 1
    fi
    echo "smoke ok: LAMMPS with ML-IAP, KOKKOS and PPPM on the GPU agrees with the CPU"
}

case ${1:-} in
    cpu) cpu ;;
    cuda) cuda "${2:-runs/nacl/model.pt}" ;;
    *) usage ;;
esac
