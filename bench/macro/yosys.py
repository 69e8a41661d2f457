"""Yosys turning a generated circuit into gates.

Ordinary C++ with dictionaries, strings and vectors everywhere: of the
programs here it gains most from a fast allocator.
"""
import random

from . import Command

NEEDS = {"yosys": "yosys"}


def prepare(here, small):
    r = random.Random(51)
    n = 7 if small else 26
    lines = ["module top(input clk, input [31:0] a, input [31:0] b,"
             " output reg [31:0] o);"]
    lines += [f"reg [31:0] r{i};" for i in range(n)]
    lines.append("always @(posedge clk) begin")
    names = ["a", "b"] + [f"r{i}" for i in range(n)]
    for i in range(n):
        x, y, z = r.choices(names, k=3)
        p, q = r.choices(["+", "-", "^", "&", "|"], k=2)
        s = r.choice(["+", "^", "<<"])
        lines.append(f"if ({x}[{r.randrange(32)}]) r{i} <= ({x} {p} {y}) {q} "
                     f"{z}; else r{i} <= {y} {s} ({z} & 15);")
    lines.append("o <= " + " ^ ".join(f"r{i}" for i in range(n)) + ";")
    lines += ["end", "endmodule", ""]
    (here / "top.v").write_text("\n".join(lines))


def command(here, small):
    return Command(["yosys", "-q", "-p",
                    f"read_verilog {here / 'top.v'}; "
                    "synth -flatten -noabc -run begin:fine; opt; techmap; "
                    "opt; tee -o /dev/stdout stat; write_blif /dev/stdout"])
