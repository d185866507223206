#include "storage/repair.h"

#include "storage/layout.h"
#include "storage/live_segment.h"
#include "storage/segment_reader.h"

namespace lookback::storage {
namespace {

Result<Repaired> MoveAway(Volume& volume, const index::SegmentKey& key, const std::string& why) {
  LB_TRY(volume.Quarantine(key));
  return Repaired{Repaired::Outcome::kNothingGood,
                  {},
                  JoinPath(volume.root(), SegmentPath(key)) + " was moved to quarantine: " + why};
}

// Why the file cannot be the segment that its path names; empty when it is.
std::string Foreign(const SegmentHeader& header, const Volume& volume, const index::SegmentKey& key,
                    const Uuid& store) {
  if (header.store != store) return "it is of store " + header.store.text();
  if (header.volume != volume.id()) return "it is of volume " + header.volume.text();
  const index::SegmentKey own{header.stream, header.start_us, header.epoch, header.sequence};
  if (SegmentPath(own) != SegmentPath(key)) return "its head names " + SegmentPath(own);
  return {};
}

// Puts an LKEN after the last good fragment, where the file then ends.
Status Cut(File& file, const ScanResult& scan) {
  SegmentIndex index = scan.index;
  index.closed = true;
  index.recovered = true;
  const Bytes end = EncodeSegmentEnd(index, scan.digest);
  const ByteSpan part(end);
  LB_TRY(file.Truncate(scan.good_bytes));
  LB_TRY(file.WriteAt(scan.good_bytes, std::span(&part, 1)));
  return Ok();
}

}  // namespace

Result<Repaired> RepairSegment(Volume& volume, const index::SegmentKey& key, const Uuid& store,
                               const std::function<bool()>& go_on) {
  const auto progress = [&go_on](uint64_t) { return !go_on || go_on(); };
  LB_TRY_ASSIGN(file, volume.OpenToRepair(key));
  auto scan = ScanSegment(*file, progress);
  if (!scan && scan.code() != Code::kCorrupt) return Pass(scan.error());
  if (!scan) return MoveAway(volume, key, scan.message());
  const std::string foreign = Foreign(scan->index.header, volume, key, store);
  if (!foreign.empty()) return MoveAway(volume, key, foreign);
  if (scan->index.fragments.empty()) {
    return MoveAway(volume, key, "no fragment of it is good: " + scan->problem);
  }

  Repaired repaired;
  LB_TRY_ASSIGN(size, file->Size());
  if (scan->end_valid && size == scan->index.file_bytes) {
    repaired.outcome = Repaired::Outcome::kWhole;
  } else {
    repaired.outcome = Repaired::Outcome::kCut;
    repaired.note = JoinPath(volume.root(), SegmentPath(key)) + " was cut from " +
                    std::to_string(size) + " to " + std::to_string(scan->good_bytes) +
                    " bytes of good fragments" +
                    (scan->problem.empty() ? std::string() : ": " + scan->problem);
    LB_TRY(Cut(*file, *scan));
    // Walked again, for the digest of the whole, and because a disk that just failed is not
    // trusted with our word.
    scan = ScanSegment(*file, progress);
    if (!scan) return Pass(scan.error());
    if (!scan->end_valid) {
      return Fail(Code::kDiskFailed, JoinPath(volume.root(), SegmentPath(key)) +
                                         " does not read back as it was written: " + scan->problem);
    }
  }
  LB_TRY(file->Sync());
  repaired.seal = SealOf(scan->index, scan->sha256);
  return repaired;
}

}  // namespace lookback::storage
