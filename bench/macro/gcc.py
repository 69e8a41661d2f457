"""GCC's C++ compiler proper on one preprocessed unit of templates.

cc1plus keeps its trees in pages of its own collector and asks malloc for
everything else: bitmaps, vectors, hash tables, obstacks, and large blocks.
The collector's minimum is fixed, because by default it follows the size of
the machine's memory.
"""
import subprocess

from . import Command, cxx

NEEDS = {"g++": "g++"}


def prepare(here, small):
    (here / "unit.cc").write_text(cxx.source(1 if small else 4))
    subprocess.run(["g++", "-std=c++17", "-E", "-P", "unit.cc", "-o",
                    "unit.ii"], cwd=here, check=True)


def command(here, small):
    cc1plus = subprocess.run(["g++", "-print-prog-name=cc1plus"], check=True,
                             capture_output=True, text=True).stdout.strip()
    return Command([cc1plus, "-quiet", "-fpreprocessed", "-std=c++17", "-O1",
                    "--param=ggc-min-heapsize=131072",
                    "--param=ggc-min-expand=100", "-frandom-seed=1",
                    str(here / "unit.ii"), "-o", "-"])
