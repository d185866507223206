#include "query/clip.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>
#include <optional>

#include "query/clip_plan.h"
#include "query/fragment_loader.h"
#include "query/long_clip_plan.h"

namespace lookback::query {
namespace {

// Serves payload fragment by fragment: each is read whole and its digest checked before a byte of
// it leaves. One buffer and a few open files are all that a clip holds while it is read.
class PayloadReader {
 public:
  PayloadReader(storage::Footage& footage, const ClipParts& parts)
      : parts_(parts), loader_(footage) {}

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
  Status Load(uint32_t number) {
    if (loaded_ == number) return Ok();
    loaded_.reset();
    const SourceFragment& source = parts_.fragments[number];
    LB_TRY(loader_.Load(parts_.files[source.file], source, buffer_));
    loaded_ = number;
    return Ok();
  }

  const ClipParts& parts_;
  std::mutex mutex_;  // Over all that follows.
  FragmentLoader loader_;
  Bytes buffer_;
  std::optional<uint32_t> loaded_;  // The fragment in the buffer.
};

class VirtualClip : public Clip {
 public:
  VirtualClip(storage::Footage& footage, ClipParts parts)
      : parts_(std::move(parts)), payload_(footage, parts_) {}

  uint64_t size() const override { return parts_.head.size() + parts_.payload.bytes; }
  const std::string& etag() const override { return parts_.etag; }
  size_t memory_bytes() const override {
    return parts_.head.size() + parts_.payload.pieces.size() * sizeof(PayloadPiece) +
           parts_.fragments.size() * sizeof(SourceFragment) +
           parts_.files.size() * sizeof(SourceFile);
  }
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

std::shared_ptr<const Clip> MakeVirtualFile(storage::Footage& footage, ClipParts parts) {
  return std::make_shared<VirtualClip>(footage, std::move(parts));
}

Result<std::shared_ptr<const Clip>> Clip::Plan(storage::Footage& footage,
                                               const ClipRequest& request, TimeUs now_us) {
  if (request.range.duration_us() > kMaxFlatClipUs) {
    if (request.range.duration_us() > kMaxClipUs) {
      return Fail(Code::kUnsupported,
                  "a clip holds at most " + FormatDuration(kMaxClipUs) + ", asked were " +
                      FormatDuration(request.range.duration_us()) + ": ask for it in parts");
    }
    LB_TRY_ASSIGN(parts, PlanLongClip(footage, request, now_us));
    return MakeLongClip(footage, std::move(parts));
  }
  LB_TRY_ASSIGN(parts, PlanClip(footage, request, now_us));
  return MakeVirtualFile(footage, std::move(parts));
}

}  // namespace lookback::query
