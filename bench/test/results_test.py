#!/usr/bin/python3
"""What result files are read as, and what is refused."""
import html.parser
import os
import re
import tempfile
import unittest

import made_up
from harness import machine
from report import html as page
from report import results, summary, table
from report.results import Different

VOID = {"meta", "line", "path", "circle", "polygon"}


class Files(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def load(self, *records, name="a", tail=""):
        path = os.path.join(self.folder, name)
        with open(path, "w") as f:
            f.write(made_up.lines(*records) + tail)
        return results.load(path)

    def two(self, cpu=(1.0, 2.0), blocks=4, machine_changes=None,
            name="a", alloc="quarry", workload="macro/one", **plan_changes):
        """libc takes cpu[0] seconds and the other cpu[1]."""
        runs = [made_up.run(workload, a, b, c) for b in range(blocks)
                for a, c in zip(("libc", alloc), cpu)]
        return self.load(
            dict(made_up.MACHINE, **(machine_changes or {})),
            dict(made_up.plan(["libc", alloc], [(workload, "macro")]),
                 **plan_changes),
            {"type": "reference", "workload": workload, "digest": "d"},
            *runs, name=name)


class Reading(Files):
    def test_every_run_is_kept_the_failed_ones_too(self):
        got = self.load(
            made_up.MACHINE,
            made_up.plan(["libc"], [("macro/one", "macro")]),
            made_up.run("macro/one", "libc", 0),
            made_up.run("macro/one", "libc", 1, ok=False, why="exit status 3"))
        self.assertEqual(len(got.runs), 2)
        self.assertEqual(got.failures(),
                         {("macro/one", "libc"): ["exit status 3"]})
        self.assertIn("FAILED 1 of 2: macro/one under libc: exit status 3",
                      table.failures(got))

    def test_a_failed_run_gives_no_number(self):
        got = self.load(
            made_up.MACHINE,
            made_up.plan(["libc"], [("macro/one", "macro")]),
            made_up.run("macro/one", "libc", 0, cpu=1.0),
            made_up.run("macro/one", "libc", 1, cpu=9.0, ok=False, why="x"))
        cpu = next(i for i in results.items(got) if i.metric == "CPU time")
        self.assertEqual(cpu.values, {"libc": {0: 1.0}})

    def test_a_line_that_was_cut_off_is_the_end(self):
        got = self.load(
            made_up.MACHINE, made_up.plan(["libc"], [("macro/one", "macro")]),
            made_up.run("macro/one", "libc", 0), tail='{"type":"run","wo')
        self.assertEqual(len(got.runs), 1)

    def test_a_broken_line_in_the_middle_is_refused(self):
        with self.assertRaises(Different):
            self.load(made_up.MACHINE, tail="nonsense\n")

    def test_other_files_are_refused(self):
        with self.assertRaises(Different):
            self.load({"type": "run"})

    def test_what_is_better_when_more_is_turned_round(self):
        item = results.Item("micro/x", "", "m", "pairs/s", "time", True,
                            "more")
        item.add("libc", 0, 4.0)
        self.assertEqual(item.costs("libc"), {0: 0.25})

    def test_page_faults_are_those_of_perf_where_every_run_has_them(self):
        plan = made_up.plan(["libc"], [("macro/one", "macro")])
        for last, wanted in ((5, {0: 100, 1: 5}), (None, {0: 7, 1: 7})):
            got = self.load(
                made_up.MACHINE, plan, made_up.run("macro/one", "libc", 0),
                made_up.run("macro/one", "libc", 1, faults=last))
            faults = next(i for i in results.items(got) if i.kind == "faults")
            self.assertEqual(faults.values["libc"], wanted)


class Refusals(Files):
    def test_results_of_another_machine_are_not_joined(self):
        for field, value in (("cpu", "Other CPU"), ("kernel", "6.2.0"),
                             ("identity", "ba9876543210"), ("thp", "always")):
            with self.assertRaisesRegex(Different, field):
                results.join([self.two(), self.two(
                    machine_changes={field: value}, name="b")])

    def test_results_of_another_machine_are_not_compared(self):
        with self.assertRaisesRegex(Different, "different machines"):
            summary.compare(self.two(), self.two(
                machine_changes={"cpus": 2}, name="b"))

    def test_another_library_of_the_same_name_is_not_joined(self):
        other = [{"name": "libc", "env": {}},
                 {"name": "quarry", "env": {}, "sha256": "abc"}]
        with self.assertRaisesRegex(Different, "quarry"):
            results.join([self.two(), self.two(name="b", allocators=other)])

    def test_the_same_machine_is_joined_and_blocks_go_on(self):
        got = results.join([self.two(blocks=3), self.two(blocks=2, name="b")])
        self.assertEqual(sorted({r["block"] for r in got.runs}),
                         [0, 1, 2, 3, 4])
        self.assertEqual(len(got.runs), 10)

    def test_the_same_results_do_not_count_twice(self):
        with self.assertRaisesRegex(Different, "twice"):
            results.join([self.two(), self.two(name="b")])

    def test_a_file_that_is_not_there_is_named(self):
        with self.assertRaisesRegex(Different, "nowhere"):
            results.load("/nowhere/x")

    def test_this_machine_is_the_same_as_itself(self):
        self.assertEqual(machine.describe(), machine.describe())


class Summaries(Files):
    def test_ratios_are_to_libc_and_the_best_peer_is_named(self):
        got = self.two(cpu=(2.0, 1.0))
        row = next(r for r in summary.rows(got) if r.item.kind == "time")
        self.assertAlmostEqual(row.ratios["quarry"].value, 0.5)
        self.assertEqual((row.best, row.best_peer), ("quarry", "libc"))
        self.assertAlmostEqual(row.against_peer.value, 0.5)

    def test_a_mean_is_refused_to_who_lacks_a_fifth(self):
        names = [f"macro/{i}" for i in range(4)]
        runs = [made_up.run(w, a, 0) for w in names
                for a in ("libc", "quarry", "poor")
                if not (a == "poor" and w == "macro/0")]
        got = self.load(made_up.MACHINE, made_up.plan(
            ["libc", "quarry", "poor"], [(n, "macro") for n in names]), *runs)
        mean = summary.means(got, summary.rows(got))[0]
        self.assertIn("quarry", mean.ratios)
        self.assertNotIn("poor", mean.ratios)

    def test_compare_sees_the_change_and_not_the_drift(self):
        before = self.two(cpu=(1.0, 2.0))
        after = self.two(cpu=(3.0, 3.0), name="b")      # all else is slower
        change = next(r for row, alloc, r in summary.compare(before, after)
                      if row.item.kind == "time" and alloc == "quarry")
        self.assertAlmostEqual(change.value, 0.5)

    def test_another_piece_of_work_is_not_compared(self):
        before, after = self.two(), self.two(name="b")
        after.references["macro/one"]["digest"] = "other"
        self.assertEqual(summary.compare(before, after), [])


class Tags(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.wrong = [], {}, []

    def handle_starttag(self, tag, attrs):
        self.seen[tag] = self.seen.get(tag, 0) + 1
        self.wrong += [a for a in attrs if a[0] in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen[tag] = self.seen.get(tag, 0) + 1

    def handle_endtag(self, tag):
        if tag in VOID:
            return
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)


class Page(Files):
    def page(self, got):
        rows = summary.rows(got)
        return page.page(got, rows, summary.means(got, rows),
                         machine.line(got.machine))

    def parsed(self, text):
        tags = Tags()
        tags.feed(text)
        self.assertEqual((tags.open, tags.wrong), ([], []))
        return tags.seen

    def test_it_is_whole_and_needs_no_other_file(self):
        text = self.page(self.two())
        seen = self.parsed(text)
        self.assertGreaterEqual(seen["svg"], 5)
        self.assertNotRegex(text, r"https?:|@import|url\(")
        self.assertIn("prefers-color-scheme: dark", text)
        self.assertIn("Made-up CPU", text)

    def test_each_ratio_and_its_interval_are_drawn(self):
        text = self.page(self.two(cpu=(1.0, 2.0)))
        self.assertIn("one: quarry 2.000 [2.000 to 2.000]", text)

    def test_names_cannot_break_it(self):
        text = self.page(self.two(alloc="<b>&\"x"))
        self.parsed(text)
        self.assertNotIn("<b>&", text)

    def test_every_coordinate_is_a_number(self):
        got = self.load(
            made_up.MACHINE,
            made_up.plan(["libc", "quarry"], [("micro/l", "latency")]),
            *[made_up.run("micro/l", a, b, series=[
                {"case": "c", "series": "percentiles", "unit": "ns",
                 "x": [50, 99.9], "y": [0, 10 ** b]}])
              for a in ("libc", "quarry") for b in range(2)])
        text = self.page(got)
        self.parsed(text)
        self.assertIsNone(re.search(r'="[^"]*\b(nan|inf)\b', text))


if __name__ == "__main__":
    unittest.main()
