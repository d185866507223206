// bench_timeline: a year of many cameras by days, from the hours that the catalog keeps, against
// counting the segments' rows.
//
//   bench_timeline [--directory=/tmp] [--cameras=200] [--deep=4] [--days=365] [--rounds=9]
//
//   Wide   so many cameras with a segment of two minutes an hour: as many hours as a store has, and
//          a thirtieth of its rows (200 cameras: 1.75 M rows, 150 MB)
//   Deep   so many cameras with a segment a minute, as a store has them (4 cameras:
//          2.1 M rows, 180 MB)
//
// Method: rows go in as the ledger hands them on, hour after hour, 10,000 at once. Each question
// is all cameras by days of Berlin (query/summary.h), asked of a catalog that was just opened, so
// that the first round is of a cold block cache and a warm page cache, and then again; medians of
// the rounds after the first. From rows, once: day by day, as nobody holds a year of segments in
// memory. Both have to give the same sums. CPU is that of the asking thread.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "bench/catalog_footage.h"
#include "bench/cpu_time.h"
#include "bench/program.h"
#include "query/summary.h"

namespace lookback::bench {
namespace {

constexpr TimeUs kStart = 1'767'222'000 * kUsPerSecond;  // 2026-01-01 in Berlin.
constexpr size_t kGroup = 10'000;

struct Asked {
  std::string directory = "/tmp";
  int cameras = 200;
  int deep = 4;
  int days = 365;
  int rounds = 9;
};

double Seconds(std::chrono::steady_clock::time_point since) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - since).count();
}

StreamId Camera(int number) { return {*CameraId::Parse(fmt::format("camera-{}", number)), {}}; }

// The catalog as a timeline sees it; without its hours, if it is not to use them.
class TimelineFootage final : public CatalogFootage {
 public:
  TimelineFootage(const index::Catalog& catalog, bool by_hours)
      : CatalogFootage(catalog), by_hours_(by_hours) {}

  Result<std::vector<storage::FootageHour>> Hours(const StreamId& stream,
                                                  TimeRange range) override {
    if (!by_hours_) return storage::Footage::Hours(stream, range);
    std::vector<storage::FootageHour> hours;
    LB_TRY(catalog_.VisitHours(stream, range, [&](TimeUs start_us, const auto& totals) {
      hours.push_back({start_us, totals});
      return true;
    }));
    return hours;
  }

 private:
  const bool by_hours_;
};

uint64_t Fill(const std::string& path, int cameras, int days, int64_t every_us, int64_t length_us) {
  const auto catalog = Must(index::Catalog::Open(path, {}));
  const Uuid volume = Uuid::Random(), run = Uuid::Random();
  std::vector<index::NumberedRecord> group;
  uint64_t rows = 0;
  const auto apply = [&] {
    Must(catalog->Apply(group));
    group.clear();
  };
  for (TimeUs at_us = kStart; at_us < kStart + days * kUsPerDay; at_us += every_us) {
    for (int camera = 0; camera < cameras; ++camera) {
      index::Seal seal;
      seal.stream = Camera(camera);
      seal.run = run;
      seal.volume = volume;
      seal.epoch = 1;
      seal.sequence = static_cast<uint32_t>(rows);
      seal.start_us = at_us + camera * 61'003;
      seal.end_us = seal.start_us + length_us;
      seal.bytes = 26'000'000 + rows * 7'919 % 4'000'000;
      seal.fragments = 30;
      for (size_t i = 0; i < seal.sha256.size(); ++i) {
        seal.sha256[i] = static_cast<uint8_t>((rows * 2'654'435'761 + i * 40'503) >> 8);
      }
      group.push_back({rows++, seal.end_us, seal});
      if (group.size() == kGroup) apply();
    }
  }
  apply();
  Must(catalog->Flush());
  return rows;
}

struct Answer {
  int64_t covered_us = 0;
  uint64_t bytes = 0;
  double wall_s = 0;
  double cpu_s = 0;
};

// `at_once`: a camera's year is one question; else each day is.
Answer Ask(const index::Catalog& catalog, int cameras, int days, bool by_hours, bool at_once) {
  TimelineFootage footage(catalog, by_hours);
  const TimeZone berlin = Must(TimeZone::Find("Europe/Berlin"));
  const auto begun = std::chrono::steady_clock::now();
  const double cpu = CpuSeconds(RUSAGE_THREAD);
  const auto steps =
      query::FindSteps(query::Step::kDay, {kStart, kStart + days * kUsPerDay}, berlin);
  Answer answer;
  const auto add = [&answer](const std::vector<query::StepSummary>& sums) {
    for (const query::StepSummary& sum : sums) {
      answer.covered_us += sum.covered_us;
      answer.bytes += sum.bytes;
    }
  };
  for (int camera = 0; camera < cameras; ++camera) {
    if (at_once) {
      add(Must(query::Summarise(footage, Camera(camera), steps)));
      continue;
    }
    for (const TimeRange& step : steps) {
      add(Must(query::Summarise(footage, Camera(camera), {step})));
    }
  }
  answer.wall_s = Seconds(begun);
  answer.cpu_s = CpuSeconds(RUSAGE_THREAD) - cpu;
  return answer;
}

void Compare(const std::string& path, const char* name, int cameras, const Asked& asked,
             uint64_t rows) {
  const auto catalog = Must(index::Catalog::Open(path, {}));
  const Answer first = Ask(*catalog, cameras, asked.days, true, true);
  std::vector<Answer> again;
  for (int i = 0; i < asked.rounds; ++i) {
    again.push_back(Ask(*catalog, cameras, asked.days, true, true));
  }
  std::nth_element(again.begin(), again.begin() + asked.rounds / 2, again.end(),
                   [](const Answer& a, const Answer& b) { return a.cpu_s < b.cpu_s; });
  const Answer& warm = again[static_cast<size_t>(asked.rounds / 2)];
  const Answer by_rows = Ask(*catalog, cameras, asked.days, false, false);
  LB_CHECK(first.covered_us == by_rows.covered_us && first.bytes == by_rows.bytes);
  fmt::print(
      "{}: {} cameras x {} days, {} rows\n"
      "  hours, first    {:8.1f} ms, CPU {:8.1f} ms\n"
      "  hours, again    {:8.1f} ms, CPU {:8.1f} ms\n"
      "  rows            {:8.1f} ms, CPU {:8.1f} ms, {:.2f} us a row\n"
      "  ratio of CPU, hours again to rows: 1 to {:.0f}\n",
      name, cameras, asked.days, rows, first.wall_s * 1e3, first.cpu_s * 1e3, warm.wall_s * 1e3,
      warm.cpu_s * 1e3, by_rows.wall_s * 1e3, by_rows.cpu_s * 1e3,
      by_rows.cpu_s * 1e6 / static_cast<double>(rows), by_rows.cpu_s / warm.cpu_s);
}

void Run(const Asked& asked) {
  const WorkDirectory work(asked.directory, "timeline");
  const std::string wide = work.path() + "/wide", deep = work.path() + "/deep";
  const uint64_t wide_rows =
      Fill(wide, asked.cameras, asked.days, kUsPerHour, index::kMaxSegmentUs);
  Compare(wide, "wide", asked.cameras, asked, wide_rows);
  const uint64_t deep_rows = Fill(deep, asked.deep, asked.days, kUsPerMinute, kUsPerMinute);
  Compare(deep, "deep", asked.deep, asked, deep_rows);
}

}  // namespace
}  // namespace lookback::bench

int main(int argc, char** argv) {
  lookback::bench::Asked asked;
  const auto number = [](int& to) {
    return [&to](const std::string& text) { to = std::stoi(text); };
  };
  const bool good = lookback::bench::ParseOptions(
      argc, argv,
      {{"--directory", [&asked](const std::string& text) { asked.directory = text; }},
       {"--cameras", number(asked.cameras)},
       {"--deep", number(asked.deep)},
       {"--days", number(asked.days)},
       {"--rounds", number(asked.rounds)}});
  if (!good) return 2;
  lookback::bench::Run(asked);
  return 0;
}
