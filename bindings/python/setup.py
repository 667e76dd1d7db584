"""Puts the library into the wheel: the one that BLO_LIBRARY names, or what cargo builds from this checkout."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel
from setuptools.command.build_py import build_py

NAME = {"darwin": "libblo.dylib", "win32": "blo.dll"}.get(sys.platform, "libblo.so")
ROOT = Path(__file__).resolve().parents[2]


def library() -> Path:
    """The path of a shared library."""
    chosen = os.environ.get("BLO_LIBRARY")
    if chosen:
        if not Path(chosen).is_file():
            raise SystemExit(f"BLO_LIBRARY: found {chosen}, expected the path of a shared library")
        return Path(chosen)
    if not (ROOT / "src" / "ffi").is_dir() or shutil.which("cargo") is None:
        raise SystemExit(f"no blo library: needs cargo and the sources at {ROOT}, or BLO_LIBRARY with the path of one")
    # Cargo itself knows where it puts the library.
    command = ["cargo", "build", "--release", "--lib", "--message-format=json-render-diagnostics"]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    for line in output.splitlines():
        message = json.loads(line)
        if message.get("reason") == "compiler-artifact" and message["target"]["name"] == "blo":
            for file in message["filenames"]:
                if Path(file).name == NAME:
                    return Path(file)
    raise SystemExit(f"cargo built no {NAME}")


class BuildWithLibrary(build_py):
    """The modules, and the library beside them."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            shutil.copy2(library(), Path(__file__).parent / "src" / "pyblo" / NAME)
        else:
            shutil.copy2(library(), Path(self.build_lib) / "pyblo" / NAME)


class WithLibrary(Distribution):
    """So that everything goes where platforms differ."""

    def has_ext_modules(self) -> bool:
        return True


class PlatformWheel(bdist_wheel):
    """No extension module, so any Python 3; a library, so one platform."""

    def get_tag(self) -> tuple:
        return "py3", "none", super().get_tag()[2]


setup(distclass=WithLibrary, cmdclass={"build_py": BuildWithLibrary, "bdist_wheel": PlatformWheel})
