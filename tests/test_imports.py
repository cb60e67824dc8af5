"""The shape of the package: who imports whom, and how large its files are."""

import ast
import functools
import statistics
from pathlib import Path

import pytest

import mliap_hybrid

PACKAGE = Path(mliap_hybrid.__file__).parent
LEVELS = (
    {"features", "kernels", "physics"},
    {"model"},
    {"model_files"},
    {"config", "data"},
    {"fitting", "lammps", "labelling", "reactions", "spectra"},
    {"report", "sgdml", "weak_supervision"},
    {"runs", "ase", "torch_sim"},
    {"learning"},
    {"cli"},
    {"testing"},
)
"""Packages and modules that import from lower levels, or without a cycle from their own; below them all are the other
modules of the uppermost folder."""

LARGEST_FILE, MEDIAN_FILE = 400, 150
"""Lines."""


def imports_of(source, modules):
    """Those of the modules that a source imports: at its top, in functions and for annotations alike."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            names = (f"{node.module}.{name.name}" for name in node.names)
            found |= {name if name in modules else node.module for name in names}
    return found & modules


@functools.cache
def module_graph(package=PACKAGE):
    """Dotted name of each module -> the modules that it imports."""
    files = {}
    for file in package.rglob("*.py"):
        parts = file.relative_to(package.parent).with_suffix("").parts
        files[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return {name: imports_of(file.read_text(), set(files)) for name, file in files.items()}


def folder_of(module, graph):
    """The folder of a module; one directly in the package stands for itself."""
    is_folder = any(other.startswith(f"{module}.") for other in graph)
    return module if is_folder or module.count(".") == 1 else module.rpartition(".")[0]


def folder_graph(graph):
    """Each folder -> the other folders from which its modules import."""
    folders = {}
    for module, imported in graph.items():
        of_module = folders.setdefault(folder_of(module, graph), set())
        of_module |= {folder_of(other, graph) for other in imported} - {folder_of(module, graph)}
    return folders


def cycles(graph):
    """Groups of nodes that reach each other (Tarjan's strongly connected components of more than one node)."""
    index, lowest, stack, groups = {}, {}, [], []

    def visit(node):
        index[node] = lowest[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
            if other in stack:
                lowest[node] = min(lowest[node], lowest[other])
        if lowest[node] == index[node]:
            group = stack[stack.index(node) :]
            del stack[-len(group) :]
            groups.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return [group for group in groups if len(group) > 1 or group[0] in graph[group[0]]]


def level_of(module):
    """Index in `LEVELS`, from 1; 0 for modules below all of them."""
    name = module.split(".")[1] if "." in module else ""
    return next((level for level, names in enumerate(LEVELS, start=1) if name in names), 0)


def test_cycles_are_found():
    graph = {"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a", "e"}, "e": {"e"}, "f": {"g"}, "g": set()}
    assert cycles(graph) == [["a", "b", "c"], ["e"]]
    source = """
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from p.of_annotations import Name
def function():
    import p.of_function
    from p import member, name_of_init
"""
    modules = {"p", "p.of_annotations", "p.of_function", "p.member", "p.not_imported"}
    assert imports_of(source, modules) == {"p", "p.of_annotations", "p.of_function", "p.member"}


def test_modules_have_no_import_cycle():
    assert cycles(module_graph()) == []


def test_folders_have_no_import_cycle():
    assert cycles(folder_graph(module_graph())) == []


def test_imports_lead_downwards():
    wrong = [
        f"{module} imports {other}"
        for module, imported in module_graph().items()
        for other in imported
        if level_of(other) > level_of(module)
    ]
    assert wrong == []


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("__init__.py")), ids=lambda file: file.parent.name)
def test_folders_only_hand_names_on(file):
    for node in ast.parse(file.read_text()).body:
        is_docstring = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_list = isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        assert is_docstring or is_list or isinstance(node, ast.ImportFrom), f"line {node.lineno}"


def test_files_are_short():
    lines = {
        str(file.relative_to(PACKAGE)): len(file.read_text().splitlines())
        for pattern in ("*.py", "*.cpp", "*.h")
        for file in PACKAGE.rglob(pattern)
    }
    assert {file: n for file, n in lines.items() if n > LARGEST_FILE} == {}
    of_modules = [n for file, n in lines.items() if file.endswith(".py") and not file.endswith("__init__.py")]
    assert statistics.median(of_modules) < MEDIAN_FILE
