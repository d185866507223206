#include "storage/hours_check.h"

#include "base/words.h"

namespace lookback::storage {
namespace {

struct Miscounted {
  StreamId stream;
  TimeUs first_us = 0;
  uint64_t days = 0;
};

Finding FindingOf(const Miscounted& found) {
  Finding finding;
  finding.kind = FindingKind::kForeignRow;
  finding.camera = found.stream.camera.text();
  finding.sentence = found.stream.text() + ": the catalog has the hours of " +
                     Count(found.days, "day") + ", the first of them " +
                     FormatTime(found.first_us).substr(0, 10) +
                     ", otherwise than its rows of segments tell; lookback rebuild mends that";
  return finding;
}

}  // namespace

Status CheckHours(const index::Catalog& catalog, const std::function<Status()>& go_on,
                  std::vector<Finding>& findings) {
  std::vector<Miscounted> found;
  Status stopped = Ok();
  LB_TRY(catalog.VisitDays([&](const StreamId& stream, TimeUs start_us, bool agrees) {
    stopped = go_on();
    if (!agrees) {
      if (found.empty() || found.back().stream != stream) found.push_back({stream, start_us, 0});
      ++found.back().days;
    }
    return stopped.has_value();
  }));
  LB_TRY(stopped);
  for (const Miscounted& one : found) findings.push_back(FindingOf(one));
  return Ok();
}

}  // namespace lookback::storage
