"""Clang on one preprocessed unit of templates, in one process.

LLVM allocates far more objects from malloc than GCC does: its lists, maps
and small vectors are ordinary C++.
"""
import subprocess

from . import Command, cxx

NEEDS = {"clang-14": "clang-14", "g++": "g++"}


def prepare(here, small):
    (here / "unit.cc").write_text(cxx.source(1 if small else 5))
    subprocess.run(["clang++-14", "-std=c++17", "-E", "-P", "unit.cc", "-o",
                    "unit.ii"], cwd=here, check=True)


def command(here, small):
    return Command(["clang-14", "-x", "c++-cpp-output", "-std=c++17", "-O1",
                    "-S", "-w", str(here / "unit.ii"), "-o", "-"])
