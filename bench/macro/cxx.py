"""A C++ translation unit for the compilers, not a workload itself."""

HEAD = """
#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>
"""

UNIT = """
struct shape%(i)d {
	std::map<std::string, std::vector<int>> rows;
	std::unique_ptr<shape%(i)d> next;
	template <typename F> int each(F f) const
	{
		int sum = 0;
		for (const auto &[name, row] : rows)
			for (int x : row)
				sum += f(name, x) + %(i)d;
		return next ? sum + next->each(f) : sum;
	}
};

int visit%(i)d(std::vector<shape%(i)d> &v, const std::string &key)
{
	std::vector<std::function<int(int)>> steps;
	for (int k = 0; k < %(i)d + 3; k++)
		steps.push_back([k, &key](int x) {
			return x * k + (int)key.size();
		});
	std::sort(v.begin(), v.end(), [](const auto &a, const auto &b) {
		return a.rows.size() < b.rows.size();
	});
	int sum = 0;
	for (auto &s : v)
		sum += s.each([&](const std::string &n, int x) {
			return n < key ? steps[x %% steps.size()](x) : x;
		});
	return sum;
}
"""


def source(units):
    return HEAD + "".join(UNIT % {"i": i} for i in range(units))
