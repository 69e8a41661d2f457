"""Result files: JSON lines, one per run, nothing dropped.

	{"type":"machine", ...}     what it ran on
	{"type":"plan", ...}        seed, allocators, workloads, rounds
	{"type":"skip", ...}        a workload or allocator that was not had
	{"type":"reference", ...}   libc's first run, which sets the output
	{"type":"run", ...}         one run, with "ok" and, if not, "why"
	{"type":"end", ...}         absent when it was cut off
"""
import dataclasses
import json
import pathlib

from . import machine_differences
from .stats import quartiles

# What a number counts as, by its unit; see Item.
TIME_UNITS = {"ns", "us", "ms", "s"}
MEMORY_UNITS = {"B", "KiB", "MiB", "ratio"}
# Below this a value says nothing more, and its logarithm too much.
FLOOR = {"faults": 0.1, "memory": 1e-3}


class Different(Exception):
    """Results that must not be put side by side; says why."""


@dataclasses.dataclass
class Item:
    """One number of one workload, for every allocator and block.

    kind: time, latency, rss (peak of the process), memory (resident against
    live and the like), faults, elapsed.  Only items with `counts` go into
    geometric means; the others explain."""
    workload: str
    case: str
    metric: str
    unit: str
    kind: str
    counts: bool
    better: str = "less"
    values: dict = dataclasses.field(default_factory=dict)

    @property
    def group(self):
        return self.workload.split("/")[0]

    @property
    def label(self):
        return self.workload + (f" [{self.case}]" if self.case else "")

    def add(self, alloc, block, value):
        self.values.setdefault(alloc, {})[block] = value

    def spread(self, alloc):
        """(first quartile, median, third quartile) as measured, or None."""
        values = self.values.get(alloc)
        return quartiles(values.values()) if values else None

    def costs(self, alloc):
        """{block: value}, turned so that less is better, and positive."""
        floor = FLOOR.get(self.kind, 0)
        out = {}
        for block, value in self.values.get(alloc, {}).items():
            value = max(value, floor)
            if value > 0:
                out[block] = 1 / value if self.better == "more" else value
        return out


class Results:
    def __init__(self):
        self.machine, self.plan, self.end = None, None, None
        self.runs, self.skips, self.references = [], [], {}

    @property
    def allocators(self):
        return [a["name"] for a in self.plan["allocators"]]

    @property
    def workloads(self):
        """Names in the plan's order, of those that were run."""
        ran = {r["workload"] for r in self.runs}
        return [w["name"] for w in self.plan["workloads"] if w["name"] in ran]

    def question(self, workload):
        for w in self.plan["workloads"]:
            if w["name"] == workload:
                return w["question"]
        return ""

    def failures(self):
        """{(workload, alloc): [why, ...]}"""
        out = {}
        for r in self.runs:
            if not r["ok"]:
                out.setdefault((r["workload"], r["alloc"]), []).append(
                    r["why"])
        return out

    def disturbance(self):
        """CPU time that others had while runs went on, per elapsed second."""
        wall = sum(r.get("elapsed_s", 0) for r in self.runs) or 1
        return (sum(r.get("other_cpu_s", 0) for r in self.runs) / wall,
                sum(r.get("stolen_s", 0) for r in self.runs) / wall)


def load(path):
    out = Results()
    try:
        text = pathlib.Path(path).read_text()
    except OSError as e:
        raise Different(f"{path}: {e.strerror}") from None
    for number, line in enumerate(text.splitlines(True), 1):
        try:
            one = json.loads(line)
        except ValueError:
            if line.endswith("\n"):
                raise Different(f"{path}:{number}: not JSON") from None
            break               # cut off in the middle of a line
        if one["type"] == "run":
            out.runs.append(one)
        elif one["type"] == "skip":
            out.skips.append(one)
        elif one["type"] == "reference":
            out.references[one["workload"]] = one
        elif one["type"] in ("machine", "plan", "end"):
            setattr(out, one["type"], one)
    if not out.machine or not out.plan:
        raise Different(f"{path}: not a result file")
    return out


def _faults_of(runs):
    """perf's count where every run has it; otherwise wait4's."""
    exact = all(r.get("faults") is not None for r in runs if r["ok"])
    if exact:
        return "page faults", lambda r: r["faults"]
    return "page faults (populated pages too)", lambda r: (
        r["minor_faults"] + r["major_faults"])


def _process_items(group):
    """(metric, unit, kind, counts, of a run)"""
    own = group == "macro"
    # a scenario's peak is given by its script
    out = [("peak RSS", "KiB", "rss", group != "reclaim",
            lambda r: r["rss_kib"])]
    if own:
        out.insert(0, ("CPU time", "s", "time", True,
                       lambda r: r["user_s"] + r["sys_s"]))
        out.append(("elapsed", "s", "elapsed", False,
                    lambda r: r["elapsed_s"]))
    return out


def _kind(workload_kind, line):
    if workload_kind == "latency" and line["unit"] in TIME_UNITS:
        return "latency"
    if line["unit"] in TIME_UNITS:
        return "time"
    if line["unit"] in MEMORY_UNITS:
        return "memory"
    if line["unit"] == "faults":
        return "faults"
    return "time" if line["unit"].endswith("/s") else "other"


def items(results):
    """Every number that was measured, as Items in a stable order."""
    kinds = {w["name"]: w["kind"] for w in results.plan["workloads"]}
    name, faults = _faults_of(results.runs)
    out = {}
    for r in results.runs:
        if not r["ok"]:
            continue
        w, alloc, block = r["workload"], r["alloc"], r["block"]
        group = w.split("/")[0]
        process = _process_items(group)
        if group == "macro":
            process.append((name, "faults", "faults", True, faults))
        for metric, unit, kind, counts, of in process:
            key = (w, "", metric)
            if key not in out:
                out[key] = Item(w, "", metric, unit, kind, counts)
            out[key].add(alloc, block, of(r))
        for one in r.get("metrics", []):
            key = (w, one["case"], one["metric"])
            if key not in out:
                kind = _kind(kinds[w], one)
                out[key] = Item(w, one["case"], one["metric"], one["unit"],
                                kind, kind != "other" and
                                not one.get("secondary"), one["better"])
            out[key].add(alloc, block, one["value"])
    place = {w: i for i, w in enumerate(results.workloads)}
    return sorted(out.values(), key=lambda i: place[i.workload])


def join(several):
    """Put result files of one machine together, blocks numbered on."""
    first, *more = several
    seen = [list(first.runs)]
    next_block = {}
    for r in first.runs:
        next_block[r["workload"]] = max(next_block.get(r["workload"], 0),
                                        r["block"] + 1)
    for one in more:
        different = machine_differences(first.machine, one.machine)
        if different:
            raise Different("these results come from different machines:\n  "
                            + "\n  ".join(different))
        for w, ref in one.references.items():
            known = first.references.setdefault(w, ref)
            if known.get("digest") != ref.get("digest"):
                raise Different(f"{w}: not the same work in both files")
        for a in one.plan["allocators"]:
            same = [b for b in first.plan["allocators"]
                    if b["name"] == a["name"]]
            if same and same[0] != a:
                raise Different(f"allocator {a['name']} is not the same in "
                                "both files")
            if not same:
                first.plan["allocators"].append(a)
        if one.runs in seen:
            raise Different("the same results twice")
        seen.append(one.runs)
        known = {w["name"] for w in first.plan["workloads"]}
        first.plan["workloads"] += [w for w in one.plan["workloads"]
                                    if w["name"] not in known]
        first.skips += one.skips
        added = dict(next_block)
        for r in one.runs:
            w = r["workload"]
            block = r["block"] + added.get(w, 0)
            first.runs.append(dict(r, block=block))
            next_block[w] = max(next_block.get(w, 0), block + 1)
    return first
