#!/bin/sh
# Whether what benchmarks print is what the driver reads: JSON lines, each a
# value or a series, with one case's answers under one name.
# Usage: check.sh PROGRAM...
set -eu
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for program; do
	: >"$out"
	"$program" --quick --json "$out"
	/usr/bin/python3 - "$program" "$out" <<'E'
import json
import math
import os
import sys

program, path = sys.argv[1:]
name = os.path.basename(program).removeprefix("bench-").split("-")[0]
answers, seen = 0, set()
for line in open(path):
    row = json.loads(line)
    assert row["bench"] == name, row
    key = (row["case"], row.get("metric"), row.get("series"))
    assert key not in seen, key
    seen.add(key)
    if "series" in row:
        assert len(row["x"]) == len(row["y"]) > 0, row
    else:
        assert math.isfinite(row["value"]) and row["value"] >= 0, row
        assert row["better"] in ("less", "more"), row
        answers += not row.get("secondary", False)
    assert row["unit"], row
assert answers > 0, path
E
done
# what is not an option is refused
if "$1" --nonsense 2>/dev/null; then
	echo "FAILED: $1 takes --nonsense"
	exit 1
fi
