#include "apps/camera_sim/footage.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "apps/camera_sim/nal.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/mathematics.h>
}

namespace lookback::camera_sim {
namespace {

// primary_pic_type 7 (any slice) and the trailing bits, in a delimiter NAL unit.
constexpr std::array<uint8_t, 2> kDelimiterNal = {kNalAccessUnitDelimiter, 0xf0};
constexpr size_t kMaxSpsCount = 31;
constexpr size_t kMaxPpsCount = 255;

struct CloseInput {
  void operator()(AVFormatContext* context) const { avformat_close_input(&context); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};
using Input = std::unique_ptr<AVFormatContext, CloseInput>;
using Packet = std::unique_ptr<AVPacket, FreePacket>;

std::string AvError(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, text, sizeof text);
  return text;
}

// Collects parameter sets in the order of their first appearance.
class ParameterSets {
 public:
  void Add(ByteSpan nal) {
    auto& list = NalTypeOf(nal) == kNalSps ? sps_ : pps_;
    Bytes copy(nal.begin(), nal.end());
    if (std::find(list.begin(), list.end(), copy) == list.end()) list.push_back(std::move(copy));
  }
  size_t count() const { return sps_.size() + pps_.size(); }

  Status Store(Footage& footage) const {
    if (sps_.empty() || pps_.empty()) return Fail(Code::kCorrupt, "no SPS or no PPS");
    if (sps_.size() > kMaxSpsCount || pps_.size() > kMaxPpsCount || sps_[0].size() < 4) {
      return Fail(Code::kCorrupt, "parameter sets out of bounds");
    }
    for (const Bytes& nal : sps_) AppendLengthPrefixed(nal, footage.parameter_sets);
    for (const Bytes& nal : pps_) AppendLengthPrefixed(nal, footage.parameter_sets);
    ByteWriter writer(footage.decoder_config);
    writer.U8(1);
    writer.Raw(ByteSpan(sps_[0]).subspan(1, 3));
    writer.U8(0xfc | (kNalLengthBytes - 1));
    writer.U8(static_cast<uint8_t>(0xe0 | sps_.size()));
    for (const Bytes& nal : sps_) WriteCounted(nal, writer);
    writer.U8(static_cast<uint8_t>(pps_.size()));
    for (const Bytes& nal : pps_) WriteCounted(nal, writer);
    return Ok();
  }

 private:
  static void WriteCounted(const Bytes& nal, ByteWriter& writer) {
    writer.U16(static_cast<uint16_t>(nal.size()));
    writer.Raw(nal);
  }

  std::vector<Bytes> sps_;
  std::vector<Bytes> pps_;
};

// Reads one stream of one file; the packets' form (length prefixes or start codes) follows from the
// extradata, as in libavformat.
class Loader {
 public:
  Result<Footage> Load(const std::string& path) {
    LB_TRY(Open(path));
    LB_TRY(ReadExtradata());
    LB_TRY(ReadPackets());
    LB_TRY(sets_.Store(footage_));
    LB_TRY(SetTimes());
    return std::move(footage_);
  }

 private:
  Status Open(const std::string& path) {
    AVDictionary* options = nullptr;
    av_dict_set(&options, "ignore_editlist", "1", 0);
    AVFormatContext* context = nullptr;
    const int opened = avformat_open_input(&context, path.c_str(), nullptr, &options);
    av_dict_free(&options);
    if (opened < 0) {
      return Fail(opened == AVERROR(ENOENT) ? Code::kNotFound : Code::kCorrupt, AvError(opened));
    }
    input_.reset(context);
    if (const int found = avformat_find_stream_info(context, nullptr); found < 0) {
      return Fail(Code::kCorrupt, AvError(found));
    }
    const int index = av_find_best_stream(context, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    if (index < 0) return Fail(Code::kUnsupported, "no video track");
    stream_ = context->streams[index];
    if (stream_->codecpar->codec_id != AV_CODEC_ID_H264) {
      return Fail(Code::kUnsupported, std::string("the video is ") +
                                          avcodec_get_name(stream_->codecpar->codec_id) +
                                          ", not h264");
    }
    return Ok();
  }

  Status ReadExtradata() {
    const auto* par = stream_->codecpar;
    const ByteSpan extra(par->extradata, static_cast<size_t>(std::max(par->extradata_size, 0)));
    if (extra.empty() || extra[0] != 1) {
      for (const ByteSpan nal : SplitAnnexB(extra)) KeepIfParameterSet(nal);
      return Ok();
    }
    ByteReader reader(extra);
    reader.Skip(4);
    length_bytes_ = (reader.U8() & 3) + 1;
    for (const int mask : {0x1f, 0xff}) {
      const int count = reader.U8() & mask;
      for (int i = 0; i < count && reader.ok(); ++i) {
        const ByteSpan nal = reader.Take(reader.U16());
        if (!nal.empty()) KeepIfParameterSet(nal);
      }
    }
    if (!reader.ok()) return Fail(Code::kCorrupt, "the avcC box is cut short");
    return Ok();
  }

  bool KeepIfParameterSet(ByteSpan nal) {
    const uint8_t type = NalTypeOf(nal);
    if (type != kNalSps && type != kNalPps) return false;
    sets_.Add(nal);
    return true;
  }

  Status ReadPackets() {
    const Packet packet(av_packet_alloc());
    size_t bytes = 0;
    int error = 0;
    while ((error = av_read_frame(input_.get(), packet.get())) >= 0) {
      if (packet->stream_index == stream_->index) {
        bytes += static_cast<size_t>(packet->size);
        if (bytes > kFootageMaxBytes) {
          return Fail(Code::kUnsupported, "over the limit of 512 MiB of video");
        }
        LB_TRY(AddUnit(*packet));
      }
      av_packet_unref(packet.get());
    }
    if (error != AVERROR_EOF) return Fail(Code::kCorrupt, AvError(error));
    return Ok();
  }

  Status AddUnit(const AVPacket& packet) {
    if (packet.pts == AV_NOPTS_VALUE || packet.dts == AV_NOPTS_VALUE) {
      return Fail(Code::kUnsupported,
                  "a picture without times (a raw stream with B-frames?): wrap it as MP4 first");
    }
    const ByteSpan data(packet.data, static_cast<size_t>(packet.size));
    std::vector<ByteSpan> nals;
    if (length_bytes_ > 0) {
      LB_TRY_ASSIGN(split, SplitLengthPrefixed(data, length_bytes_));
      nals = std::move(split);
    } else {
      nals = SplitAnnexB(data);
    }
    AccessUnit unit;
    unit.dts_90k = av_rescale_q(packet.dts, stream_->time_base, {1, kVideoClockRate});
    unit.pts_90k = av_rescale_q(packet.pts, stream_->time_base, {1, kVideoClockRate});
    const size_t sets_before = sets_.count();
    bool has_vcl = false;
    for (const ByteSpan nal : nals) {
      const uint8_t type = NalTypeOf(nal);
      if (type == kNalAccessUnitDelimiter) unit.delimiter = true;
      if (type == kNalAccessUnitDelimiter || KeepIfParameterSet(nal)) continue;
      if (!has_vcl && IsVcl(type)) unit.vcl_offset = unit.nals.size();
      has_vcl = has_vcl || IsVcl(type);
      unit.sync = unit.sync || type == kNalIdrSlice;
      AppendLengthPrefixed(nal, unit.nals);
    }
    if (!has_vcl) return Fail(Code::kCorrupt, "an access unit without a slice");
    if (!footage_.units.empty() && sets_.count() != sets_before) {
      return Fail(Code::kUnsupported, "parameter sets that change in mid-clip");
    }
    if (footage_.units.empty() && !unit.sync) {
      return Fail(Code::kUnsupported, "the first picture is not an IDR picture");
    }
    last_duration_90k_ = av_rescale_q(packet.duration, stream_->time_base, {1, kVideoClockRate});
    footage_.units.push_back(std::move(unit));
    return Ok();
  }

  // Moves the first decoding time to 0 and finds the clip's length.
  Status SetTimes() {
    auto& units = footage_.units;
    if (units.size() < 2) return Fail(Code::kUnsupported, "fewer than two pictures");
    const int64_t first = units.front().dts_90k;
    int64_t previous = -1;
    for (AccessUnit& unit : units) {
      unit.dts_90k -= first;
      unit.pts_90k -= first;
      if (unit.dts_90k <= previous) return Fail(Code::kCorrupt, "decoding times that do not rise");
      previous = unit.dts_90k;
      footage_.reorder_90k = std::max(footage_.reorder_90k, unit.pts_90k - unit.dts_90k);
    }
    if (last_duration_90k_ <= 0) {
      last_duration_90k_ = previous / static_cast<int64_t>(units.size() - 1);
    }
    footage_.duration_90k = previous + last_duration_90k_;
    return Ok();
  }

  Input input_;
  AVStream* stream_ = nullptr;
  size_t length_bytes_ = 0;  // 0: start codes.
  int64_t last_duration_90k_ = 0;
  ParameterSets sets_;
  Footage footage_;
};

}  // namespace

size_t Footage::SyncUnitAt(double fraction) const {
  const auto from = static_cast<int64_t>(fraction * static_cast<double>(duration_90k));
  for (size_t i = 0; i < units.size(); ++i) {
    if (units[i].sync && units[i].dts_90k >= from) return i;
  }
  return 0;
}

Result<Footage> LoadFootage(const std::string& path) {
  auto footage = Loader().Load(path);
  if (!footage) return Pass(footage.error(), path);
  return footage;
}

Bytes AssembleAccessUnit(const AccessUnit& unit, ByteSpan parameter_sets, ByteSpan mark_nal) {
  Bytes out;
  out.reserve(unit.nals.size() + parameter_sets.size() + mark_nal.size() + 16);
  ByteWriter writer(out);
  if (unit.delimiter) AppendLengthPrefixed(kDelimiterNal, out);
  writer.Raw(parameter_sets);
  writer.Raw(ByteSpan(unit.nals).first(unit.vcl_offset));
  AppendLengthPrefixed(mark_nal, out);
  writer.Raw(ByteSpan(unit.nals).subspan(unit.vcl_offset));
  return out;
}

}  // namespace lookback::camera_sim
