// Reads a clip that was planned by rows alone: file after file, fragment after fragment.

#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "media/fragment_boxes.h"
#include "query/clip_reader.h"
#include "query/fragment_loader.h"
#include "query/long_clip_plan.h"
#include "query/movie_head.h"
#include "query/stretch.h"

namespace lookback::query {
namespace {

using media::FragmentTrack;
using media::TrackKind;
using storage::SegmentFragment;

// Numbers of fragments rise through the clip: so many of a part's own.
constexpr uint32_t kNumbersAPart = storage::kMaxSegmentFragments;
// About what a segment's index holds for a fragment of two seconds with sound.
constexpr size_t kIndexBytesAFragment = 4 << 10;
static_assert(uint64_t{kNumbersAPart} * kMaxLongClipParts <= UINT32_MAX);

void WriteFreeHead(std::span<uint8_t> box) {
  const auto size = static_cast<uint32_t>(box.size());
  for (size_t i = 0; i < 4; ++i) box[i] = static_cast<uint8_t>(size >> (24 - 8 * i));
  std::memcpy(box.data() + 4, "free", 4);
}

// Bytes of a part that leave together: a fragment and its trailer, or a `free` box.
struct Block {
  uint64_t from = 0;  // In the file.
  uint64_t to = 0;
  const SegmentFragment* fragment = nullptr;  // nullptr: free.
  uint32_t number = 0;                        // In the clip.
  uint32_t longer_by = 0;
  bool anew = false;  // The run begins with it, or what stands before it is damaged.
};

// The part that is read just now.
struct OpenPart {
  size_t place = SIZE_MAX;  // In LongClipParts::parts.
  LoadedSegment segment;
  std::vector<Block> blocks;
};

class PartReader final : public ClipReader {
 public:
  PartReader(storage::Footage& footage, const LongClipParts& parts)
      : footage_(footage), parts_(parts), loader_(footage) {}

  Status Read(uint64_t offset, std::span<uint8_t> into) override {
    while (!into.empty()) {
      LB_TRY_ASSIGN(count, ReadPart(offset, into));
      offset += count;
      into = into.subspan(count);
    }
    return Ok();
  }

  bool HasInMemory(uint64_t offset) const override {
    const size_t place = PlaceOf(offset);
    return filled_ && open_.place == place &&
           *filled_ == BlockAt(InFile(parts_.parts[place], offset))->from;
  }
  size_t memory_bytes() const override {
    return sizeof(*this) + buffer_.capacity() + open_.blocks.capacity() * sizeof(Block) +
           open_.blocks.size() * kIndexBytesAFragment;
  }

 private:
  size_t PlaceOf(uint64_t offset) const {
    const auto next =
        std::upper_bound(parts_.parts.begin(), parts_.parts.end(), offset,
                         [](uint64_t at, const LongPart& part) { return at < part.at; });
    return static_cast<size_t>(next - parts_.parts.begin()) - 1;
  }
  static uint64_t InFile(const LongPart& part, uint64_t offset) {
    return part.from + (offset - part.at);
  }
  std::vector<Block>::const_iterator BlockAt(uint64_t at) const {
    return std::upper_bound(open_.blocks.begin(), open_.blocks.end(), at,
                            [](uint64_t position, const Block& b) { return position < b.to; });
  }

  // Some of what is wanted from `offset` on.
  Result<size_t> ReadPart(uint64_t offset, std::span<uint8_t> into) {
    const size_t place = PlaceOf(offset);
    if (open_.place != place) LB_TRY(OpenPartAt(place));
    const LongPart& part = parts_.parts[place];
    const uint64_t at = InFile(part, offset);
    const auto block = BlockAt(at);
    const auto skip = static_cast<size_t>(at - block->from);
    const size_t count = std::min<size_t>(into.size(), block->to - at);
    LB_TRY(Fill(part, *block));
    std::memcpy(into.data(), buffer_.data() + skip, count);
    return count;
  }

  Status OpenPartAt(size_t place) {
    open_.place = SIZE_MAX;
    filled_.reset();
    const LongPart& part = parts_.parts[place];
    LB_TRY_ASSIGN(segments, footage_.Segments(parts_.stream, {part.start_us, part.start_us + 1}));
    const auto found = std::find_if(segments.begin(), segments.end(), [&](const auto& segment) {
      return segment.row.epoch == part.epoch && segment.row.sequence == part.sequence &&
             segment.row.thinned == part.thinned;
    });
    if (found == segments.end() || (part.whole && found->row.bytes != part.to)) {
      return Fail(Code::kNotFound, fmt::format("{}: the segment of {} is not there any more",
                                               parts_.stream.text(), FormatTime(part.start_us)));
    }
    LB_TRY_ASSIGN(loaded, LoadSegment(footage_, *found));
    open_.segment = std::move(loaded);
    LB_TRY(CutBlocks(static_cast<uint32_t>(place), part));
    open_.place = place;
    return Ok();
  }

  // The part as blocks that follow one another; kCorrupt when the file's index contradicts that.
  Status CutBlocks(uint32_t place, const LongPart& part) {
    open_.blocks.clear();
    uint64_t at = part.from;
    uint32_t number = place * kNumbersAPart;
    Block* last_pictures = nullptr;
    bool anew = false;
    const auto leave_free = [&](uint64_t to) {
      constexpr uint64_t kLeastBox = 8;
      if (to > at && to - at < kLeastBox) return false;
      if (to > at) open_.blocks.push_back({at, to});
      at = to;
      return true;
    };
    const auto wrong = [&] {
      return Fail(Code::kCorrupt, fmt::format("{}: the index of the segment of {} is not that of "
                                              "its file",
                                              parts_.stream.text(), FormatTime(part.start_us)));
    };
    open_.blocks.reserve(open_.segment.index->fragments.size() + 2);
    for (const SegmentFragment& fragment : open_.segment.index->fragments) {
      ++number;
      const uint64_t to = fragment.offset + fragment.info.length + storage::kFragmentTrailerBytes;
      if (fragment.offset < part.from) continue;
      if (to > part.to) break;
      if (fragment.offset < at || !leave_free(fragment.offset)) return wrong();
      const bool damaged = parts_.damaged.contains({place, fragment.info.number});
      anew = anew || fragment.info.number == 1;
      open_.blocks.push_back({at, to, damaged ? nullptr : &fragment, number, 0, anew});
      anew = damaged;
      if (!damaged && fragment.info.Track(TrackKind::kVideo) != nullptr) {
        last_pictures = &open_.blocks.back();
      }
      at = to;
    }
    if (last_pictures != nullptr) last_pictures->longer_by = part.longer_by;
    return leave_free(part.to) && at == part.to ? Status() : wrong();
  }

  // Puts the block into the buffer as it leaves.
  Status Fill(const LongPart& part, const Block& block) {
    if (filled_ == block.from) return Ok();
    filled_.reset();
    if (block.fragment == nullptr) {
      // As large as the longest fragment, or as an index: both are bounded.
      buffer_.assign(static_cast<size_t>(block.to - block.from), 0);
      WriteFreeHead(buffer_);
    } else {
      const SegmentFragment& fragment = *block.fragment;
      const SourceFile file{open_.segment.footage, open_.segment.index->header.run};
      auto source = SourceFragment::Of(0, fragment);
      const FragmentTrack* pictures = fragment.info.Track(TrackKind::kVideo);
      if (block.anew && pictures != nullptr)
        source.splice = Splice::At(open_.segment, *pictures, 0);
      LB_TRY(loader_.Load(file, source, buffer_));
      LB_TRY(Move(part, block));
    }
    filled_ = block.from;
    return Ok();
  }

  // To its place in the clip.
  Status Move(const LongPart& part, const Block& block) {
    for (const FragmentTrack& track : block.fragment->info.tracks) {
      const uint64_t head = media::TrackFragmentBytes(track);
      const uint64_t begin = track.data_offset - std::min<uint64_t>(head, track.data_offset);
      if (track.data_offset < head || std::memcmp(buffer_.data() + begin + 4, "moof", 4) != 0) {
        return Fail(Code::kCorrupt, fmt::format("{}: the index of the segment of {} is not that "
                                                "of its file",
                                                parts_.stream.text(), FormatTime(part.start_us)));
      }
      const std::span<uint8_t> bytes(buffer_.data() + begin,
                                     static_cast<size_t>(head + track.data_bytes()));
      const bool video = track.kind == TrackKind::kVideo;
      if (!video && part.audio_entry == 0) {
        WriteFreeHead(bytes);
        continue;
      }
      media::TrackFragmentPlace place;
      place.number = block.number;
      place.description = video ? part.video_entry : part.audio_entry;
      place.shift =
          video ? part.shift : Rescale(part.shift, parts_.video_timescale, parts_.audio_timescale);
      place.longer_by = video ? block.longer_by : 0;
      media::MoveTrackFragment(place, track, bytes);
    }
    media::MoveProducerReferenceTime(part.shift, buffer_);
    return Ok();
  }

  storage::Footage& footage_;
  const LongClipParts& parts_;
  FragmentLoader loader_;
  OpenPart open_;
  Bytes buffer_;                    // A block,
  std::optional<uint64_t> filled_;  // and where in the file of the open part it begins.
};

class LongClip final : public StoredClip {
 public:
  LongClip(storage::Footage& footage, LongClipParts parts, std::shared_ptr<IdleReaders> readers,
           storage::ReadPins::Pin pin)
      : StoredClip(std::move(readers), std::move(pin)),
        footage_(footage),
        parts_(std::move(parts)) {}

  uint64_t size() const override { return parts_.size(); }
  const std::string& etag() const override { return parts_.etag; }
  const ClipReport& report() const override { return parts_.report; }
  size_t memory_bytes() const override {
    return parts_.head.size() + parts_.parts.size() * sizeof(LongPart);
  }

 private:
  const Bytes& head() const override { return parts_.head; }
  std::unique_ptr<ClipReader> NewReader() const override {
    return std::make_unique<PartReader>(footage_, parts_);
  }

  storage::Footage& footage_;
  const LongClipParts parts_;
};

}  // namespace

std::shared_ptr<const Clip> MakeLongClip(storage::Footage& footage, LongClipParts parts,
                                         std::shared_ptr<IdleReaders> readers,
                                         storage::ReadPins::Pin pin) {
  return std::make_shared<LongClip>(footage, std::move(parts), std::move(readers), std::move(pin));
}

}  // namespace lookback::query
