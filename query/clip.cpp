#include "query/clip.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <deque>
#include <mutex>
#include <optional>

#include "query/clip_plan.h"
#include "storage/segment_reader.h"

namespace lookback::query {
namespace {

// Files of one clip that stay open between reads.
constexpr size_t kMaxOpenFiles = 4;

// Serves payload fragment by fragment: each is read whole and its digest checked before a byte of
// it leaves. One buffer and a few open files are all that a clip holds while it is read.
class PayloadReader {
 public:
  PayloadReader(storage::Footage& footage, const ClipParts& parts)
      : footage_(footage), parts_(parts) {}

  // Fills `into` from `offset` of the payload, which must hold that much.
  Status Read(uint64_t offset, std::span<uint8_t> into) {
    const std::lock_guard lock(mutex_);
    const auto& pieces = parts_.payload.pieces;
    auto piece = std::upper_bound(pieces.begin(), pieces.end(), offset,
                                  [](uint64_t at, const PayloadPiece& p) { return at < p.at; });
    for (--piece; !into.empty(); ++piece) {
      const auto skip = static_cast<size_t>(offset - piece->at);
      const size_t count = std::min<size_t>(into.size(), piece->length - skip);
      LB_TRY(Load(piece->fragment));
      std::memcpy(into.data(), buffer_.data() + piece->skip + skip, count);
      into = into.subspan(count);
      offset += count;
    }
    return Ok();
  }

 private:
  // Puts a fragment, verified, into the buffer: from the first of its segment's files that has it.
  Status Load(uint32_t number) {
    if (loaded_ == number) return Ok();
    loaded_.reset();
    const SourceFragment& source = parts_.fragments[number];
    const storage::FragmentPlace place{parts_.files[source.file].run, source.number, source.offset,
                                       source.length};
    std::string damage;          // Of the first file that has it otherwise.
    std::optional<Error> error;  // Of the first that cannot be read.
    for (size_t nth = 0;; ++nth) {
      const auto file = OpenFile(source.file, nth);
      if (!file && damage.empty()) return Pass(error ? *error : file.error());
      if (!file) return Fail(Code::kCorrupt, NoteDamage(source, damage, /*everywhere=*/true));
      const auto problem = storage::ReadFragment(**file, place, buffer_);
      if (problem && problem->empty()) break;
      if (problem && damage.empty()) damage = *problem;
      if (!problem && !error) error = problem.error();
    }
    if (!damage.empty()) (void)NoteDamage(source, damage, /*everywhere=*/false);
    loaded_ = number;
    return Ok();
  }

  // For all to see. Where it is `everywhere`, each later answer leaves the fragment out and says so.
  std::string NoteDamage(const SourceFragment& source, std::string_view what, bool everywhere) {
    const SourceFile& file = parts_.files[source.file];
    const index::Seal& row = file.segment.row;
    storage::Damage damage =
        storage::DamagedFragment(row, file.run, source.number, source.range, source.offset, what);
    damage.everywhere = everywhere && !footage_.HasFileAway(index::KeyOf(row));
    std::string sentence = row.stream.text() + ", " + damage.what;
    footage_.damage().Add(std::move(damage));
    return sentence;
  }

  Result<const File*> OpenFile(uint32_t number, size_t nth) {
    const auto known = std::find_if(open_.begin(), open_.end(), [&](const OpenEntry& entry) {
      return entry.number == number && entry.nth == nth;
    });
    if (known != open_.end()) return known->file.get();
    LB_TRY_ASSIGN(file, footage_.Open(parts_.files[number].segment, nth));
    if (open_.size() == kMaxOpenFiles) open_.pop_front();
    open_.push_back({number, nth, std::move(file)});
    return open_.back().file.get();
  }

  struct OpenEntry {
    uint32_t number;
    size_t nth;
    std::unique_ptr<File> file;
  };

  storage::Footage& footage_;
  const ClipParts& parts_;
  std::mutex mutex_;  // Over all that follows.
  std::deque<OpenEntry> open_;
  Bytes buffer_;
  std::optional<uint32_t> loaded_;  // The fragment in the buffer.
};

class VirtualClip : public Clip {
 public:
  VirtualClip(storage::Footage& footage, ClipParts parts)
      : parts_(std::move(parts)), payload_(footage, parts_) {}

  uint64_t size() const override { return parts_.head.size() + parts_.payload.bytes; }
  const std::string& etag() const override { return parts_.etag; }
  const ClipReport& report() const override { return parts_.report; }

  Result<size_t> Read(uint64_t offset, std::span<uint8_t> into) const override {
    if (offset >= size()) return size_t{0};
    const auto wanted = static_cast<size_t>(std::min<uint64_t>(into.size(), size() - offset));
    size_t done = 0;
    if (offset < parts_.head.size()) {
      done = std::min<size_t>(wanted, parts_.head.size() - offset);
      std::memcpy(into.data(), parts_.head.data() + offset, done);
    }
    if (done < wanted) {
      const auto rest = into.subspan(done, wanted - done);
      if (Status read = payload_.Read(offset + done - parts_.head.size(), rest); !read) {
        broken_ = true;
        return Pass(read.error());
      }
    }
    return wanted;
  }

  bool broken() const override { return broken_; }

 private:
  const ClipParts parts_;
  mutable PayloadReader payload_;
  mutable std::atomic<bool> broken_{false};
};

}  // namespace

Result<std::shared_ptr<const Clip>> Clip::Plan(storage::Footage& footage,
                                               const ClipRequest& request, TimeUs now_us) {
  LB_TRY_ASSIGN(parts, PlanClip(footage, request, now_us));
  return std::shared_ptr<const Clip>(std::make_shared<VirtualClip>(footage, std::move(parts)));
}

}  // namespace lookback::query
