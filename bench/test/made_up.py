"""Result files made up for tests."""
import json
import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

MACHINE = {"type": "machine", "cpu": "Made-up CPU", "cpus": 4,
           "virtual": False, "memory_gib": 8, "page_kib": 4,
           "kernel": "6.1.0", "arch": "x86_64", "thp": "madvise",
           "thp_defrag": "madvise", "libc": "glibc 2.36", "governor": None,
           "overcommit": "0", "identity": "0123456789ab"}


def plan(allocators, workloads, **changes):
    return dict({
        "type": "plan", "seed": 1, "quick": False, "rounds": {},
        "allocators": [{"name": a, "env": {}} for a in allocators],
        "workloads": [{"name": w, "kind": k, "question": "Why?"}
                      for w, k in workloads]}, **changes)


def run(workload, alloc, block, cpu=1.0, **changes):
    """@cpu: seconds of it; memory and faults follow."""
    return dict({
        "type": "run", "workload": workload, "alloc": alloc, "block": block,
        "place": 0, "ok": True, "exit": 0, "signal": 0, "timed_out": False,
        "elapsed_s": cpu, "user_s": cpu * 0.75, "sys_s": cpu * 0.25,
        "rss_kib": round(1000 * cpu), "minor_faults": 7, "major_faults": 0,
        "faults": round(100 * cpu), "other_cpu_s": 0.0, "stolen_s": 0.0,
        "sample_ms": [0, 10, 20], "sample_kib": [1, 20, 10]}, **changes)


def lines(*records):
    return "".join(json.dumps(r) + "\n" for r in records)
