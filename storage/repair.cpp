#include "storage/repair.h"

#include <algorithm>

#include "base/checksum.h"
#include "storage/layout.h"
#include "storage/live_segment.h"
#include "storage/segment_reader.h"

namespace lookback::storage {
namespace {

constexpr size_t kCopyBytes = 1 << 20;

Result<Repaired> MoveAway(Volume& volume, const index::SegmentKey& key, const std::string& why) {
  LB_TRY(volume.Quarantine(key));
  return Repaired{Repaired::Outcome::kNothingGood,
                  {},
                  PathOn(volume, key) + " was moved to quarantine: " + why};
}

// Why the file cannot be the segment that its path names; empty when it is.
std::string Foreign(const SegmentHeader& header, const Volume& volume, const index::SegmentKey& key,
                    const Uuid& store) {
  if (header.store != store) return "it is of store " + header.store.text();
  if (header.volume != volume.id()) return "it is of volume " + header.volume.text();
  const index::SegmentKey own = KeyOf(header);
  if (SegmentPath(own) != SegmentPath(key)) return "its head names " + SegmentPath(own);
  return {};
}

// Appends to a file, with the digests of all that it holds.
class Copier {
 public:
  explicit Copier(File& file) : file_(file) {}

  uint64_t bytes() const { return bytes_; }
  Xxh128 xxh() const { return xxh_.Digest(); }
  Sha256Digest FinishSha256() { return sha_.Finish(); }

  Status Append(ByteSpan part) {
    LB_TRY(file_.WriteAt(bytes_, std::span(&part, 1)));
    xxh_.Update(part);
    sha_.Update(part);
    bytes_ += part.size();
    return Ok();
  }

  // The bytes [start, end) of `from`.
  Status AppendFrom(const File& from, uint64_t start, uint64_t end) {
    Bytes buffer(kCopyBytes);
    while (start < end) {
      const size_t wanted = static_cast<size_t>(std::min<uint64_t>(kCopyBytes, end - start));
      LB_TRY_ASSIGN(read, from.ReadAt(start, std::span(buffer).first(wanted)));
      if (read != wanted) return Fail(Code::kDiskFailed, "a segment shrank while it was copied");
      LB_TRY(Append(std::span(buffer).first(read)));
      start += read;
    }
    return Ok();
  }

 private:
  File& file_;
  uint64_t bytes_ = 0;
  Xxh128Hasher xxh_;
  Sha256Hasher sha_;
};

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
    repaired.note =
        PathOn(volume, key) +
        (scan->good_bytes < size ? " was cut from " + std::to_string(size) + " to "
                                 : std::string(" had not been closed; it is, with all its ")) +
        std::to_string(scan->good_bytes) + " bytes of good fragments" +
        (scan->problem.empty() ? std::string() : ": " + scan->problem);
    LB_TRY(Cut(*file, *scan));
    // Walked again, for the digest of the whole, and because a disk that just failed is not
    // trusted with our word.
    scan = ScanSegment(*file, progress);
    if (!scan) return Pass(scan.error());
    if (!scan->end_valid) {
      return Fail(Code::kDiskFailed,
                  PathOn(volume, key) + " does not read back as it was written: " + scan->problem);
    }
  }
  LB_TRY(file->Sync());
  repaired.seal = SealOf(scan->index, scan->sha256);
  return repaired;
}

Result<Repaired> RescueSegment(Volume& from, const index::SegmentKey& key, const Uuid& store,
                               Volume& to, uint32_t sequence, uint32_t before) {
  LB_TRY_ASSIGN(old_file, from.Open(key));
  auto scan = ScanSegment(*old_file);
  if (!scan && scan.code() != Code::kCorrupt) return Pass(scan.error());
  if (!scan) return MoveAway(from, key, scan.message());
  const std::string foreign = Foreign(scan->index.header, from, key, store);
  if (!foreign.empty()) return MoveAway(from, key, foreign);
  if (scan->index.fragments.empty()) {
    return MoveAway(from, key, "no fragment of it is good: " + scan->problem);
  }

  SegmentIndex index = std::move(scan->index);
  const uint64_t old_head_bytes = index.fragments.front().offset;
  uint64_t good_bytes = scan->good_bytes;
  while (!index.fragments.empty() && index.fragments.back().info.number >= before) {
    good_bytes = index.fragments.back().offset;
    index.fragments.pop_back();
  }
  if (index.fragments.empty()) return MoveAway(from, key, "it was written again elsewhere");
  index.header.volume = to.id();
  index.header.sequence = sequence;
  index.closed = true;
  index.recovered = true;
  const index::SegmentKey copy{key.stream, index.header.start_us, key.epoch, sequence};
  LB_TRY_ASSIGN(file, to.Create(copy));
  Repaired repaired;
  const Status copied = [&]() -> Status {
    Copier copier(*file);
    LB_TRY(copier.Append(index.init));
    LB_TRY(copier.Append(EncodeSegmentHeader(index.header)));
    const uint64_t head_bytes = copier.bytes();
    LB_TRY(copier.AppendFrom(*old_file, old_head_bytes, good_bytes));
    for (SegmentFragment& fragment : index.fragments) {
      fragment.offset = fragment.offset - old_head_bytes + head_bytes;
    }
    LB_TRY(copier.Append(EncodeSegmentEnd(index, copier.xxh())));
    index.file_bytes = copier.bytes();
    LB_TRY(file->Sync());
    repaired.seal = SealOf(index, copier.FinishSha256());
    repaired.seal.suspect = true;
    return Ok();
  }();
  file.reset();
  if (!copied) {
    (void)to.Remove(copy);
    return Pass(copied.error());
  }
  repaired.outcome = Repaired::Outcome::kCut;
  repaired.note = PathOn(from, key) + " was copied to " + PathOn(to, copy);
  // On a disk that is read-only the next start finds it: two copies of a fragment do no harm.
  if (const Status moved = from.Quarantine(key); !moved) {
    repaired.note += ", and stays where it is: " + moved.error().message;
  }
  return repaired;
}

}  // namespace lookback::storage
