#!/usr/bin/python3
"""The statistics against values known from elsewhere; scales of plots."""
import math
import random
import unittest

import made_up      # noqa: F401  finds the modules under test
from report import stats, svg

SEED = 20


def logs(*ratios):
    return {i: math.log(r) for i, r in enumerate(ratios)}


class Centre(unittest.TestCase):
    def test_of_twelve_values_the_middle_six_count(self):
        self.assertAlmostEqual(
            stats.centre([5, 8, 4, 38, 8, 6, 9, 7, 7, 3, 1, 6]), 6.5)

    def test_of_nine_values_those_at_the_quarters_count_in_part(self):
        self.assertAlmostEqual(
            stats.centre([1, 3, 5, 7, 9, 11, 13, 15, 17]), 9)
        # 5, 7 and 9 whole, 3 and 100 for a quarter of a value less:
        # n / 4 = 1.5, so half of the second and half of the last but one
        self.assertAlmostEqual(stats.centre([1, 3, 5, 7, 100, 100]),
                               (0.5 * 3 + 5 + 7 + 0.5 * 100) / 3)

    def test_one_wild_value_in_eight_changes_nothing(self):
        calm = [1.0] * 7
        self.assertEqual(stats.centre(calm + [1e6]), stats.centre(calm + [1]))

    def test_order_does_not_matter(self):
        values = [random.Random(SEED).random() for _ in range(21)]
        self.assertAlmostEqual(stats.centre(values),
                               stats.centre(sorted(values)))


class Quantiles(unittest.TestCase):
    def test_quartiles_are_those_of_r_type_seven(self):
        self.assertEqual(stats.quartiles([1, 2, 3, 4]), (1.75, 2.5, 3.25))
        self.assertEqual(stats.quartiles([5]), (5, 5, 5))

    def test_students_t_is_that_of_the_tables(self):
        for df, t in ((1, 12.706), (4, 2.776), (10, 2.228), (30, 2.042),
                      (60, 2.000), (120, 1.980), (1e9, 1.960)):
            self.assertAlmostEqual(stats.t95(df), t, delta=0.0025)

    def test_part_of_a_degree_of_freedom_widens(self):
        self.assertEqual(stats.t95(4.9), stats.t95(4))


class Ratios(unittest.TestCase):
    def test_drift_that_both_runs_of_a_block_share_cancels(self):
        rng = random.Random(SEED)
        speed = [rng.uniform(0.5, 2) for _ in range(9)]
        base = {b: s for b, s in enumerate(speed)}
        other = {b: 1.25 * s for b, s in enumerate(speed)}
        got = stats.ratio(stats.log_ratios(other, base))
        self.assertAlmostEqual(got.value, 1.25)
        self.assertAlmostEqual(got.low, 1.25)
        self.assertAlmostEqual(got.high, 1.25)

    def test_only_blocks_that_have_both_count(self):
        self.assertEqual(stats.log_ratios({1: 2.0, 2: 2.0, 4: 1.0},
                                          {2: 1.0, 3: 9.0}),
                         {2: math.log(2)})

    def test_one_block_gives_no_interval(self):
        got = stats.ratio(logs(1.5))
        self.assertAlmostEqual(got.value, 1.5)
        self.assertIsNone(got.low)
        self.assertIsNone(got.high)

    def test_no_block_gives_no_ratio(self):
        self.assertIsNone(stats.ratio({}))

    def test_twice_and_half_weigh_the_same(self):
        self.assertAlmostEqual(stats.ratio(logs(2, 0.5)).value, 1)

    def test_the_interval_holds_the_truth_in_nineteen_of_twenty(self):
        rng = random.Random(SEED)
        for blocks in (5, 12):
            hits = sum(self._holds(rng, blocks) for _ in range(150))
            self.assertGreater(hits, 150 * 0.89, f"{blocks} blocks")
            self.assertLess(hits, 150, f"{blocks} blocks: too wide to miss")

    @staticmethod
    def _holds(rng, blocks):
        got = stats.ratio({b: rng.gauss(math.log(1.3), 0.1)
                           for b in range(blocks)}, rng.randrange(10 ** 6))
        return got.low <= 1.3 <= got.high

    def test_more_blocks_narrow_the_interval(self):
        rng = random.Random(SEED)
        pairs = {b: rng.gauss(0, 0.1) for b in range(64)}
        few = stats.ratio({b: pairs[b] for b in range(8)})
        many = stats.ratio(pairs)
        self.assertLess(many.error, 0.6 * few.error)

    def test_the_same_seed_gives_the_same_interval(self):
        pairs = logs(1, 1.2, 0.9, 1.4)
        self.assertEqual(stats.ratio(pairs, 7), stats.ratio(pairs, 7))


class Means(unittest.TestCase):
    def test_a_workload_with_many_cases_weighs_as_much_as_another(self):
        got = stats.geomean([[logs(4, 4)] * 9, [logs(1, 1)]])
        self.assertAlmostEqual(got.value, 2)
        self.assertAlmostEqual(got.high, 2)

    def test_a_mean_rests_on_its_poorest_part(self):
        got = stats.geomean([[logs(2, 2, 2)], [logs(2)]])
        self.assertEqual(got.blocks, 1)
        self.assertIsNone(got.low)

    def test_the_error_of_independent_workloads_adds_up_in_squares(self):
        rng = random.Random(SEED)
        one = {b: rng.gauss(0, 0.1) for b in range(12)}
        other = {b: rng.gauss(0, 0.1) for b in range(12)}
        single = [stats.ratio(x).error for x in (one, other)]
        both = stats.geomean([[one], [other]])
        self.assertAlmostEqual(both.error, math.hypot(*single) / 2,
                               delta=0.1 * both.error)

    def test_a_quotient_of_two_measurements_is_wider_than_either(self):
        rng = random.Random(SEED)
        a, b = (stats.ratio({k: rng.gauss(m, 0.05) for k in range(10)})
                for m in (0.2, 0.5))
        got = stats.quotient(a, b)
        self.assertAlmostEqual(got.log, a.log - b.log)
        self.assertGreater(got.error, max(a.error, b.error))
        self.assertLessEqual(got.df, a.df + b.df)


class Ticks(unittest.TestCase):
    def test_every_scale_of_ratios_can_be_read(self):
        for low, high in ((0.8, 1.25), (0.5, 1.9), (0.3, 1.2), (0.9, 9),
                          (0.01, 30), (0.55, 1.12), (0.7, 1.3)):
            ticks = svg.Log(low, high, 0, 1).ticks()
            self.assertGreaterEqual(len(ticks), 4, (low, high))
            self.assertLessEqual(len(ticks), 8, (low, high))
            for tick in ticks:
                self.assertTrue(low * 0.99 <= tick <= high * 1.01)


if __name__ == "__main__":
    unittest.main()
