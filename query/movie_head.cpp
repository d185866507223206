#include "query/movie_head.h"

#include <array>

#include "media/bmff.h"

namespace lookback::query {
namespace {

using media::BoxScope;

constexpr uint64_t kSecondsFrom1904To1970 = 2'082'844'800;
constexpr uint32_t kFixedOne = 0x0001'0000;  // 16.16
constexpr uint16_t kUndeterminedLanguage = 0x55C4;
constexpr uint64_t kLargestOffset32 = UINT32_MAX;
// More than head and tables of the longest clip take: decides between `stco` and `co64`.
constexpr uint64_t kHeadAllowanceBytes = 64 << 20;

std::string_view HandlerOf(ClipTrackKind kind) {
  if (kind == ClipTrackKind::kVideo) return "vide";
  return kind == ClipTrackKind::kAudio ? "soun" : "sbtl";
}

// Players show it where one chooses between tracks.
std::string_view NameOf(ClipTrackKind kind) {
  if (kind == ClipTrackKind::kVideo) return "VideoHandler";
  return kind == ClipTrackKind::kAudio ? "SoundHandler" : "Time of the pictures";
}

// Where the chunk offsets of a track were written, to be completed when the head's size is known.
struct OffsetTable {
  size_t at = 0;
  const ClipTrack* track = nullptr;
};

void AppendU32Table(ByteWriter& out, const std::vector<uint32_t>& values, Bytes& buffer) {
  buffer.resize(values.size() * 4);
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t b = 0; b < 4; ++b) {
      buffer[4 * i + b] = static_cast<uint8_t>(values[i] >> (24 - 8 * b));
    }
  }
  out.Raw(buffer);
}

// `down`: so many pixels below where it would stand.
void AppendMatrix(ByteWriter& out, uint32_t down = 0) {
  for (const uint32_t value :
       {kFixedOne, 0U, 0U, 0U, kFixedOne, 0U, 0U, down << 16, 0x4000'0000U}) {
    out.U32(value);
  }
}

class HeadWriter {
 public:
  HeadWriter(const std::vector<const ClipTrack*>& tracks, uint64_t payload_bytes, TimeUs created_us)
      : tracks_(tracks),
        wide_offsets_(payload_bytes + kHeadAllowanceBytes > kLargestOffset32),
        created_s_(static_cast<uint64_t>(created_us / kUsPerSecond) + kSecondsFrom1904To1970),
        out_(bytes_) {}

  Bytes WriteFragmented(int64_t start_ticks, const std::vector<IndexedPart>& parts) {
    fragmented_ = true;
    WriteBrands({"iso6", "iso4", "mp42"});
    WriteMoov({});
    WriteIndex(start_ticks, parts);
    return std::move(bytes_);
  }

  Bytes Write(uint64_t payload_bytes, const std::vector<Chapter>& chapters) {
    WriteBrands({"isom", "iso4", "mp42"});
    WriteMoov(chapters);
    constexpr uint64_t kHeaderBytes = 8;
    if (payload_bytes + kHeaderBytes <= kLargestOffset32) {
      out_.U32(static_cast<uint32_t>(payload_bytes + kHeaderBytes));
      out_.Text("mdat");
    } else {
      out_.U32(1);  // The size follows in 64 bits.
      out_.Text("mdat");
      out_.U64(payload_bytes + 2 * kHeaderBytes);
    }
    for (const OffsetTable& table : offset_tables_) PatchOffsets(table);
    return std::move(bytes_);
  }

 private:
  void WriteBrands(std::initializer_list<std::string_view> compatible) {
    BoxScope box(out_, "ftyp");
    out_.Text(*compatible.begin());
    out_.U32(0x200);
    for (const std::string_view brand : compatible) out_.Text(brand);
  }

  // ISO/IEC 14496-12 §8.16.3.
  void WriteIndex(int64_t start_ticks, const std::vector<IndexedPart>& parts) {
    BoxScope box(out_, "sidx", 1, 0);
    out_.U32(1);  // The track that the times are of.
    out_.U32(tracks_.front()->timescale);
    out_.I64(start_ticks);
    out_.U64(0);  // The parts follow at once.
    out_.U16(0);
    out_.U16(static_cast<uint16_t>(parts.size()));
    constexpr uint32_t kStartsWithSync = 0x9000'0000;  // A stream access point of type 1.
    for (const IndexedPart& part : parts) {
      out_.U32(part.bytes);
      out_.U32(part.duration_ticks);
      out_.U32(kStartsWithSync);
    }
  }

  static int64_t EditDuration(const ClipTrack& track) {
    return Rescale(track.edit_duration, track.timescale, kMovieTimescale);
  }

  void WriteTimes() {
    out_.U64(created_s_);
    out_.U64(created_s_);
  }

  void WriteMoov(const std::vector<Chapter>& chapters) {
    BoxScope moov(out_, "moov");
    int64_t longest = 0;
    for (const ClipTrack* track : tracks_) longest = std::max(longest, EditDuration(*track));
    {
      BoxScope box(out_, "mvhd", 1, 0);
      WriteTimes();
      out_.U32(kMovieTimescale);
      out_.I64(longest);
      out_.U32(kFixedOne);  // Rate.
      out_.U16(0x0100);     // Volume.
      out_.Zeros(10);
      AppendMatrix(out_);
      out_.Zeros(24);
      out_.U32(static_cast<uint32_t>(tracks_.size() + 1));
    }
    uint32_t id = 1;
    for (const ClipTrack* track : tracks_) WriteTrack(*track, id++);
    if (fragmented_) WriteExtends(longest);
    if (!chapters.empty()) WriteChapters(chapters);
  }

  // Nero's, which has no standard; as libavformat, VLC and GPAC read it.
  void WriteChapters(const std::vector<Chapter>& chapters) {
    LB_CHECK(chapters.size() <= kMaxChapters);
    BoxScope udta(out_, "udta");
    BoxScope box(out_, "chpl", 1, 0);
    out_.U32(0);
    out_.U8(static_cast<uint8_t>(chapters.size()));
    constexpr int64_t kTicksAUs = 10;
    for (const Chapter& chapter : chapters) {
      LB_CHECK(chapter.title.size() <= UINT8_MAX);
      out_.I64(chapter.at_us * kTicksAUs);
      out_.U8(static_cast<uint8_t>(chapter.title.size()));
      out_.Text(chapter.title);
    }
  }

  // What is in fragments (ISO/IEC 14496-12 §8.8.1): each of them tells all of its samples.
  void WriteExtends(int64_t longest) {
    BoxScope mvex(out_, "mvex");
    {
      BoxScope box(out_, "mehd", 1, 0);
      out_.I64(longest);
    }
    for (uint32_t id = 1; id <= tracks_.size(); ++id) {
      BoxScope box(out_, "trex", 0, 0);
      out_.U32(id);
      out_.U32(1);
      out_.Zeros(12);  // Duration, size and flags.
    }
  }

  void WriteTrack(const ClipTrack& track, uint32_t id) {
    const bool subtitles = track.kind == ClipTrackKind::kSubtitles;
    BoxScope trak(out_, "trak");
    {
      constexpr uint32_t kEnabledAndInMovie = 3;
      BoxScope box(out_, "tkhd", 1, kEnabledAndInMovie);
      WriteTimes();
      out_.U32(id);
      out_.U32(0);
      out_.I64(EditDuration(track));
      out_.Zeros(8 + 2);  // Reserved, layer.
      // QuickTime offers subtitles that are in a group.
      out_.U16(subtitles ? 1 : 0);
      out_.U16(track.kind == ClipTrackKind::kAudio ? 0x0100 : 0);  // Volume.
      out_.U16(0);
      AppendMatrix(out_, subtitles ? tracks_.front()->height - track.height : 0);
      out_.U32(uint32_t{track.width} << 16);
      out_.U32(uint32_t{track.height} << 16);
    }
    if (!fragmented_) {
      BoxScope edts(out_, "edts");
      BoxScope box(out_, "elst", 1, 0);
      out_.U32(1);
      out_.I64(EditDuration(track));
      out_.I64(track.edit_start);
      out_.U32(kFixedOne);
    }
    BoxScope mdia(out_, "mdia");
    {
      BoxScope box(out_, "mdhd", 1, 0);
      WriteTimes();
      out_.U32(track.timescale);
      out_.I64(track.duration);
      out_.U16(kUndeterminedLanguage);
      out_.U16(0);
    }
    {
      BoxScope box(out_, "hdlr", 0, 0);
      out_.U32(0);
      out_.Text(HandlerOf(track.kind));
      out_.Zeros(12);
      out_.Text(NameOf(track.kind));
      out_.U8(0);
    }
    WriteMinf(track);
  }

  void WriteMinf(const ClipTrack& track) {
    const bool video = track.kind == ClipTrackKind::kVideo;
    BoxScope minf(out_, "minf");
    if (video) {
      BoxScope box(out_, "vmhd", 0, 1);
      out_.Zeros(8);
    } else if (track.kind == ClipTrackKind::kSubtitles) {
      BoxScope box(out_, "nmhd", 0, 0);
    } else {
      BoxScope box(out_, "smhd", 0, 0);
      out_.Zeros(4);
    }
    {
      BoxScope dinf(out_, "dinf");
      BoxScope dref(out_, "dref", 0, 0);
      out_.U32(1);
      constexpr uint32_t kInThisFile = 1;
      BoxScope url(out_, "url ", 0, kInThisFile);
    }
    BoxScope stbl(out_, "stbl");
    {
      BoxScope box(out_, "stsd", 0, 0);
      out_.U32(static_cast<uint32_t>(track.entries.size()));
      for (const Bytes& entry : track.entries) out_.Raw(entry);
    }
    WriteTimeTables(track, video);
    WriteChunkTables(track);
  }

  void WriteCounted(const std::vector<CountedDelta>& table) {
    out_.U32(static_cast<uint32_t>(table.size()));
    std::vector<uint32_t> flat;
    flat.reserve(2 * table.size());
    for (const CountedDelta& row : table) flat.insert(flat.end(), {row.count, row.delta});
    AppendU32Table(out_, flat, scratch_);
  }

  void WriteTimeTables(const ClipTrack& track, bool video) {
    {
      BoxScope box(out_, "stts", 0, 0);
      WriteCounted(track.durations);
    }
    const bool reordered =
        track.offsets.size() > 1 || (!track.offsets.empty() && track.offsets.front().delta != 0);
    if (reordered) {
      BoxScope box(out_, "ctts", 1, 0);
      WriteCounted(track.offsets);
    }
    // Without the box every sample is a sync sample.
    if (video && track.sync_samples.size() != track.sizes.size()) {
      BoxScope box(out_, "stss", 0, 0);
      out_.U32(static_cast<uint32_t>(track.sync_samples.size()));
      AppendU32Table(out_, track.sync_samples, scratch_);
    }
    BoxScope box(out_, "stsz", 0, 0);
    out_.U32(0);  // Sizes differ.
    out_.U32(static_cast<uint32_t>(track.sizes.size()));
    AppendU32Table(out_, track.sizes, scratch_);
  }

  void WriteChunkTables(const ClipTrack& track) {
    {
      BoxScope box(out_, "stsc", 0, 0);
      const size_t count_at = out_.position();
      out_.U32(0);
      uint32_t rows = 0;
      const Chunk* previous = nullptr;
      uint32_t number = 0;
      for (const Chunk& chunk : track.chunks) {
        ++number;
        if (previous == nullptr || previous->samples != chunk.samples ||
            previous->entry != chunk.entry) {
          out_.U32(number);
          out_.U32(chunk.samples);
          out_.U32(chunk.entry + 1);
          ++rows;
        }
        previous = &chunk;
      }
      out_.PatchU32(count_at, rows);
    }
    BoxScope box(out_, wide_offsets_ ? "co64" : "stco", 0, 0);
    out_.U32(static_cast<uint32_t>(track.chunks.size()));
    offset_tables_.push_back({out_.position(), &track});
    out_.Zeros(track.chunks.size() * (wide_offsets_ ? 8 : 4));
  }

  void PatchOffsets(const OffsetTable& table) {
    size_t at = table.at;
    for (const Chunk& chunk : table.track->chunks) {
      const uint64_t offset = bytes_.size() + chunk.at;
      if (wide_offsets_) {
        out_.PatchU32(at, static_cast<uint32_t>(offset >> 32));
        at += 4;
      }
      out_.PatchU32(at, static_cast<uint32_t>(offset));
      at += 4;
    }
  }

  const std::vector<const ClipTrack*>& tracks_;
  const bool wide_offsets_;
  bool fragmented_ = false;
  const uint64_t created_s_;
  Bytes bytes_;
  ByteWriter out_;
  Bytes scratch_;
  std::vector<OffsetTable> offset_tables_;
};

}  // namespace

int64_t Rescale(int64_t value, int64_t from, int64_t to) {
  const int64_t scaled = value * to;
  return (scaled >= 0 ? scaled + from / 2 : scaled - from / 2) / from;
}

Bytes BuildFragmentedHead(const std::vector<const ClipTrack*>& tracks, int64_t start_ticks,
                          const std::vector<IndexedPart>& parts, TimeUs created_us) {
  return HeadWriter(tracks, 0, created_us).WriteFragmented(start_ticks, parts);
}

Bytes BuildMovieHead(const std::vector<const ClipTrack*>& tracks, uint64_t payload_bytes,
                     TimeUs created_us, const std::vector<Chapter>& chapters) {
  return HeadWriter(tracks, payload_bytes, created_us).Write(payload_bytes, chapters);
}

}  // namespace lookback::query
