#include "shim.h"

#include <benchmark/benchmark.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <string>
#include <vector>

namespace
{

std::vector<bench_case> cases;

void run_case(benchmark::State &state, const bench_case &c)
{
	uint64_t batch = c.batch ? c.batch : 4096;
	void *context = c.setup ? c.setup(&c, state.thread_index()) : nullptr;

	while (state.KeepRunningBatch(batch))
		c.run(context, &c, batch);
	if (c.teardown)
		c.teardown(context, &c);
}

double median(std::vector<double> values)
{
	std::sort(values.begin(), values.end());
	size_t half = values.size() / 2;

	return values.size() % 2 ? values[half]
				 : (values[half - 1] + values[half]) / 2;
}

/* Google Benchmark reports a case's repetitions together; cases in order. */
class lines : public benchmark::BenchmarkReporter
{
      public:
	bool ReportContext(const Context &) override
	{
		return true;
	}

	void ReportRuns(const std::vector<Run> &runs) override
	{
		std::vector<double> cpu, elapsed;

		for (const Run &run : runs) {
			if (run.run_type != Run::RT_Iteration)
				continue;
			double n = static_cast<double>(run.iterations);

			cpu.push_back(run.cpu_accumulated_time / n * 1e9);
			elapsed.push_back(run.real_accumulated_time / n * 1e9);
		}
		/* Means and deviations come in a call of their own. */
		if (cpu.empty())
			return;
		const bench_case &c = cases.at(next++);
		std::string plain = std::string("ns_per_") + c.operation;
		bool alone = c.threads <= 1;

		bench_value(c.label, plain.c_str(),
			    median(alone ? cpu : elapsed), "ns", "less");
		bench_detail(c.label,
			     ((alone ? "elapsed_" : "cpu_") + plain).c_str(),
			     median(alone ? elapsed : cpu), "ns", "less");
	}

      private:
	size_t next = 0;
};

} // namespace

extern "C" void bench_add(const bench_case *c)
{
	cases.push_back(*c);
}

extern "C" const char *bench_label(const char *text, ...)
{
	static char pool[16384];
	static size_t used;
	va_list args;
	char *label = pool + used;

	va_start(args, text);
	int n = vsnprintf(label, sizeof(pool) - used, text, args);
	va_end(args);
	bench_must(n > 0 && used + n + 1 < sizeof(pool) ? label : nullptr);
	used += n + 1;
	return label;
}

extern "C" int bench_run(void)
{
	double min_time = bench_quick ? 0.004 : 0.02;
	lines reporter;

	for (size_t i = 0; i < cases.size(); i++)
		benchmark::RegisterBenchmark(cases[i].label,
					     [i](benchmark::State &state) {
						     run_case(state, cases[i]);
					     })
			->MinTime(min_time)
			->Repetitions(bench_quick ? cases[i].slow ? 3 : 5 : 11)
			->Threads(std::max(cases[i].threads, 1))
			->MeasureProcessCPUTime()
			->UseRealTime();
	return benchmark::RunSpecifiedBenchmarks(&reporter) == cases.size() ? 0
									    : 1;
}
