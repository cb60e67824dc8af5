"""More outputs of programs from labelled structures, as programs.py: of ABINIT, FHI-aims, NWChem and ORCA."""

from mliap_hybrid.units import BOHR, HARTREE


def abinit(atoms, scale=1.7):
    """Output of a single point of ABINIT 8, with a lattice of unit vectors and a scale."""
    cell, kinds = atoms.cell.array / BOHR, list(dict.fromkeys(atoms.numbers.tolist()))
    forces, stress = atoms.get_forces(), atoms.get_stress() / (HARTREE / BOHR**3)
    rows = [
        f" R({k + 1})=" + "".join(f"{x:12.7f}" for x in v) + f"  G({k + 1})= 0.1 0.1 0.1" for k, v in enumerate(cell)
    ]
    return "\n".join(
        [
            "",
            ".Version 8.10.3 of ABINIT ",
            " -outvars: echo values of preprocessed input variables --------",
            f"            acell     {scale:17.10E} {scale:17.10E} {scale:17.10E} Bohr",
            f"            natom          {len(atoms)}",
            f"           ntypat          {len(kinds)}",
            "            rprim    " + "\n".join("".join(f"{x / scale:18.10E}" for x in v) for v in cell),
            "            typat    " + " ".join(str(kinds.index(z) + 1) for z in atoms.numbers),
            "            znucl    " + " ".join(f"{z:.5f}" for z in kinds),
            80 * "=",
            " Real(R)+Recip(G) space primitive vectors, cartesian coordinates (Bohr,Bohr^-1):",
            *rows,
            f" Unit cell volume ucvol={atoms.get_volume() / BOHR**3:15.7E} bohr^3",
            "----iterations are completed or convergence reached----",
            " Cartesian components of stress tensor (hartree/bohr^3)",
            *[
                f"  sigma({a})={stress[i]:17.8E}  sigma({b})={stress[j]:17.8E}"
                for a, b, i, j in (("1 1", "3 2", 0, 3), ("2 2", "3 1", 1, 4), ("3 3", "2 1", 2, 5))
            ],
            " cartesian coordinates (angstrom) at end:",
            *[f"{k + 1:5d}" + "".join(f"{x:21.14f}" for x in row) for k, row in enumerate(atoms.positions)],
            " cartesian forces (eV/Angstrom) at end:",
            *[f"{k + 1:5d}" + "".join(f"{x:21.14f}" for x in row) for k, row in enumerate(forces)],
            " Components of total free energy (in Hartree) :",
            f"    >>>>>>>>> Etotal={atoms.get_potential_energy() / HARTREE:22.14E}",
            "== END DATASET(S) ==============",
            "",
        ]
    )


def orca(frames, end="ORCA GEOMETRY RELAXATION STEP"):
    """Output of ORCA with a step for each frame, and a line between them."""
    lines = ["                                 * O   R   C   A *", ""]
    for atoms in frames:
        lines += [f"Number of atoms                         ...      {len(atoms)}", ""]
        lines += ["CARTESIAN COORDINATES (ANGSTROEM)", "-----"]
        lines += [
            f"  {s:2s}" + "".join(f"{x:14.8f}" for x in r) for s, r in zip(atoms.symbols, atoms.positions, strict=True)
        ]
        lines += ["", f"FINAL SINGLE POINT ENERGY {atoms.get_potential_energy() / HARTREE:20.12f}", ""]
        lines += ["CARTESIAN GRADIENT", "-----", ""]
        lines += [
            f"{k + 1:4d}   {s}   :" + "".join(f"{x:15.9f}" for x in -f * BOHR / HARTREE)
            for k, (s, f) in enumerate(zip(atoms.symbols, atoms.get_forces(), strict=True))
        ]
        lines += ["", end, ""]
    return "\n".join([*lines[:-2], "ORCA TERMINATED NORMALLY", ""])


def nwchem(atoms):
    """Output of a calculation of forces with NWChem, whose atoms have numbered tags."""
    lines = ["              Northwest Computational Chemistry Package (NWChem) 7.0.2", ""]
    lines += [" Output coordinates in angstroms (scale by  1.889725989 to convert to a.u.)", ""]
    lines += ["  No.       Tag          Charge          X              Y              Z"]
    lines += [" ---- ---------------- ---------- -------------- -------------- --------------"]
    lines += [
        f"{k + 1:5d} {s + str(k + 1):16s} {atoms.numbers[k]:10.4f} " + " ".join(f"{x:14.8f}" for x in row)
        for k, (s, row) in enumerate(zip(atoms.symbols, atoms.positions, strict=True))
    ]
    lines += ["", "      Atomic Mass ", "", "                                 NWChem DFT Module", ""]
    lines += [f"         Total DFT energy = {atoms.get_potential_energy() / HARTREE:20.12f}", ""]
    lines += ["                       DFT Final Molecular Orbital Analysis", "                       " + 36 * "-", ""]
    lines += [" Vector    1  Occ=2.000000D+00  E=-1.886418D+01  Symmetry=a1"]
    lines += ["              MO Center=  7.4D-18, -1.2D-19, -1.2D-01, r^2= 1.5D-02"]
    lines += ["   Bfn.  Coefficient  Atom+Function         Bfn.  Coefficient  Atom+Function  "]
    lines += ["  ----- ------------  ---------------      ----- ------------  ---------------"]
    lines += ["     1      0.552153  1 O  s                  2      0.467298  1 O  s          ", ""]
    lines += ["                         DFT ENERGY GRADIENTS", ""]
    lines += ["    atom               coordinates                        gradient"]
    lines += ["                 x          y          z           x          y          z"]
    lines += [
        f"{k + 1:4d} {s:3s}    " + "".join(f"{x:11.6f}" for x in (*row / BOHR, *(-f * BOHR / HARTREE)))
        for k, (s, row, f) in enumerate(zip(atoms.symbols, atoms.positions, atoms.get_forces(), strict=True))
    ]
    return "\n".join([*lines, "", ""])


def aims(frames):
    """Output of molecular dynamics with FHI-aims."""
    n, lines = len(frames[0]), ["          Invoking FHI-aims ...", "          Version 210716", ""]
    lines += [f"  The structure contains {n:8d} atoms,  and a total of         10.000 electrons."]
    lines += [f"  | Number of atoms                   : {n:8d}", "  | Number of spin channels           :        1"]
    lines += [
        "  | Number of Kohn-Sham states (occupied + empty):       11",
        "",
        "  Input geometry:",
        "  | No unit cell requested.",
    ]
    lines += ["  | Atomic structure:", "  |       Atom                x [A]            y [A]            z [A]"]
    lines += [
        f"  |{k + 1:5d}: Species {s:16s}" + "".join(f"{x:17.8f}" for x in row)
        for k, (s, row) in enumerate(zip(frames[0].symbols, frames[0].positions, strict=True))
    ]
    for index, atoms in enumerate(frames):
        energy = atoms.get_potential_energy()
        lines += ["", f"          Begin self-consistency loop: {'Re-i' if index else 'I'}nitialization.", ""]
        lines += ["  Convergence:    q app. |  density  | eigen (eV) | Etot (eV)", ""]
        lines += ["  Self-consistency cycle converged.", "", "  Energy and forces in a compact form:"]
        lines += [f"  | Total energy uncorrected      : {energy:24.15E} eV"]
        lines += [f"  | Total energy corrected        : {energy:24.15E} eV  <-- do not rely on this value"]
        lines += [f"  | Electronic free energy        : {energy:24.15E} eV"]
        lines += ["  Total atomic forces (unitary forces cleaned) [eV/Ang]:"]
        lines += [f"  |{k + 1:5d} " + "".join(f"{x:30.15E}" for x in f) for k, f in enumerate(atoms.get_forces())]
        title = "Atomic" if index + 1 < len(frames) else "Final atomic"
        lines += [
            "",
            "  Complete information for previous time-step:",
            60 * "-",
            f"  {title} structure (and velocities) as used in the preceding time step:",
        ]
        lines += ["                      x [A]             y [A]             z [A]       Atom"]
        for symbol, row in zip(atoms.symbols, atoms.positions, strict=True):
            lines += ["   atom     " + "".join(f"{x:18.8f}" for x in row) + f"  {symbol}"]
            lines += ["     velocity" + 3 * "        0.00000000"]
        lines += [60 * "-", ""]
    return "\n".join([*lines, "          Have a nice day.", 60 * "-", ""])
