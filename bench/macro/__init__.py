"""Macro workloads: one module is one real program doing one piece of work.

A module says in its first lines what the program does and why that tells
something about an allocator, and defines

    NEEDS               {program: Debian package that brings it}
    prepare(here, small)    write the inputs into the folder `here`, once
    command(here, small)    -> Command; it runs in a fresh, empty folder
    digest(output, ran_in)  optional: from the file with its standard output
                            and the folder it ran in, the bytes that must be
                            the same under every allocator (default: the
                            whole output)

The work is the same each time: no clock, no unseeded random number, no name
of a folder in the output.  `small` is about a third of the work, for --quick.
"""
import dataclasses
import random


@dataclasses.dataclass
class Command:
    """What to run: the program itself, never a shell or a compiler driver
    around it, so that one process is measured."""
    argv: list
    stdin: object = None        # a file to read, or nothing
    env: dict = dataclasses.field(default_factory=dict)
    client: str = None          # argv is a server; run this by sh beside it


def words(seed, count):
    """That many different-looking words, the same for the same seed."""
    r = random.Random(seed)
    letters = "abcdefghijklmnopqrstuvwxyz"
    return ["".join(r.choices(letters, k=r.randint(2, 10)))
            for _ in range(count)]
