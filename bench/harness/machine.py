"""What machine this is; results of two that differ are never compared."""
import hashlib
import hmac
import os
import platform
import re


def _read(path):
    try:
        with open(path) as f:
            return f.read().strip()
    except OSError:
        return None


def _chosen(path):
    """The word in brackets of a /sys file with alternatives."""
    found = re.search(r"\[(\w+)\]", _read(path) or "")
    return found.group(1) if found else None


def _cpu():
    text = _read("/proc/cpuinfo") or ""
    fields = dict(re.findall(r"^([^\t:]+?)\s*: (.*)$", text, re.M))
    name = fields.get("model name") or fields.get("CPU part", "unknown")
    return {"model": name, "virtual": "hypervisor" in fields.get("flags", "")}


def _identity():
    """Tells machines apart without naming them."""
    own = _read("/etc/machine-id") or ""
    return hmac.new(b"quarry-bench", own.encode(),
                    hashlib.sha256).hexdigest()[:12] if own else None


def describe():
    thp = "/sys/kernel/mm/transparent_hugepage/"
    total = re.search(r"MemTotal:\s+(\d+)", _read("/proc/meminfo") or "")
    try:
        libc = os.confstr("CS_GNU_LIBC_VERSION")
    except (OSError, ValueError):
        libc = None
    cpu = _cpu()
    return {
        "cpu": cpu["model"],
        "cpus": len(os.sched_getaffinity(0)),
        "virtual": cpu["virtual"],
        "memory_gib": round(int(total.group(1)) / 2 ** 20) if total else None,
        "page_kib": os.sysconf("SC_PAGE_SIZE") // 1024,
        "kernel": platform.release(),
        "arch": platform.machine(),
        "thp": _chosen(thp + "enabled"),
        "thp_defrag": _chosen(thp + "defrag"),
        "libc": libc or "unknown",
        "governor": _read("/sys/devices/system/cpu/cpu0/cpufreq/"
                          "scaling_governor"),
        "overcommit": _read("/proc/sys/vm/overcommit_memory"),
        "identity": _identity(),
    }


def line(m):
    """One line for the top of a table."""
    parts = [m["cpu"] + (" (virtual machine)" if m.get("virtual") else ""),
             f"{m['cpus']} CPUs", f"{m['memory_gib']} GiB",
             f"Linux {m['kernel']}", f"THP {m['thp']}", m["libc"],
             f"governor {m['governor'] or 'not readable'}"]
    return ", ".join(parts)


def cpu_seconds():
    """CPU time of the whole machine so far: (busy, stolen)."""
    tick = os.sysconf("SC_CLK_TCK")
    first = (_read("/proc/stat") or "cpu").splitlines()[0].split()[1:]
    v = [int(x) / tick for x in first] + [0] * 8
    return v[0] + v[1] + v[2] + v[5] + v[6], v[7]
