#include "storage/segment_check.h"

#include <fmt/format.h>

#include "storage/segment_reader.h"

namespace lookback::storage {
namespace {

// The first fragment that is not what was written tells from when on the file is damaged.
std::optional<FileFault> CheckDigests(const File& file, const index::SegmentKey& key,
                                      const RecordedSegment& entry) {
  const auto scan = ScanSegment(file);
  FileFault fault{false, key.start_us, ""};
  if (!scan) {
    fault.what = scan.message();
  } else if (!scan->end_valid) {
    fault.what = scan->problem;
    if (!scan->index.fragments.empty()) fault.from_us = scan->index.end_us();
  } else if (scan->sha256 != entry.sha256) {
    fault.what = "its bytes are not those that were sealed: their SHA-256 is another";
  }
  if (fault.what.empty()) return std::nullopt;
  fault.what = fmt::format("damaged from {} on: {}", FormatTime(fault.from_us), fault.what);
  return fault;
}

}  // namespace

std::optional<FileFault> CheckSegmentFile(Volume& volume, const index::SegmentKey& key,
                                          const RecordedSegment& entry, const Uuid& store,
                                          bool deep) {
  const auto file = volume.Open(key);
  if (!file) return std::nullopt;  // Gone between listing and opening.
  const auto size = (*file)->Size();
  if (size && *size != entry.bytes) {
    return FileFault{
        *size < entry.bytes, key.start_us,
        fmt::format("the file has {} bytes, but was sealed with {}", *size, entry.bytes)};
  }
  const auto index = ReadClosedSegment(**file);
  const std::string problem =
      index ? Contradiction(*index, store, key, entry.end_us) : index.message();
  if (!problem.empty()) return FileFault{false, key.start_us, problem};
  return deep ? CheckDigests(**file, key, entry) : std::nullopt;
}

}  // namespace lookback::storage
