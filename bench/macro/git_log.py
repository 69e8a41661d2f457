"""git log with patches and rename detection over a packed history.

Inflates objects, diffs them, and drops both: blocks of a few hundred bytes
to some dozen KiB that live for one commit.
"""
from . import Command, history

NEEDS = {"git": "git"}


def prepare(here, small):
    history.make(here, 350 if small else 900, 60)


def command(here, small):
    return Command(["git", "--no-pager", "--git-dir", str(here / "repo"),
                    "log", "-p", "--stat", "-M", "--no-color", "--all"])
