"""The work of python3 with PYTHONMALLOC=malloc: every object from malloc.

This is how CPython is run under a sanitizer or a heap profiler, and it is a
fair picture of an interpreter that has no arenas of its own.
"""
from . import python3

NEEDS = python3.NEEDS
prepare = python3.prepare


def command(here, small):
    # -I would ignore the variable.
    c = python3.command(here, small)
    c.argv.remove("-I")
    c.env = {"PYTHONMALLOC": "malloc", "PYTHONHASHSEED": "0"}
    return c
