"""What the numbers say: ratios to libc and to the best peer, and means."""
import dataclasses

from . import machine_differences
from .results import Different, items
from .stats import geomean, log_ratios, quotient, ratio

BASE = "libc"
SUBJECT = "quarry"
# The means that answer the question, in the order of a table.
MEANS = [("macro", "time"), ("macro", "rss"), ("macro", "faults"),
         ("micro", "time"), ("micro", "rss"), ("micro", "memory"),
         ("micro", "faults"), ("micro", "latency"),
         ("reclaim", "memory"), ("reclaim", "time"),
         ("trace", "time"), ("trace", "rss")]
TITLES = {"time": "CPU", "rss": "peak RSS", "faults": "page faults",
          "memory": "memory kept", "latency": "latency p99.99"}


@dataclasses.dataclass
class Row:
    """One item: {alloc: Ratio to the base}, and who is best."""
    item: object
    ratios: dict
    best: str = None
    best_peer: str = None
    against_peer: object = None     # the subject to the best peer


@dataclasses.dataclass
class Mean:
    group: str
    kind: str
    workloads: int
    ratios: dict
    best: str = None
    best_peer: str = None
    against_peer: object = None
    left_out: list = dataclasses.field(default_factory=list)


def _lowest(ratios, without=None):
    names = [a for a in ratios if a != without and ratios[a] is not None]
    return min(names, key=lambda a: ratios[a].log, default=None)


def base_of(results):
    return BASE if BASE in results.allocators else results.allocators[0]


def _row(item, names, base):
    costs = {a: item.costs(a) for a in names}
    ratios = {a: ratio(log_ratios(costs[a], costs[base])) for a in names}
    ratios = {a: r for a, r in ratios.items() if r is not None}
    row = Row(item, ratios, _lowest(ratios), _lowest(ratios, SUBJECT))
    if SUBJECT in ratios and row.best_peer:
        row.against_peer = ratio(log_ratios(costs[SUBJECT],
                                            costs[row.best_peer]))
    return row


def rows(results):
    names, base = results.allocators, base_of(results)
    return [_row(i, names, base) for i in items(results)]


def by_workload(some, names, base):
    """[(workload's short name, {alloc: Ratio})]: the cases of one workload
    taken together."""
    out = {}
    for row in some:
        out.setdefault(row.item.workload, []).append(row)
    return [(w.split("/", 1)[1],
             {a: geomean([[log_ratios(r.item.costs(a), r.item.costs(base))
                           for r in cases]])
              for a in names if all(a in r.ratios for r in cases)})
            for w, cases in out.items()]


def _by_workload(some, above, below):
    """[[{block: log ratio}, ...] per workload]"""
    out = {}
    for row in some:
        out.setdefault(row.item.workload, []).append(
            log_ratios(row.item.costs(above), row.item.costs(below)))
    return list(out.values())


def _mean(group, kind, some, names, base):
    """The mean over the items that every allocator has; an allocator that
    lacks more than a fifth of them has no mean rather than a kind one."""
    have = {a: sum(a in r.ratios for r in some) for a in names}
    whole = [a for a in names if have[a] >= 0.8 * len(some)]
    common = [r for r in some if all(a in r.ratios for a in whole)]
    if not common:
        return None
    ratios = {a: geomean(_by_workload(common, a, base)) for a in whole}
    mean = Mean(group, kind, len({r.item.workload for r in common}), ratios,
                _lowest(ratios), _lowest(ratios, SUBJECT))
    mean.left_out = [r.item.label for r in some if r not in common]
    if SUBJECT in ratios and mean.best_peer:
        mean.against_peer = geomean(
            _by_workload(common, SUBJECT, mean.best_peer))
    return mean


def means(results, all_rows):
    names, base = results.allocators, base_of(results)
    out = []
    for group, kind in MEANS:
        some = [r for r in all_rows if r.item.counts and
                r.item.group == group and r.item.kind == kind]
        mean = _mean(group, kind, some, names, base) if some else None
        if mean:
            out.append(mean)
    return out


def record(results, all_rows, all_means):
    """Everything above as one object for --json."""
    def ratios(one):
        out = {"ratios": {a: r.record() for a, r in one.ratios.items()},
               "best": one.best, "best_peer": one.best_peer}
        if one.against_peer:
            out["subject_to_best_peer"] = one.against_peer.record()
        return out
    return {
        "machine": results.machine, "base": base_of(results),
        "allocators": results.plan["allocators"],
        "means": [dict(group=m.group, kind=m.kind, workloads=m.workloads,
                       left_out=m.left_out, **ratios(m)) for m in all_means],
        "rows": [dict(workload=r.item.workload, case=r.item.case,
                      metric=r.item.metric, unit=r.item.unit,
                      kind=r.item.kind, counts=r.item.counts,
                      quartiles={a: r.item.spread(a) for a in r.ratios},
                      **ratios(r))
                 for r in all_rows],
        "failures": [{"workload": w, "alloc": a, "why": why}
                     for (w, a), why in results.failures().items()],
        "skips": results.skips,
    }


def refuse_if_different(a, b):
    other = machine_differences(a.machine, b.machine)
    if other:
        raise Different("these results come from different machines:\n  " +
                        "\n  ".join(other))


def changed_work(a, b):
    """Workloads whose output differs: not the same work."""
    return {w for w in a.references if w in b.references and
            a.references[w].get("digest") != b.references[w].get("digest")}


def compare(a, b):
    """[(row label, metric, alloc, Ratio)]: how much an allocator's ratio to
    the base changed from a to b.  Drift of the machine between the two cancels,
    because each is a ratio within its own blocks."""
    refuse_if_different(a, b)
    skip = changed_work(a, b)
    old = {(r.item.label, r.item.metric): r for r in rows(a)}
    out = []
    for row in rows(b):
        before = old.get((row.item.label, row.item.metric))
        if not before or row.item.workload in skip or not row.item.counts:
            continue
        for alloc, now in row.ratios.items():
            if alloc in before.ratios and alloc != base_of(b):
                out.append((row, alloc,
                            quotient(now, before.ratios[alloc])))
    return out
