#include "query/clip.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "query/clip_plan.h"
#include "query/clip_reader.h"
#include "query/fragment_loader.h"
#include "query/long_clip_plan.h"

namespace lookback::query {
namespace {

// Reads payload fragment by fragment: each is read whole and its digest checked before a byte of it
// leaves.
class PayloadReader final : public ClipReader {
 public:
  PayloadReader(storage::Footage& footage, const ClipParts& parts)
      : parts_(parts), loader_(footage) {}

  Status Read(uint64_t offset, std::span<uint8_t> into) override {
    offset -= parts_.head.size();
    for (auto piece = PieceAt(offset); !into.empty(); ++piece) {
      const auto skip = static_cast<size_t>(offset - piece->at);
      const size_t count = std::min<size_t>(into.size(), piece->length - skip);
      const bool own = piece->fragment == kOwnText;
      if (!own) LB_TRY(Load(piece->fragment));
      const Bytes& from = own ? parts_.texts : buffer_;
      std::memcpy(into.data(), from.data() + piece->skip + skip, count);
      into = into.subspan(count);
      offset += count;
    }
    return Ok();
  }

  bool HasInMemory(uint64_t offset) const override {
    return loaded_ && PieceAt(offset - parts_.head.size())->fragment == *loaded_;
  }
  size_t memory_bytes() const override { return sizeof(*this) + buffer_.capacity(); }

 private:
  std::vector<PayloadPiece>::const_iterator PieceAt(uint64_t offset) const {
    const auto& pieces = parts_.payload.pieces;
    return std::prev(
        std::upper_bound(pieces.begin(), pieces.end(), offset,
                         [](uint64_t at, const PayloadPiece& p) { return at < p.at; }));
  }

  Status Load(uint32_t number) {
    if (loaded_ == number) return Ok();
    loaded_.reset();
    const SourceFragment& source = parts_.fragments[number];
    LB_TRY(loader_.Load(parts_.files[source.file], source, buffer_));
    loaded_ = number;
    return Ok();
  }

  const ClipParts& parts_;
  FragmentLoader loader_;
  Bytes buffer_;
  std::optional<uint32_t> loaded_;  // The fragment in the buffer.
};

class VirtualClip final : public StoredClip {
 public:
  VirtualClip(storage::Footage& footage, ClipParts parts, std::shared_ptr<IdleReaders> readers,
              storage::ReadPins::Pin pin)
      : StoredClip(std::move(readers), std::move(pin)),
        footage_(footage),
        parts_(std::move(parts)) {}

  uint64_t size() const override { return parts_.head.size() + parts_.payload.bytes; }
  const std::string& etag() const override { return parts_.etag; }
  size_t memory_bytes() const override {
    return parts_.head.size() + parts_.texts.size() +
           parts_.payload.pieces.size() * sizeof(PayloadPiece) +
           parts_.fragments.size() * sizeof(SourceFragment) +
           parts_.files.size() * sizeof(SourceFile);
  }
  const ClipReport& report() const override { return parts_.report; }

 private:
  const Bytes& head() const override { return parts_.head; }
  std::unique_ptr<ClipReader> NewReader() const override {
    return std::make_unique<PayloadReader>(footage_, parts_);
  }

  storage::Footage& footage_;
  const ClipParts parts_;
};

}  // namespace

std::shared_ptr<const Clip> MakeVirtualFile(storage::Footage& footage, ClipParts parts,
                                            std::shared_ptr<IdleReaders> readers,
                                            storage::ReadPins::Pin pin) {
  return std::make_shared<VirtualClip>(footage, std::move(parts), std::move(readers),
                                       std::move(pin));
}

Result<std::shared_ptr<const Clip>> Clip::Plan(storage::Footage& footage,
                                               const ClipRequest& request, TimeUs now_us,
                                               std::shared_ptr<IdleReaders> readers) {
  auto pin = footage.pins().Add(request.stream, request.range, now_us);
  if (request.range.duration_us() > kMaxFlatClipUs) {
    if (request.range.duration_us() > kMaxClipUs) {
      return Fail(Code::kUnsupported,
                  "a clip holds at most " + FormatDuration(kMaxClipUs) + ", asked were " +
                      FormatDuration(request.range.duration_us()) + ": ask for it in parts");
    }
    if (request.subtitles) {
      return Fail(Code::kUnsupported, "a clip with subtitles holds at most " +
                                          FormatDuration(kMaxFlatClipUs) + ", asked were " +
                                          FormatDuration(request.range.duration_us()) +
                                          ": ask for it in parts, or without them");
    }
    LB_TRY_ASSIGN(parts, PlanLongClip(footage, request, now_us));
    pin.ReachBack(parts.parts.front().start_us);
    return MakeLongClip(footage, std::move(parts), std::move(readers), std::move(pin));
  }
  LB_TRY_ASSIGN(parts, PlanClip(footage, request, now_us));
  // What decoding needs before the range is read, too.
  for (const SourceFile& file : parts.files) pin.ReachBack(file.segment.row.start_us);
  return MakeVirtualFile(footage, std::move(parts), std::move(readers), std::move(pin));
}

}  // namespace lookback::query
