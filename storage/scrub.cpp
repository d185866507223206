#include "storage/scrub.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/log.h"
#include "base/words.h"
#include "storage/layout.h"
#include "storage/segment_reader.h"
#include "storage/volume_file.h"

namespace lookback::storage {
namespace {

constexpr size_t kScrubReadBytes = 256 << 10;  // Hashed while it is in the processor's cache.

class SegmentChecker {
 public:
  SegmentChecker(const File& file, const index::Seal& seal, const Uuid& store,
                 const OnRead& on_read)
      : file_(file), seal_(seal), store_(store), on_read_(on_read) {}

  Result<std::vector<Damage>> Run() {
    auto tail = ReadSegmentTail(file_);
    if (!tail) return WithoutIndex(tail.message());
    if (tail->file_bytes != seal_.bytes) {
      return Whole(fmt::format("the file has {} bytes, but was sealed with {}", tail->file_bytes,
                               seal_.bytes));
    }
    LB_TRY_ASSIGN(agrees, Agrees(*tail));
    if (!agrees) {
      file_.ForgetCached();
      LB_TRY_ASSIGN(damaged, DamagedFragments(*tail));
      if (!damaged.empty()) return damaged;
      LB_TRY_ASSIGN(agrees_now, Agrees(*tail));
      if (!agrees_now) return Whole("its head, without which nothing can be decoded, is damaged");
      LogWarning("scrub", SegmentPath(index::KeyOf(seal_)) +
                              " did not agree with its checksum, and does when it is read again");
    }
    return Identity();
  }

 private:
  std::vector<Damage> Whole(std::string_view what) const { return {DamagedSegment(seal_, what)}; }

  Status Read(uint64_t bytes) const {
    if (!on_read_ || on_read_(bytes)) return Ok();
    return Fail(Code::kUnavailable, "the check was stopped");
  }

  // False when a byte before LKEN is another one, or cannot be read.
  Result<bool> Agrees(const SegmentTail& tail) {
    if (buffer_.size() < kScrubReadBytes) buffer_.resize(kScrubReadBytes);
    Xxh128Hasher hasher;
    for (uint64_t at = 0; at < tail.offset;) {
      const auto wanted =
          static_cast<size_t>(std::min<uint64_t>(kScrubReadBytes, tail.offset - at));
      const auto count = file_.ReadAt(at, std::span(buffer_).first(wanted));
      if (!count || *count < wanted) return false;
      hasher.Update(ByteSpan(buffer_).first(wanted));
      at += wanted;
      LB_TRY(Read(wanted));
    }
    LB_TRY(Read(tail.file_bytes - tail.offset));
    return hasher.Digest() == tail.end.preceding;
  }

  Result<std::vector<Damage>> DamagedFragments(const SegmentTail& tail) {
    std::vector<Damage> damaged;
    for (const SegmentFragment& fragment : tail.end.fragments) {
      const media::FragmentInfo& info = fragment.info;
      const auto problem =
          ReadFragment(file_, {seal_.run, info.number, fragment.offset, info.length}, buffer_);
      LB_TRY(Read(info.length + kFragmentTrailerBytes));
      const std::string what = problem ? std::string(*problem) : problem.message();
      if (what.empty()) continue;
      damaged.push_back(DamagedFragment(seal_, seal_.run, info.number, {info.start_us, info.end_us},
                                        fragment.offset, what));
    }
    return damaged;
  }

  // Every byte is what was written with it; but is it this file?
  Result<std::vector<Damage>> Identity() const {
    const auto index = ReadClosedSegment(file_);
    if (!index) return Whole(index.message());
    const std::string problem = Contradiction(*index, store_, index::KeyOf(seal_), seal_.end_us);
    if (!problem.empty()) return Whole(problem);
    return std::vector<Damage>();
  }

  // Its pictures may be good: whoever needs them is told.
  Result<std::vector<Damage>> WithoutIndex(const std::string& why) const {
    uint64_t told = 0;
    const auto scan = ScanSegment(file_, [&](uint64_t offset) {
      const uint64_t more = offset - told;
      told = offset;
      return Read(more).has_value();
    });
    if (!scan && scan.code() == Code::kUnavailable) return Pass(scan.error());
    const size_t good = scan ? scan->index.fragments.size() : 0;
    return Whole(
        fmt::format("its index is damaged ({}); of its {} {} can be had from the file itself", why,
                    Count(seal_.fragments, "fragment"),
                    good == seal_.fragments ? "all" : fmt::format("the first {}", good)));
  }

  const File& file_;
  const index::Seal& seal_;
  const Uuid& store_;
  const OnRead& on_read_;
  Bytes buffer_;
};

}  // namespace

Result<std::vector<Damage>> CheckSegment(const File& file, const index::Seal& seal,
                                         const Uuid& store, const OnRead& on_read) {
  return SegmentChecker(file, seal, store, on_read).Run();
}

Status CheckAttached(const Volume& volume, const Uuid& store, FileSystem& files) {
  const auto identity = ReadVolumeFile(files, JoinPath(volume.root(), kVolumeFile));
  if (!identity) return Pass(identity.error(), "volume " + volume.root() + " is gone");
  if (identity->store == store && identity->volume == volume.id()) return Ok();
  return Fail(Code::kDiskFailed, "volume " + volume.root() + " was exchanged");
}

}  // namespace lookback::storage
