"""The allocators that are compared."""
import dataclasses
import glob
import hashlib
import os
import shlex
import subprocess

# What Debian brings: name, package, library.
PEERS = [
    ("jemalloc", "libjemalloc2", "libjemalloc.so.2"),
    ("mimalloc", "libmimalloc2.0", "libmimalloc.so.2"),
    ("tcmalloc", "libtcmalloc-minimal4", "libtcmalloc_minimal.so.4"),
    ("tbb", "libtbbmalloc2", "libtbbmalloc_proxy.so.2"),
]
FOREIGN = ("jemalloc", "tcmalloc", "mimalloc", "tbbmalloc", "snmalloc",
           "rpmalloc", "quarry")


class Unusable(Exception):
    """An allocator or a workload cannot be had here; says why."""


@dataclasses.dataclass
class Allocator:
    name: str
    preload: str = None         # a library, for LD_PRELOAD
    prefix: list = dataclasses.field(default_factory=list)
    folder: str = None          # of micro programs linked with it
    env: dict = dataclasses.field(default_factory=dict)
    is_libc: bool = False

    def record(self):
        out = {"name": self.name, "env": self.env}
        if self.preload:
            real = os.path.realpath(self.preload)
            with open(real, "rb") as f:
                digest = hashlib.sha256(f.read()).hexdigest()[:16]
            out.update(preload=os.path.basename(real), sha256=digest,
                       package=_package(real))
        if self.prefix:
            out["prefix"] = self.prefix
        if self.folder:
            out["static"] = True
        return out


def _package(path):
    for p in (path, path.removeprefix("/usr")):
        try:
            got = subprocess.run(["dpkg-query", "-S", p], capture_output=True,
                                 text=True)
        except OSError:
            return None
        if got.returncode == 0:
            name = got.stdout.split(":")[0]
            return name + " " + subprocess.run(
                ["dpkg-query", "-W", "-f", "${Version}", name],
                capture_output=True, text=True).stdout.split("\n")[0]
    return None


def _find_library(name):
    found = (glob.glob(f"/usr/lib/*-linux-gnu*/{name}")
             + glob.glob(f"/usr/lib64/{name}") + glob.glob(f"/usr/lib/{name}"))
    return found[0] if found else None


def parse(spec):
    """NAME=FILE.so, NAME=static:FOLDER, NAME=prefix:COMMAND, or the name of
    one that is there by default."""
    name, sep, what = spec.partition("=")
    if not name or (sep and not what):
        raise Unusable(f"--alloc {spec}: want NAME=FILE.so")
    if what.startswith("static:"):
        folder = os.path.abspath(what[len("static:"):])
        if not os.path.isdir(folder):
            raise Unusable(f"--alloc {spec}: no such folder")
        return Allocator(name, folder=folder)
    if what.startswith("prefix:"):
        return Allocator(name, prefix=shlex.split(what[len("prefix:"):]))
    if not os.path.isfile(what):
        raise Unusable(f"--alloc {spec}: no such file")
    return Allocator(name, preload=os.path.abspath(what))


def defaults(build, install):
    """libc, Quarry and Debian's, as far as they can be had; and the reasons
    why the others cannot.  @install(packages) says whether it worked."""
    have, why = [Allocator("libc", is_libc=True)], []
    quarry = os.path.join(build, "src", "libquarry.so")
    if os.path.isfile(quarry):
        have.append(Allocator("quarry", preload=quarry))
    else:
        why.append(f"quarry: {quarry} is not built")
    missing = [p for _, p, lib in PEERS if not _find_library(lib)]
    if missing:
        install(missing)
    for name, package, lib in PEERS:
        path = _find_library(lib)
        if path:
            have.append(Allocator(name, preload=path))
        else:
            why.append(f"{name}: Debian package {package} is missing")
    return have, why


def linked_foreign(program):
    """When a program is linked with an allocator of its own: the libc that
    must be preloaded to give libc its turn.  Otherwise nothing."""
    try:
        text = subprocess.run(["ldd", program], capture_output=True,
                              text=True).stdout
    except OSError:
        return None
    if not any(f in text for f in FOREIGN):
        return None
    for row in text.splitlines():
        if row.split()[:1] == ["libc.so.6"] and len(row.split()) > 2:
            return row.split()[2]
    return None
