"""From raw results to statistics, tables and a report."""


def machine_differences(a, b):
    """The fields in which two machine records differ, as text."""
    return [f"{k}: {a.get(k)} against {b.get(k)}"
            for k in sorted((set(a) | set(b)) - {"type"})
            if a.get(k) != b.get(k)]
