"""Everything that can be run: micro programs, traces and real programs."""
import fnmatch
import hashlib
import importlib
import json
import os
import pkgutil
import shutil

import macro
from macro import Command

from . import machine
from .allocators import Unusable, linked_foreign


# The group of a program by its kind in list.json; others are micro.
GROUPS = {"trace": "trace", "reclaim": "reclaim", "always": "reclaim"}


class Workload:
    """group is micro, reclaim, trace or macro; name is GROUP/SHORT."""

    def __init__(self, group, short, question):
        self.group, self.short, self.question = group, short, question
        self.name = f"{group}/{short}"
        self.kind = group
        self.reference = None       # hash of what libc's run printed
        self.libc_preload = None    # see linked_foreign()

    def needs(self):
        """{program: Debian package}"""
        return {}

    def prepare(self, folder):
        pass

    def suits(self, alloc):
        return alloc.folder is None

    def command(self, alloc, ran_in):
        raise NotImplementedError

    def finish(self, output, ran_in):
        """What a run left: {"digest":.., "metrics":.., "series":..}"""
        raise NotImplementedError


class Micro(Workload):
    """A program that measures itself and writes JSON lines."""

    def __init__(self, entry, small, long):
        group = GROUPS.get(entry["kind"], "micro")
        super().__init__(group, entry["name"].removeprefix("trace-"),
                         entry["question"])
        self.kind = entry["kind"]
        self.path = entry["path"]
        # scenarios wait for seconds as it is; their full size is the question
        self.long = long or group == "reclaim" and not small

    def suits(self, alloc):
        return alloc.folder is None or os.path.exists(self._path(alloc))

    def _path(self, alloc):
        if alloc.folder:
            return os.path.join(alloc.folder, os.path.basename(self.path))
        return self.path

    def prepare(self, folder):
        if not os.path.exists(self.path):
            raise Unusable(f"{os.path.basename(self.path)} is not built")
        if self.kind == "always" and machine.describe()["thp"] != "always":
            raise Unusable("huge pages are not \"always\" on this system")

    def command(self, alloc, ran_in):
        argv = [self._path(alloc), "--json", os.path.join(ran_in, "lines")]
        return Command(argv + ([] if self.long else ["--quick"]))

    def finish(self, output, ran_in):
        metrics, series = [], []
        with open(os.path.join(ran_in, "lines")) as f:
            for text in f:
                one = json.loads(text)
                (metrics if "metric" in one else series).append(one)
        return {"metrics": metrics, "series": series}


class Macro(Workload):
    """A real program."""

    def __init__(self, short, module, small):
        question = module.__doc__.split("\n")[0]
        super().__init__("macro", short, question)
        self.module, self.small, self.folder = module, small, None

    def needs(self):
        return self.module.NEEDS

    def prepare(self, folder):
        for program, package in self.needs().items():
            if not shutil.which(program):
                raise Unusable(f"{program} is not installed (Debian package "
                               f"{package})")
        self.folder = folder
        self.module.prepare(folder, self.small)
        program = shutil.which(self.module.command(folder, self.small).argv[0])
        self.libc_preload = linked_foreign(os.path.realpath(program))

    def command(self, alloc, ran_in):
        return self.module.command(self.folder, self.small)

    def finish(self, output, ran_in):
        if hasattr(self.module, "digest"):
            data = self.module.digest(output, ran_in)
        else:
            data = output.read_bytes()
        return {"digest": hashlib.sha256(data).hexdigest()[:16]}


def available(build, small, long):
    """Every workload there is, in a fixed order."""
    out = []
    try:
        with open(os.path.join(build, "bench", "list.json")) as f:
            out = [Micro(e, small, long) for e in json.load(f)]
    except OSError:
        pass
    for info in sorted(pkgutil.iter_modules(macro.__path__),
                       key=lambda i: i.name):
        module = importlib.import_module("macro." + info.name)
        if hasattr(module, "command"):
            out.append(Macro(info.name, module, small))
    return out


def select(workloads, globs):
    """Those whose full or short name matches one of the patterns."""
    if not globs:
        return workloads
    return [w for w in workloads
            if any(fnmatch.fnmatch(w.name, g) or fnmatch.fnmatch(w.short, g)
                   for g in globs)]
