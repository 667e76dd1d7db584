"""Loading, the binary interface, errors, and the manual."""

import ctypes
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pyblo
from pyblo import _abi, _errors, _library

HERE = Path(__file__).resolve().parent
LEDGER = HERE.parents[2] / "tests" / "abi"


def imported(library):
    environment = dict(os.environ, BLO_LIBRARY=str(library))
    command = [sys.executable, "-c", "import pyblo"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=HERE)


def test_a_library_that_is_not_there_or_not_ours_is_refused(tmp_path):
    missing = imported(tmp_path / "missing.so")
    assert missing.returncode == 1
    assert f"cannot load the blo library: {tmp_path}/missing.so" in missing.stderr
    assert f"tried BLO_LIBRARY={tmp_path}/missing.so" in missing.stderr
    (tmp_path / "text.so").write_text("no library")
    assert "cannot load the blo library" in imported(tmp_path / "text.so").stderr


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
@pytest.mark.parametrize(
    "source, words",
    [
        ("int blo_abi_version(void) { return 7; }", "found version 7 of the binary interface, expected 0"),
        ("int blo_abi_version(void) { return 0; }", "is not the blo library of this package"),
        ("int other(void) { return 0; }", "is not the blo library of this package"),
    ],
)
def test_another_binary_interface_is_refused(tmp_path, source, words):
    (tmp_path / "other.c").write_text(source)
    library = tmp_path / "other.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, tmp_path / "other.c"], check=True)
    assert words in imported(library).stderr


def test_the_package_says_where_it_looked(tmp_path):
    package = tmp_path / "pyblo"
    shutil.copytree(Path(pyblo.__file__).parent, package, ignore=shutil.ignore_patterns("*.so", "*.dylib", "*.dll"))
    environment = {name: value for name, value in os.environ.items() if name != "BLO_LIBRARY"}
    environment["PYTHONPATH"] = str(tmp_path)
    command = [sys.executable, "-c", "import pyblo"]
    found = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert f"tried BLO_LIBRARY (not set), {package}" in found.stderr


def test_structs_have_the_layout_of_the_ledger():
    checked = 0
    for line in (LEDGER / "layout.txt").read_text().splitlines():
        name, *words = line.split()
        if words[0] == "size":
            struct = getattr(_abi, name)
            assert [ctypes.sizeof(struct), ctypes.alignment(struct)] == [int(words[1]), int(words[3])], line
        else:
            struct, field = name.split(".")
            field = getattr(getattr(_abi, struct), field)
            assert [field.offset, field.size] == [int(words[1]), int(words[3])], line
        checked += 1
    assert checked > 150


def test_every_status_has_its_exception():
    statuses = {value for name, value in vars(_abi).items() if name.startswith("BLO_ERR_")}
    assert statuses == set(_errors._CLASSES)
    for status, kind in _errors._CLASSES.items():
        assert issubclass(kind, pyblo.Error) and getattr(pyblo, kind.__name__) is kind and kind.__doc__
        assert kind("text").status == status
    assert type(_errors.error(_library.LIBRARY, -99)) is pyblo.Error


def test_long_messages_are_whole():
    with pytest.raises(pyblo.FileError) as caught:
        pyblo.Runner.resume(pyblo.Problem.quadratic([[1.0]], [[1.0]], [[1.0]]), "/nowhere/" + "a" * 3000)
    assert "a" * 3000 in str(caught.value)


def test_the_manual_is_there():
    assert pyblo.manual("blo").startswith("blo: numerical kernels")
    assert "H^-1 (partial F / partial w)" in pyblo.manual("blo_hypergradient_f64")
    assert pyblo.manual("blo_report").startswith("What a solve tells about itself")
    with pytest.raises(pyblo.InvalidError, match="name: found 'nothing'"):
        pyblo.manual("nothing")


def test_versions_and_capabilities():
    assert pyblo.__version__ == pyblo.version() == "0.1.0"
    assert pyblo.capabilities() <= {"avx2", "avx512", "cuda"}


def test_every_public_name_has_a_docstring():
    for name in pyblo.__all__:
        thing = getattr(pyblo, name)
        assert thing.__doc__, name
        if isinstance(thing, type):
            for attribute, value in vars(thing).items():
                if not attribute.startswith("_") and (callable(value) or isinstance(value, (property, classmethod))):
                    assert value.__doc__, f"{name}.{attribute}"


def test_frameworks_are_imported_only_when_asked_for():
    program = "import sys, pyblo; assert not {'jax', 'torch'} & set(sys.modules); assert not hasattr(pyblo, 'nothing')"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=HERE)
