#!/usr/bin/python3
"""The order of the runs."""
import collections
import time
import unittest

import made_up      # noqa: F401  finds the modules under test
from harness.plan import Plan
from harness.workloads import Workload

ROUNDS = {"macro": 3, "micro": 2}


class Named(Workload):
    def suits(self, alloc):
        return alloc != "static" or self.group == "micro"


def order_of(seed, allocators=("a", "b", "c"), deadline=None):
    loads = [Named(*n.split("/"), "?")
             for n in ("macro/x", "macro/y", "micro/z")]
    plan = Plan(loads, list(allocators), ROUNDS, seed, deadline)
    return plan, [(w.name, n, tuple(o)) for w, n, o in plan.blocks()]


class Order(unittest.TestCase):
    def test_each_block_has_every_allocator_once(self):
        _, blocks = order_of(1)
        for _, _, order in blocks:
            self.assertEqual(sorted(order), ["a", "b", "c"])

    def test_each_workload_gets_the_rounds_of_its_group(self):
        _, blocks = order_of(1)
        self.assertEqual(collections.Counter(w for w, _, _ in blocks),
                         {"macro/x": 3, "macro/y": 3, "micro/z": 2})

    def test_rounds_are_interleaved(self):
        _, blocks = order_of(1)
        self.assertEqual([n for _, n, _ in blocks],
                         [0, 0, 0, 1, 1, 1, 2, 2])

    def test_the_seed_decides_and_seeds_differ(self):
        self.assertEqual(order_of(5)[1], order_of(5)[1])
        orders = {tuple(order_of(s)[1]) for s in range(20)}
        self.assertGreater(len(orders), 15)

    def test_every_allocator_comes_first_sometimes(self):
        first = collections.Counter(o[0] for s in range(50)
                                    for _, _, o in order_of(s)[1])
        for alloc in "abc":
            self.assertGreater(first[alloc], 50)    # of 400, 133 expected

    def test_an_allocator_runs_only_what_suits_it(self):
        _, blocks = order_of(1, ("a", "static"))
        for w, _, order in blocks:
            self.assertEqual("static" in order, w == "micro/z")

    def test_without_time_one_block_is_run_and_the_rest_is_named(self):
        plan, blocks = order_of(1, deadline=time.monotonic() - 1)
        self.assertEqual(len(blocks), 1)
        self.assertEqual(len(plan.left_out), 7)

    def test_where_time_is_short_real_programs_come_first(self):
        for seed in range(10):
            _, blocks = order_of(seed, deadline=time.monotonic() + 1000)
            self.assertEqual([w.split("/")[0] for w, _, _ in blocks[:3]],
                             ["macro", "macro", "micro"])


if __name__ == "__main__":
    unittest.main()
