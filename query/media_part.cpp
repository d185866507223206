#include "query/media_part.h"

#include <algorithm>
#include <charconv>

#include "media/fragment_boxes.h"
#include "media/fragmenter.h"
#include "query/clip_plan.h"
#include "storage/layout.h"

namespace lookback::query {
namespace {

using media::FragmentTrack;
using media::TrackConfig;
using media::TrackKind;

constexpr std::string_view kInitName = "init.mp4";
constexpr std::string_view kSyncPrefix = "sync-";
constexpr std::string_view kExtension = ".m4s";
constexpr size_t kCheckBytes = 256 << 10;

bool ParseNumber(std::string_view text, uint32_t& number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  return error == std::errc() && end == text.data() + text.size() && number > 0;
}

bool ParseFile(std::string_view file, MediaName& name) {
  if (file == kInitName) return true;
  if (!file.ends_with(kExtension)) return false;
  file.remove_suffix(kExtension.size());
  if (file.starts_with(kSyncPrefix)) {
    name.kind = MediaKind::kSyncSample;
    if (!ParseNumber(file.substr(kSyncPrefix.size()), name.first)) return false;
    name.last = name.first;
    return true;
  }
  name.kind = MediaKind::kFragments;
  const size_t dash = file.find('-');
  return dash != std::string_view::npos && ParseNumber(file.substr(0, dash), name.first) &&
         ParseNumber(file.substr(dash + 1), name.last) && name.first <= name.last;
}

auto NotThere(const MediaName& name) {
  return Fail(Code::kNotFound, name.segment.stream.text() + ": " + FormatMediaName(name) +
                                   " is not on record (yet, or any more): ask for the playlist "
                                   "anew");
}

Result<LoadedSegment> FindSegment(storage::Footage& footage, const MediaName& name) {
  const TimeUs start_us = name.segment.start_us;
  LB_TRY_ASSIGN(segments, footage.Segments(name.segment.stream, {start_us, start_us + kUsPerMs}));
  const std::string wanted = storage::SegmentName(name.segment);
  for (const storage::FootageSegment& segment : segments) {
    if (storage::SegmentName(index::KeyOf(segment.row)) == wanted) {
      return LoadSegment(footage, segment);
    }
  }
  return NotThere(name);
}

// How long the first sample of the fragment at `at` stands where only sync samples are shown.
uint32_t SyncDuration(const LoadedSegment& segment, size_t at) {
  int64_t ticks = 0;
  const auto& fragments = segment.index->fragments;
  for (size_t i = at; i < fragments.size(); ++i) {
    if (i > at && (fragments[i].info.flags & media::kContinuation) == 0) break;
    const FragmentTrack* track = fragments[i].info.Track(TrackKind::kVideo);
    if (track != nullptr) ticks += track->duration();
  }
  return static_cast<uint32_t>(std::min<int64_t>(ticks, UINT32_MAX));
}

class PartPlanner {
 public:
  PartPlanner(LoadedSegment segment, const MediaName& name, bool audio)
      : segment_(std::move(segment)), name_(name), audio_(audio) {
    parts_.files.push_back({segment_.footage, segment_.index->header.run});
    parts_.etag = FormatMediaName(name) + (audio ? "" : "-video");
  }

  Result<ClipParts> Plan() {
    if (name_.kind == MediaKind::kInit) {
      parts_.head = PartInit(segment_, audio_);
      parts_.report.shown = segment_.footage.row.range();
      return std::move(parts_);
    }
    const auto& all = segment_.index->fragments;
    for (size_t i = 0; i < all.size(); ++i) {
      if (all[i].info.number < name_.first || all[i].info.number > name_.last) continue;
      if (name_.kind == MediaKind::kSyncSample) {
        LB_TRY(AddSyncSample(i));
      } else {
        Add(all[i], 0, PartBytes(all[i].info, audio_));
      }
    }
    // The names of a playlist begin and end with fragments that are there, and are bounded.
    const auto& taken = parts_.fragments;
    const bool whole =
        !taken.empty() && taken.front().number == name_.first && taken.back().number == name_.last;
    if (!whole) return NotThere(name_);
    parts_.report.shown = {taken.front().range.start_us, taken.back().range.end_us};
    if (taken.size() > 1 && (parts_.report.shown.duration_us() > kMaxMediaPartUs ||
                             parts_.payload.bytes > kMaxMediaPartBytes)) {
      return Fail(Code::kInvalid,
                  FormatMediaName(name_) +
                      " is more than one request may ask for: " + FormatDuration(kMaxMediaPartUs) +
                      " and " + std::to_string(kMaxMediaPartBytes) + " bytes");
    }
    return std::move(parts_);
  }

 private:
  void Add(const storage::SegmentFragment& fragment, uint32_t skip, uint32_t length) {
    const auto number = static_cast<uint32_t>(parts_.fragments.size());
    auto source = SourceFragment::Of(0, fragment);
    const FragmentTrack* pictures = fragment.info.Track(TrackKind::kVideo);
    const bool anew = fragment.info.number == 1 || name_.kind == MediaKind::kSyncSample;
    if (anew && pictures != nullptr) source.splice = Splice::At(segment_, *pictures, 0);
    parts_.fragments.push_back(source);
    parts_.payload.pieces.push_back({parts_.payload.bytes, number, skip, length});
    parts_.payload.bytes += length;
  }

  Status AddSyncSample(size_t at) {
    const storage::SegmentFragment& fragment = segment_.index->fragments[at];
    const FragmentTrack* track = fragment.info.Track(TrackKind::kVideo);
    if (track == nullptr || track->samples.front().sync == media::Sync::kNone ||
        name_.first == GopUnderWay(segment_)) {
      return NotThere(name_);
    }
    FragmentTrack alone = *track;
    alone.samples = {track->samples.front()};
    alone.samples.front().duration = SyncDuration(segment_, at);
    ByteWriter out(parts_.head);
    media::WriteTrackFragment(fragment.info.number, 1, alone, out);
    Add(fragment, track->data_offset, alone.samples.front().size);
    return Ok();
  }

  const LoadedSegment segment_;
  const MediaName& name_;
  const bool audio_;
  ClipParts parts_;
};

}  // namespace

std::string FormatMediaName(const MediaName& name) {
  std::string text = storage::SegmentName(name.segment) + "/";
  switch (name.kind) {
    case MediaKind::kInit:
      return text.append(kInitName);
    case MediaKind::kSyncSample:
      return text.append(kSyncPrefix).append(std::to_string(name.first)).append(kExtension);
    case MediaKind::kFragments:
      break;
  }
  text.append(std::to_string(name.first)).append("-").append(std::to_string(name.last));
  return text.append(kExtension);
}

Result<MediaName> ParseMediaName(const StreamId& stream, std::string_view segment,
                                 std::string_view file) {
  MediaName name;
  LB_TRY_ASSIGN(key, storage::ParseSegmentName(stream, segment));
  name.segment = std::move(key);
  // Leading zeros and the like: one thing has one name, so that caches keep it once.
  if (ParseFile(file, name) && FormatMediaName(name).ends_with("/" + std::string(file))) {
    return name;
  }
  return Fail(Code::kInvalid, "\"" + std::string(file.substr(0, 64)) + "\" is not " +
                                  std::string(kInitName) + ", 5-8.m4s or sync-5.m4s");
}

bool IsPlayableSound(media::Codec codec) {
  return codec == media::Codec::kAac || codec == media::Codec::kOpus;
}

std::optional<uint32_t> GopUnderWay(const LoadedSegment& segment) {
  if (segment.footage.open == nullptr) return std::nullopt;
  const auto& fragments = segment.index->fragments;
  const auto begins = [](const storage::SegmentFragment& fragment) {
    return (fragment.info.flags & media::kContinuation) == 0;
  };
  const auto found = std::find_if(fragments.rbegin(), fragments.rend(), begins);
  if (found == fragments.rend()) return std::nullopt;
  return found->info.number;
}

uint32_t PartBytes(const media::FragmentInfo& info, bool audio) {
  const FragmentTrack* video = info.Track(TrackKind::kVideo);
  if (audio || video == nullptr) return info.length;
  return static_cast<uint32_t>(video->data_offset + video->data_bytes());
}

Bytes PartInit(const LoadedSegment& segment, bool audio) {
  if (audio || segment.tracks.size() == 1) return segment.index->init;
  return media::BuildInitSection({segment.tracks.front()});
}

Result<MediaPart> OpenMediaPart(storage::Footage& footage, const MediaName& name, bool audio,
                                std::shared_ptr<IdleReaders> readers) {
  LB_TRY_ASSIGN(segment, FindSegment(footage, name));
  const TimeRange whole = segment.footage.row.range();
  LB_TRY_ASSIGN(parts, PartPlanner(std::move(segment), name, audio).Plan());
  const TimeRange range = parts.report.shown;
  auto file = MakeVirtualFile(footage, std::move(parts), std::move(readers));
  // A player that got half of it could not tell why; so what is damaged is told before a byte is.
  Bytes scratch(std::min<uint64_t>(kCheckBytes, file->size()));
  for (uint64_t at = 0; at < file->size();) {
    LB_TRY_ASSIGN(count, file->Read(at, scratch));
    at += count;
  }
  return MediaPart{std::move(file), range, whole};
}

}  // namespace lookback::query
