"""The report: one HTML file that needs nothing else."""
import pathlib

from . import plots, series, summary
from .summary import TITLES, by_workload
from .svg import Linear, Log, Places, esc, short
from .table import failures, notes

STYLE = pathlib.Path(__file__).with_name("style.css")
# Which ratios get a plot of their own, and what it is called.
PLOTS = [
    ("macro", "time", "CPU time of real programs"),
    ("macro", "rss", "Peak resident set of real programs"),
    ("macro", "faults", "Page faults of real programs"),
    ("micro", "time", "Time of micro programs"),
    ("micro", "memory", "Memory kept against live, micro programs"),
    ("micro", "faults", "Page faults of micro programs"),
    ("micro", "latency", "Slowest call in ten thousand"),
    ("reclaim", "memory", "Memory left after freeing"),
    ("reclaim", "time", "CPU time of a heap that goes up and down"),
    ("trace", "time", "Time of replayed traces"),
    ("trace", "rss", "Peak resident set of replayed traces"),
]
SMALL_GIVES = """A ratio below 1 is less than the base's, which is the line
at 1. Each comes from runs side by side, within one block; the whisker is its
95 % interval over the blocks, and none is drawn where there was one block. A
head at its end means that it goes on. Hover a mark for its figures."""


def _ratio_cell(one, best):
    if one is None:
        return "<td>–</td>"
    exact = one.low == one.high     # the base against itself
    interval = ("" if one.low is None or exact else
                f"<small>{one.low:.2f} to {one.high:.2f}</small>")
    mark = ' class="best"' if best else ""
    return f"<td{mark}>{one.value:.2f}{interval}</td>"


def _table(head, rows):
    head = "".join(f"<th>{esc(h)}</th>" for h in head)
    return (f'<div class="wide"><table><tr>{head}</tr>'
            + "".join(f"<tr>{r}</tr>" for r in rows) + "</table></div>")


def _ratio_rows(rows, names, base):
    """@rows: [(label, with ratios, best and against_peer)]"""
    out = []
    for label, one in rows:
        cells = "".join(_ratio_cell(one.ratios.get(n), n == one.best)
                        for n in names)
        out.append(f"<td>{esc(label)}</td>{cells}" + (
            _ratio_cell(one.against_peer, False) +
            f"<td>{esc(one.best_peer)}</td>" if one.against_peer
            else "<td></td><td></td>"))
    return _table([f"{base} = 1"] + names +
                  [f"{summary.SUBJECT} / best", "best peer"], out)


def _means(means, names, base):
    rows = [(f"{m.group} {TITLES[m.kind]} ({m.workloads})", m) for m in means]
    return (plots.ratios("Geometric means", [(label, m.ratios)
                                             for label, m in rows],
                         names, base) + _ratio_rows(rows, names, base))


def _absolute(rows, names):
    """Median and quartiles of what was measured, in its own unit."""
    out = []
    for r in rows:
        cells = ""
        for n in names:
            spread = r.item.spread(n)
            cells += "<td>–</td>" if spread is None else (
                f"<td>{short(spread[1])}<small>{short(spread[0])} to "
                f"{short(spread[2])}, {len(r.item.values[n])}</small></td>")
        out.append(f"<td>{esc(r.item.label.split('/', 1)[1])}<small>"
                   f"{esc(r.item.metric)}, {esc(r.item.unit)}</small></td>"
                   + cells)
    return _table([""] + names, out)


def _details(title, content):
    return f"<details><summary>{esc(title)}</summary>{content}</details>"


def _ratio_section(results, rows, group, kind, title):
    names, base = results.allocators, summary.base_of(results)
    some = [r for r in rows if r.item.counts and r.item.group == group and
            r.item.kind == kind and r.ratios]
    if not some:
        return ""
    merged = by_workload(some, names, base)
    out = [f"<h3>{esc(title)}</h3>", plots.ratios(
        title, [(label, ratios) for label, ratios in merged], names, base)]
    single = [(r.item.label.split("/", 1)[1] +
               ("" if len(some) == len(merged) else f": {r.item.metric}"), r)
              for r in some]
    out.append(_details("Every case", _ratio_rows(single, names, base)))
    out.append(_details("Median, quartiles, number of runs",
                        _absolute(some, names)))
    return "".join(out)


def _lines(results, curves, live=None):
    order = {n: i for i, n in enumerate(results.allocators)}
    out = [(order[n], n, points) for n, points in curves.items()]
    # the subject last, on top of the others
    out.sort(key=lambda one: (one[1] == summary.SUBJECT, one[0]))
    return out + ([(None, "live", live)] if live else [])


def _grid(figures):
    return f'<div class="grid-of">{"".join(figures)}</div>' if figures else ""


def _live_of(results, workload, case):
    found = series.typical(results, workload, case, "live")
    return next(iter(found.values()), None)


def _memory_figures(results, group):
    """RSS against time, as the launcher saw it."""
    live_case = {w: c for w, c, _ in series.names(results, "live")}
    out = []
    for w in results.workloads:
        got = series.resident(results, w) if w.split("/")[0] == group else {}
        if got:
            live = (_live_of(results, w, live_case[w])
                    if group == "reclaim" and w in live_case else None)
            out.append(plots.curves(
                w.split("/")[1], _lines(results, got, live),
                ("seconds", Linear), ("RSS, MiB", Linear)))
    return _grid(out)


def _own_memory_figures(results):
    """RSS against the program's own steps: phases, calls of a trace."""
    out = []
    for w, case, _ in series.names(results, "rss"):
        got = series.typical(results, w, case, "rss")
        axis = "calls" if w.startswith("trace/") else "phases"
        if axis == "calls":
            got = {n: [(x / 1e3, y) for x, y in p] for n, p in got.items()}
        live = _live_of(results, w, case)
        if live and axis == "calls":
            live = [(x / 1e3, y) for x, y in live]
        short_name = w.split("/")[1]
        out.append(plots.curves(
            short_name if case == short_name else f"{short_name}, {case}",
            _lines(results, got, live),
            ("thousand calls" if axis == "calls" else axis, Linear),
            ("RSS, MiB", Linear)))
    return _grid(out)


def _series_figures(results, name, x, y):
    out = []
    for w, case, _ in series.names(results, name):
        got = series.medians(results, w, case, name)
        out.append(plots.curves(f"{w.split('/')[1]}, {case}",
                                _lines(results, got), x, y, marks=True))
    return _grid(out)


def _section(title, note, content):
    if not content:
        return ""
    return (f"<h2>{esc(title)}</h2>" + (f"<p>{note}</p>" if note else "") +
            content)


def _allocators(results):
    rows = []
    for a in results.plan["allocators"]:
        what = a.get("package") or a.get("preload") or (
            "linked in" if a.get("static") else results.machine["libc"]
            if a["name"] == summary.BASE else "")
        env = " ".join(f"{k}={v}" for k, v in a["env"].items())
        rows.append(f"<td>{esc(a['name'])}</td><td>{esc(what)}</td>"
                    f"<td>{esc(a.get('sha256', ''))}</td><td>{esc(env)}</td>")
    return _table(["allocator", "what", "file's hash", "environment"], rows)


def _questions(results):
    return "<ul>" + "".join(
        f"<li><b>{esc(w)}</b>: {esc(results.question(w))}</li>"
        for w in results.workloads) + "</ul>"


def _trouble(results):
    out = [f'<p class="failed">{esc(t)}</p>' for t in failures(results)]
    out += [f"<p>left out {esc(s['what'])}: {esc(s['why'])}</p>"
            for s in results.skips]
    out += [f"<p>{esc(n)}</p>" for n in notes(results)]
    return "".join(out) or "<p>Nothing failed and nothing was left out.</p>"


def _span(counts):
    few, many = counts[0], counts[-1]
    return (f"{few} to {many} blocks" if few != many else
            f"{few} block{'s' if few > 1 else ''} each")


def page(results, rows, means, machine_line):
    names, base = results.allocators, summary.base_of(results)
    blocks = {}
    for r in results.runs:
        blocks.setdefault(r["workload"], set()).add(r["block"])
    counts = sorted(len(b) for b in blocks.values())
    ratio_plots = "".join(_ratio_section(results, rows, *one) for one in PLOTS)
    body = [
        "<h1>Allocators side by side</h1>",
        f'<p class="machine">{esc(machine_line)}</p>',
        f'<p class="soft">{len(results.runs)} runs in '
        f"{_span(counts)} of {len(blocks)} workloads, "
        f"seed {results.plan['seed']}"
        + (", small inputs (--quick)" if results.plan["quick"] else "")
        + ("" if results.end else ", cut off before its end") + "</p>",
        plots.legend(names),
        _section("In short", SMALL_GIVES, _means(means, names, base)),
        _section("Ratio per workload", "Where a workload has several cases, "
                 "its mark is their geometric mean.", ratio_plots),
        _section("Freed memory over time",
                 "Resident set of the process in the run of the middle; "
                 "dotted: bytes that live, in libc's run. A run that takes "
                 "more than twice as long as the middle one is cut "
                 "off.",
                 _memory_figures(results, "reclaim")),
        _section("Memory of real programs over time",
                 "Resident set in the run of the middle.",
                 _memory_figures(results, "macro")),
        _section("Memory over phases and traces",
                 "Resident heap against the program's own steps; dotted: "
                 "bytes that live.", _own_memory_figures(results)),
        _section("Scaling", "Pairs of malloc and free per second, all "
                 "threads together; medians.",
                 _series_figures(results, "throughput", ("threads", Places),
                                 ("pairs/s", Linear))),
        _section("Latency", "Of a single call, by percentile; medians of the "
                 "runs, logarithmic.",
                 _series_figures(results, "percentiles",
                                 ("percentile", Places), ("ns", Log))),
        _section("What failed, what was left out, what disturbed", "",
                 _trouble(results)),
        _section("What was compared", "", _allocators(results)),
        _section("The questions", "", _questions(results)),
        _section("What may be claimed", CLAIMS, " "),
    ]
    return ('<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width">'
            "<title>Allocators side by side</title>"
            f"<style>{STYLE.read_text()}</style></head><body>"
            + "\n".join(body) + "</body></html>\n")


CLAIMS = """Only ratios, only of this machine, and only as sure as their
interval: where it includes 1, the two were not told apart. Micro programs ask
one question each and say nothing about a program; a replayed trace repeats the
calls of a program but not what it does with its memory. See bench/README.md."""
