"""Small outputs of programs, in the layout that each program writes, from labelled structures.

Only what readers look for is there. Numbers have the programs' units and signs: kbar and GPa of a pressure's sign, Ry,
Ha.
"""

import numpy as np

from mliap_hybrid.units import BOHR, HARTREE, STRESS_UNITS

RYDBERG = HARTREE / 2
SMEARING = 0.03
"""eV: energy of VASP at 0 K above the free energy."""


def kinds_of(atoms):
    """Runs of one element: (symbol, number), as a POSCAR lists them."""
    runs = []
    for symbol in atoms.symbols:
        if runs and runs[-1][0] == symbol:
            runs[-1][1] += 1
        else:
            runs.append([symbol, 1])
    return runs


def rows(values, form="{:16.8f}"):
    return "\n".join("".join(form.format(x) for x in row) for row in values)


def pressures(atoms, unit):
    """(3, 3) of the label, of a pressure's sign."""
    return -atoms.get_stress(voigt=False) / STRESS_UNITS[unit]


def outcar(frames, n_steps=7, most_steps=60):
    """VASP's OUTCAR; `n_steps` of the electrons in each frame, of at most `most_steps`."""
    steps = [n_steps] * len(frames) if isinstance(n_steps, int) else n_steps
    kinds = kinds_of(frames[0])
    text = [" vasp.6.4.2 20Jul23 (build) complex", " INCAR:"]
    text += [f" POTCAR:    PAW_PBE {symbol} 05Jan2001" for symbol, _ in kinds] * 2
    text += [f"   VRHFIN ={symbol}:\n   TITEL  = PAW_PBE {symbol} 05Jan2001" for symbol, _ in kinds]
    text += ["   ions per type =            " + "".join(f"{n:4d}" for _, n in kinds)]
    text += [f"   NWRITE =      2    write-flag & timer\n   NELM   = {most_steps:6d};   NELMIN=  2; NELMDL= -5"]
    text += [f"   number of dos      NEDOS =    301   number of ions     NIONS = {len(frames[0]):6d}"]
    for index, atoms in enumerate(frames):
        text += [
            f"--------------------------------------- Iteration {index + 1:6d}({k + 1:4d})  ----"
            for k in range(steps[index])
        ]
        if steps[index] < most_steps:
            text += [24 * "-" + " aborting loop because EDIFF is reached " + 40 * "-"]
        p = pressures(atoms, "kbar")
        six = [p[0, 0], p[1, 1], p[2, 2], p[0, 1], p[1, 2], p[0, 2]]
        energy = atoms.get_potential_energy()
        text += ["  FORCE on cell =-STRESS in cart. coord.  units (eV):"]
        text += ["  Direction    XX          YY          ZZ          XY          YZ          ZX", "  " + 86 * "-"]
        text += ["  Alpha Z     0.27"] * 10 + ["  " + 86 * "-", "  Total" + 6 * "     0.00000"]
        text += ["  in kB  " + "".join(f"{value:14.6f}" for value in six), "  external pressure =       0.00 kB"]
        text += [" VOLUME and BASIS-vectors are now :", " " + 86 * "-", "  energy-cutoff  :      400.00"]
        text += [
            f"  volume of cell :    {atoms.get_volume():12.4f}",
            "      direct lattice vectors                 reciprocal lattice vectors",
        ]
        text += [rows(np.hstack([atoms.cell.array, np.linalg.inv(atoms.cell.array).T]), "{:15.9f}"), ""]
        text += [" POSITION                                       TOTAL-FORCE (eV/Angst)", " " + 83 * "-"]
        text += [rows(np.hstack([atoms.positions, atoms.get_forces()]), "{:15.8f}"), " " + 83 * "-"]
        text += ["    total drift:                                0.000000      0.000000      0.000000", ""]
        text += [
            "  FREE ENERGIE OF THE ION-ELECTRON SYSTEM (eV)",
            "  ---------------------------------------------------",
        ]
        text += [f"  free  energy   TOTEN  = {energy:18.8f} eV", ""]
        text += [
            f"  energy  without entropy= {energy + 2 * SMEARING:18.8f}  energy(sigma->0) = {energy + SMEARING:18.8f}",
            "",
        ]
    return "\n".join([*text, " General timing and accounting informations for this job:", ""])


def vasprun(frames):
    """VASP's vasprun.xml."""

    def vectors(name, values):
        lines = "\n".join("<v>" + "".join(f"{x:16.8f}" for x in row) + "</v>" for row in values)
        return f'<varray name="{name}">\n{lines}\n</varray>'

    def structure(atoms, name=""):
        basis, scaled = vectors("basis", atoms.cell.array), vectors("positions", atoms.get_scaled_positions(wrap=False))
        return f"<structure{name}><crystal>{basis}</crystal>{scaled}</structure>"

    kinds = kinds_of(frames[0])
    atoms_set = "".join(f"<rc><c>{s:2s}</c><c>{k + 1:4d}</c></rc>" for k, (s, n) in enumerate(kinds) for _ in range(n))
    kinds_set = "".join(f"<rc><c>{n:4d}</c><c>{s:2s}</c><c>1.0</c><c>4.0</c><c>PAW_PBE {s}</c></rc>" for s, n in kinds)
    text = [
        '<?xml version="1.0" encoding="ISO-8859-1"?>',
        "<modeling>",
        '<generator><i name="program">vasp</i></generator>',
    ]
    text += [
        "<kpoints></kpoints>",
        '<parameters><separator name="electronic"><i type="int" name="NELM">60</i></separator></parameters>',
    ]
    text += [f"<atominfo><atoms>{len(frames[0])}</atoms><types>{len(kinds)}</types>"]
    text += [f'<array name="atoms"><field type="string">element</field><set>{atoms_set}</set></array>']
    text += [f'<array name="atomtypes"><field type="int">atomspertype</field><set>{kinds_set}</set></array></atominfo>']
    text += [structure(frames[0], ' name="initialpos"')]
    for atoms in frames:
        energy = atoms.get_potential_energy()
        energies = f'<i name="e_fr_energy">{energy:16.8f}</i><i name="e_wo_entrp">{energy + 2 * SMEARING:16.8f}</i>'
        energies += f'<i name="e_0_energy">{energy + SMEARING:16.8f}</i>'
        text += ["<calculation>", f"<scstep><energy>{energies}</energy></scstep>", structure(atoms)]
        text += [vectors("forces", atoms.get_forces()), vectors("stress", pressures(atoms, "kbar"))]
        text += [f"<energy>{energies}</energy>", "</calculation>"]
    return "\n".join([*text, structure(frames[-1], ' name="finalpos"'), "</modeling>", ""])


def ml_ab(frames):
    """VASP's ML_AB."""
    thin, thick, stars = 50 * "-", 50 * "=", 50 * "*"
    elements = sorted({symbol for atoms in frames for symbol in atoms.symbols})
    text = [" 1.0 Version", stars, "     The number of configurations", thin, f"{len(frames):10d}", stars]
    text += ["     The maximum number of atom type", thin, f"{len(elements):8d}", stars]
    text += ["     The atom types in the data file", thin, "     " + " ".join(elements)]
    for element in elements:
        text += [stars, f"     Basis set for {element}", thin, "          1      1"]
    for index, atoms in enumerate(frames):
        p = pressures(atoms, "kbar")
        text += [stars, f"     Configuration num.{index + 1:7d}", thick, "     System name", thin, "     alloy", thick]
        text += ["     The number of atom types", thin, f"{len(kinds_of(atoms)):8d}", thick]
        text += ["     The number of atoms", thin, f"{len(atoms):11d}", stars, "     Atom types and atom numbers", thin]
        text += [f"     {symbol:2s}{n:7d}" for symbol, n in kinds_of(atoms)]
        text += [thick, "     CTIFOR", thin, "  2.000000000000000E-002", thick]
        text += ["     Primitive lattice vectors (ang.)", thin, rows(atoms.cell.array, "{:24.15E}"), thick]
        text += ["     Atomic positions (ang.)", thin, rows(atoms.positions, "{:24.15E}"), thick]
        text += ["     Total energy (eV)", thin, f"{atoms.get_potential_energy():20.10f}", thick]
        text += [
            "     Forces (eV ang.^-1)",
            thin,
            rows(atoms.get_forces(), "{:24.15E}"),
            thick,
            "     Stress (kbar)",
            thin,
        ]
        text += ["     XX YY ZZ", thin, rows([[p[0, 0], p[1, 1], p[2, 2]]], "{:24.15E}"), thin]
        text += ["     XY YZ ZX", thin, rows([[p[0, 1], p[1, 2], p[2, 0]]], "{:24.15E}")]
    return "\n".join([*text, stars, ""])


def cp2k(atoms, newer=True, converged=True):
    """Output of a single point of CP2K, with the stress of versions since 2021, or of those before."""
    symbols, p = list(dict.fromkeys(atoms.symbols)), pressures(atoms, "GPa")
    text = [" DBCSR| Multiplication driver                                               BLAS"]
    text += [" CP2K| version string:                                       CP2K version 2024.1"]
    text += [" GLOBAL| Global print level                                               MEDIUM"]
    text += [
        f" CELL| Vector {name} [angstrom]:" + "".join(f"{x:15.8f}" for x in row) + "   |x| = 1.0"
        for name, row in zip("abc", atoms.cell.array, strict=True)
    ]
    for kind, symbol in enumerate(symbols):
        n = list(atoms.symbols).count(symbol)
        text += [f"{kind + 1:3d}. Atomic kind: {symbol:2s}                              Number of atoms:    {n:4d}"]
    text += ["", " MODULE QUICKSTEP: ATOMIC COORDINATES IN ANGSTROM", ""]
    text += ["   Atom Kind Element         X             Y             Z       Z(eff)     Mass"]
    for index, (symbol, place) in enumerate(zip(atoms.symbols, atoms.positions, strict=True)):
        numbers = "".join(f"{x:16.9f}" for x in place)
        text += [
            f"{index + 1:7d}{symbols.index(symbol) + 1:5d} {symbol:2s} {atoms.numbers[index]:3d}{numbers}   1.0   1.0"
        ]
    said = "*** SCF run converged in    12 steps ***" if converged else "*** SCF run NOT converged ***"
    text += ["", f"  {said}", ""]
    energy = atoms.get_potential_energy() / HARTREE
    text += [f" ENERGY| Total FORCE_EVAL ( QS ) energy [a.u.]: {energy:30.15f}", "", " ATOMIC FORCES in [a.u.]", ""]
    text += [" # Atom   Kind   Element          X              Y              Z"]
    for index, (symbol, force) in enumerate(zip(atoms.symbols, atoms.get_forces() * BOHR / HARTREE, strict=True)):
        text += [
            f"{index + 1:7d}{symbols.index(symbol) + 1:7d}      {symbol:2s}" + "".join(f"{x:17.10f}" for x in force)
        ]
    text += [" SUM OF ATOMIC FORCES           0.00000000     0.00000000     0.00000000     0.00000000", ""]
    if newer:
        text += [
            " STRESS| Analytical stress tensor [GPa]",
            " STRESS|                        x                   y                   z",
        ]
        text += [
            f" STRESS|      {name}" + "".join(f"{x:20.11E}" for x in row) for name, row in zip("xyz", p, strict=True)
        ]
        text += [f" STRESS| 1/3 Trace {p.trace() / 3:50.11E}", f" STRESS| Determinant {np.linalg.det(p):48.11E}", ""]
        text += [" STRESS| Eigenvectors and eigenvalues of the analytical stress tensor [GPa]", " STRESS|   1 2 3"]
        text += [
            f" STRESS|      {name}" + "".join(f"{x:20.12f}" for x in row)
            for name, row in zip("xyz", np.eye(3), strict=True)
        ]
    else:
        text += [" STRESS TENSOR [GPa]", "", "            X               Y               Z"]
        text += [f"  {name}" + "".join(f"{x:20.11f}" for x in row) for name, row in zip("XYZ", p, strict=True)]
    return "\n".join([*text, "", ""])


def cp2k_trajectory(folder, frames, fixed_cell=False):
    """Folder of a run of molecular dynamics by CP2K."""
    folder.mkdir(parents=True)
    places, pulls, cells = (
        [],
        [],
        ["#   Step   Time [fs]       Ax [Angstrom]       Ay [Angstrom]  ...  Volume [Angstrom^3]"],
    )
    for step, atoms in enumerate(frames):
        head = f" i = {step:8d}, time = {0.5 * step:12.3f}, E = {atoms.get_potential_energy() / HARTREE:20.10f}"
        forces = atoms.get_forces() * BOHR / HARTREE
        for lines, values in ((places, atoms.positions), (pulls, forces)):
            lines += [f"{len(atoms):8d}", head]
            lines += [
                f"{s:>3s}" + "".join(f"{x:20.10f}" for x in row) for s, row in zip(atoms.symbols, values, strict=True)
            ]
        cells += [
            f"{step:8d}{0.5 * step:12.3f}"
            + "".join(f"{x:20.10f}" for x in atoms.cell.array.ravel())
            + f"{atoms.get_volume():20.10f}"
        ]
    (folder / "run-pos-1.xyz").write_text("\n".join([*places, ""]))
    (folder / "run-frc-1.xyz").write_text("\n".join([*pulls, ""]))
    if fixed_cell:
        (folder / "run.out").write_text(cp2k(frames[0]))
    else:
        (folder / "run-1.cell").write_text("\n".join([*cells, ""]))


def abacus(folder, atoms, converged=True):
    """Folder of a single point of ABACUS."""
    (folder / "OUT.ABACUS").mkdir(parents=True)
    (folder / "INPUT").write_text("INPUT_PARAMETERS\ncalculation scf\nsuffix ABACUS\ncal_force 1\ncal_stress 1\n")
    symbols = list(dict.fromkeys(atoms.symbols))
    text = [
        "ATOMIC_SPECIES",
        *(f"{symbol} 1.0 {symbol}.upf" for symbol in symbols),
        "",
        "LATTICE_CONSTANT",
        f"{1 / BOHR:.12f}",
    ]
    text += ["", "LATTICE_VECTORS", rows(atoms.cell.array), "", "ATOMIC_POSITIONS", "Cartesian", ""]
    for symbol in symbols:
        places = atoms.positions[[s == symbol for s in atoms.symbols]]
        text += [
            symbol,
            "0.0",
            str(len(places)),
            *("".join(f"{x:16.10f}" for x in row) + " 1 1 1" for row in places),
            "",
        ]
    (folder / "STRU").write_text("\n".join(text))
    order = [index for symbol in symbols for index, s in enumerate(atoms.symbols) if s == symbol]
    log = ["                             |  WELCOME TO ABACUS |", "", " charge density convergence is achieved"]
    if not converged:
        log[-1] = " convergence has NOT been achieved!"
    else:
        log += [
            f" final etot is {atoms.get_potential_energy():.12f} eV",
            "",
            " TOTAL-FORCE (eV/Angstrom)",
            " " + 70 * "-",
        ]
        log += [
            f" {atoms.symbols[k]}{n + 1}" + "".join(f"{x:18.10f}" for x in atoms.get_forces()[k])
            for n, k in enumerate(order)
        ]
        log += [
            " " + 70 * "-",
            "",
            " TOTAL-STRESS (KBAR)",
            " " + 70 * "-",
            rows(pressures(atoms, "kbar"), "{:18.10f}"),
            " " + 70 * "-",
        ]
    (folder / "OUT.ABACUS/running_scf.log").write_text("\n".join([*log, ""]))
    return atoms[order]


def espresso(atoms):
    """Output of a single point of pw.x."""
    alat, n = 5.0, len(atoms)
    symbols = list(dict.fromkeys(atoms.symbols))
    p = pressures(atoms, "kbar")
    text = [
        "     Program PWSCF v.7.2 starts on  1Jan2024 at 12: 0: 0",
        "",
        "     bravais-lattice index     =            0",
    ]
    text += [f"     lattice parameter (alat)  = {alat / BOHR:12.8f}  a.u.", f"     number of atoms/cell      = {n:12d}"]
    text += [
        f"     number of atomic types    = {len(symbols):12d}",
        "",
        f"     celldm(1)= {alat / BOHR:11.8f}  celldm(2)=   0.000000  celldm(3)=   0.000000",
    ]
    text += ["     crystal axes: (cart. coord. in units of alat)"]
    text += [
        f"               a({k + 1}) = (" + "".join(f"{x / alat:14.10f}" for x in row) + " )"
        for k, row in enumerate(atoms.cell.array)
    ]
    text += ["", "     atomic species   valence    mass     pseudopotential"]
    text += [f"        {symbol:2s}             1.00     1.00000     {symbol}( 1.00)" for symbol in symbols]
    text += ["", "   Cartesian axes", "", "     site n.     atom                  positions (alat units)"]
    text += [
        f"{k + 1:10d}           {s:3s}tau({k + 1:4d}) = (" + "".join(f"{x / alat:15.10f}" for x in r) + "  )"
        for k, (s, r) in enumerate(zip(atoms.symbols, atoms.positions, strict=True))
    ]
    text += ["", f"!    total energy              = {atoms.get_potential_energy() / RYDBERG:17.8f} Ry", ""]
    text += ["     Forces acting on atoms (cartesian axes, Ry/au):", ""]
    text += [
        f"     atom{k + 1:5d} type{symbols.index(s) + 1:3d}   force =" + "".join(f"{x:16.10f}" for x in f)
        for k, (s, f) in enumerate(zip(atoms.symbols, atoms.get_forces() * BOHR / RYDBERG, strict=True))
    ]
    text += ["", "     Computing stress (Cartesian axis) and pressure", ""]
    text += [f"          total   stress  (Ry/bohr**3)                   (kbar)     P= {p.trace() / 3:11.2f}"]
    atomic = p * STRESS_UNITS["kbar"] * BOHR**3 / RYDBERG
    text += [
        "".join(f"{x:14.10f}" for x in a) + "   " + "".join(f"{x:12.4f}" for x in b)
        for a, b in zip(atomic, p, strict=True)
    ]
    return "\n".join([*text, "", "   JOB DONE.", ""])


def gaussian(atoms, orientations=("Input",), second_order=None):
    """Log of a calculation of forces with Gaussian; positions of the standard orientation are turned by 90 degrees."""
    turned = atoms.positions[:, [1, 2, 0]]
    text = [
        " Entering Gaussian System, Link 0=g16",
        " Gaussian 16:  ES64L-G16RevC.01  3-Jul-2019",
        " #P HF/6-31G Force",
    ]
    line = " " + 69 * "-"
    for orientation in orientations:
        text += [(26 if orientation == "Input" else 25) * " " + f"{orientation} orientation:", line]
        text += [
            " Center     Atomic      Atomic             Coordinates (Angstroms)",
            " Number     Number       Type             X           Y           Z",
            line,
        ]
        places = atoms.positions if orientation == "Input" else turned
        text += [
            f"{k + 1:7d}{z:11d}           0    " + "".join(f"{x:12.6f}" for x in r)
            for k, (z, r) in enumerate(zip(atoms.numbers, places, strict=True))
        ]
        text += [line]
    energy = atoms.get_potential_energy() / HARTREE
    text += [f" SCF Done:  E(RHF) = {energy - (second_order or 0.0) / HARTREE:16.10f}     A.U. after    9 cycles"]
    if second_order is not None:
        e2, total = (f"{x:.10E}".replace("E", "D") for x in (second_order / HARTREE, energy))
        text += [f" E2 =    {e2} EUMP2 =    {total}"]
    text += [" ***** Axes restored to original set *****", line]
    text += [
        " Center     Atomic                   Forces (Hartrees/Bohr)",
        " Number     Number              X              Y              Z",
        line,
    ]
    forces = atoms.get_forces() * BOHR / HARTREE
    text += [
        f"{k + 1:7d}{z:9d}       " + "".join(f"{x:15.9f}" for x in f)
        for k, (z, f) in enumerate(zip(atoms.numbers, forces, strict=True))
    ]
    return "\n".join([*text, line, " Normal termination of Gaussian 16", ""])
