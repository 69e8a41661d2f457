"""Curves out of the raw runs, one per allocator."""
import statistics


def _good_runs(results, workload, alloc):
    return [r for r in results.runs if r["ok"] and
            r["workload"] == workload and r["alloc"] == alloc]


def _typical(runs):
    """The run of the middle by elapsed time: a real curve, no mixture."""
    order = sorted(runs, key=lambda r: r["elapsed_s"])
    return order[(len(order) - 1) // 2] if order else None


def names(results, series):
    """[(workload, case, unit)] that have a series of that name."""
    out = {}
    for r in results.runs:
        for s in r.get("series", []) if r["ok"] else []:
            if s["series"] == series:
                out[(r["workload"], s["case"], s["unit"])] = True
    place = {w: i for i, w in enumerate(results.workloads)}
    return sorted(out, key=lambda k: place[k[0]])


def _of_run(run, case, series):
    for s in run.get("series", []):
        if s["case"] == case and s["series"] == series:
            return list(zip(s["x"], s["y"]))
    return None


def medians(results, workload, case, series):
    """{alloc: [(x, median of y over the blocks)]}; every run has the same x."""
    out = {}
    for alloc in results.allocators:
        at = {}
        for run in _good_runs(results, workload, alloc):
            for x, y in _of_run(run, case, series) or []:
                at.setdefault(x, []).append(y)
        if at:
            out[alloc] = [(x, statistics.median(ys))
                          for x, ys in sorted(at.items())]
    return out


def typical(results, workload, case, series):
    """{alloc: [(x, y)]} of the run of the middle."""
    out = {}
    for alloc in results.allocators:
        run = _typical(_good_runs(results, workload, alloc))
        points = _of_run(run, case, series) if run else None
        if points:
            out[alloc] = points
    return out


def _without_tails(curves):
    """One allocator that takes very long must not squeeze the others."""
    ends = [points[-1][0] for points in curves.values()]
    end = 2 * statistics.median(ends) if ends else 0
    return {a: [p for p in points if p[0] <= end]
            for a, points in curves.items()}


def resident(results, workload):
    """{alloc: [(s, MiB)]}: what the launcher saw in the run of the middle."""
    out = {}
    for alloc in results.allocators:
        run = _typical(_good_runs(results, workload, alloc))
        if run and len(run.get("sample_ms", [])) > 1:
            out[alloc] = [(ms / 1000, kib / 1024) for ms, kib in
                          zip(run["sample_ms"], run["sample_kib"])]
    return _without_tails(out)
