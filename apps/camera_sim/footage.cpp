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

// primary_pic_type 7 (any slice) and the trailing bits, in a delimiter NAL unit of H.264.
constexpr std::array<uint8_t, 2> kDelimiterNal = {kNalAccessUnitDelimiter, 0xf0};
// pic_type 2 (any slice) and the trailing bits, behind H.265's header of two bytes.
constexpr std::array<uint8_t, 3> kH265DelimiterNal = {35 << 1, 1, 0x50};
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
  void Add(NalKind kind, ByteSpan nal) {
    auto& list = kind == NalKind::kVps ? vps_ : kind == NalKind::kSps ? sps_ : pps_;
    Bytes copy(nal.begin(), nal.end());
    if (std::find(list.begin(), list.end(), copy) == list.end()) list.push_back(std::move(copy));
  }
  size_t count() const { return vps_.size() + sps_.size() + pps_.size(); }

  Status Store(Footage& footage) const {
    if (sps_.empty() || pps_.empty()) return Fail(Code::kCorrupt, "no SPS or no PPS");
    if (sps_.size() > kMaxSpsCount || pps_.size() > kMaxPpsCount || sps_[0].size() < 4) {
      return Fail(Code::kCorrupt, "parameter sets out of bounds");
    }
    for (const auto* list : {&vps_, &sps_, &pps_}) {
      for (const Bytes& nal : *list) AppendLengthPrefixed(nal, footage.parameter_sets);
    }
    if (footage.codec == VideoCodec::kH264) WriteAvcConfig(footage.decoder_config);
    return Ok();
  }

 private:
  void WriteAvcConfig(Bytes& config) const {
    ByteWriter writer(config);
    writer.U8(1);
    writer.Raw(ByteSpan(sps_[0]).subspan(1, 3));
    writer.U8(0xfc | (kNalLengthBytes - 1));
    writer.U8(static_cast<uint8_t>(0xe0 | sps_.size()));
    for (const Bytes& nal : sps_) WriteCounted(nal, writer);
    writer.U8(static_cast<uint8_t>(pps_.size()));
    for (const Bytes& nal : pps_) WriteCounted(nal, writer);
  }
  static void WriteCounted(const Bytes& nal, ByteWriter& writer) {
    writer.U16(static_cast<uint16_t>(nal.size()));
    writer.Raw(nal);
  }

  std::vector<Bytes> vps_;
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
    if (footage_.codec != VideoCodec::kMjpeg) LB_TRY(sets_.Store(footage_));
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
    footage_.width = stream_->codecpar->width;
    footage_.height = stream_->codecpar->height;
    switch (stream_->codecpar->codec_id) {
      case AV_CODEC_ID_H264:
        footage_.codec = VideoCodec::kH264;
        return Ok();
      case AV_CODEC_ID_HEVC:
        footage_.codec = VideoCodec::kH265;
        return Ok();
      case AV_CODEC_ID_MJPEG:
        footage_.codec = VideoCodec::kMjpeg;
        return Ok();
      default:
        return Fail(Code::kUnsupported, std::string("the video is ") +
                                            avcodec_get_name(stream_->codecpar->codec_id) +
                                            ", not h264, hevc or mjpeg");
    }
  }

  Status ReadExtradata() {
    const auto* par = stream_->codecpar;
    const ByteSpan extra(par->extradata, static_cast<size_t>(std::max(par->extradata_size, 0)));
    if (footage_.codec == VideoCodec::kMjpeg) return Ok();
    if (footage_.codec == VideoCodec::kH265) return ReadHevcConfig(extra);
    if (extra.empty() || extra[0] != 1) {
      for (const ByteSpan nal : SplitAnnexB(extra)) KeepIfParameterSet(nal);
      return Ok();
    }
    ByteReader reader(extra);
    reader.Skip(4);
    length_bytes_ = (reader.U8() & 3) + 1;
    for (const int mask : {0x1f, 0xff}) ReadCounted(reader, reader.U8() & mask);
    if (!reader.ok()) return Fail(Code::kCorrupt, "the avcC box is cut short");
    return Ok();
  }

  // HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3), which the SDP is made of as it is.
  Status ReadHevcConfig(ByteSpan extra) {
    if (extra.empty() || extra[0] != 1) {
      return Fail(Code::kUnsupported, "H.265 with start codes: wrap it as MP4 first");
    }
    footage_.decoder_config.assign(extra.begin(), extra.end());
    ByteReader reader(extra);
    reader.Skip(21);
    length_bytes_ = (reader.U8() & 3) + 1;
    const int arrays = reader.U8();
    for (int i = 0; i < arrays && reader.ok(); ++i) {
      reader.Skip(1);
      ReadCounted(reader, reader.U16());
    }
    if (!reader.ok() || length_bytes_ != kNalLengthBytes) {
      return Fail(Code::kCorrupt,
                  "the hvcC box is cut short, or its lengths are not of four bytes");
    }
    return Ok();
  }

  void ReadCounted(ByteReader& reader, int count) {
    for (int i = 0; i < count && reader.ok(); ++i) {
      const ByteSpan nal = reader.Take(reader.U16());
      if (!nal.empty()) KeepIfParameterSet(nal);
    }
  }

  bool KeepIfParameterSet(ByteSpan nal) {
    const NalKind kind = KindOf(footage_.codec, nal);
    if (kind != NalKind::kVps && kind != NalKind::kSps && kind != NalKind::kPps) return false;
    sets_.Add(kind, nal);
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
    AccessUnit unit;
    unit.dts_90k = av_rescale_q(packet.dts, stream_->time_base, {1, kVideoClockRate});
    unit.pts_90k = av_rescale_q(packet.pts, stream_->time_base, {1, kVideoClockRate});
    if (footage_.codec == VideoCodec::kMjpeg) {
      LB_TRY(FillPicture(data, unit));
    } else {
      LB_TRY(FillNals(data, unit));
    }
    last_duration_90k_ = av_rescale_q(packet.duration, stream_->time_base, {1, kVideoClockRate});
    footage_.units.push_back(std::move(unit));
    return Ok();
  }

  Status FillNals(ByteSpan data, AccessUnit& unit) {
    std::vector<ByteSpan> nals;
    if (length_bytes_ > 0) {
      LB_TRY_ASSIGN(split, SplitLengthPrefixed(data, length_bytes_));
      nals = std::move(split);
    } else {
      nals = SplitAnnexB(data);
    }
    const size_t sets_before = sets_.count();
    bool has_vcl = false;
    for (const ByteSpan nal : nals) {
      const NalKind kind = KindOf(footage_.codec, nal);
      if (kind == NalKind::kDelimiter) unit.delimiter = true;
      if (kind == NalKind::kDelimiter || KeepIfParameterSet(nal)) continue;
      const bool slice = kind == NalKind::kSlice || kind == NalKind::kSyncSlice;
      if (!has_vcl && slice) unit.vcl_offset = unit.nals.size();
      has_vcl = has_vcl || slice;
      unit.sync = unit.sync || kind == NalKind::kSyncSlice;
      AppendLengthPrefixed(nal, unit.nals);
    }
    if (!has_vcl) return Fail(Code::kCorrupt, "an access unit without a slice");
    if (!footage_.units.empty() && sets_.count() != sets_before) {
      return Fail(Code::kUnsupported, "parameter sets that change in mid-clip");
    }
    if (footage_.units.empty() && !unit.sync) {
      return Fail(Code::kUnsupported, "the first picture is not a sync sample");
    }
    return Ok();
  }

  static Status FillPicture(ByteSpan data, AccessUnit& unit) {
    constexpr std::array<uint8_t, 2> kScan = {0xff, 0xda}, kEnd = {0xff, 0xd9};
    const auto scan = std::search(data.begin(), data.end(), kScan.begin(), kScan.end());
    const auto end = std::find_end(data.begin(), data.end(), kEnd.begin(), kEnd.end());
    if (scan == data.end() || end == data.end() || end - scan < 4) {
      return Fail(Code::kCorrupt, "a picture without start of scan or end of image");
    }
    unit.sync = true;
    unit.nals.assign(data.begin(), end);
    unit.vcl_offset = static_cast<size_t>(scan - data.begin()) + 2 + (scan[2] << 8 | scan[3]);
    if (unit.vcl_offset > unit.nals.size()) return Fail(Code::kCorrupt, "a scan cut short");
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

Bytes AssembleAccessUnit(const AccessUnit& unit, ByteSpan parameter_sets, ByteSpan mark_nal,
                         VideoCodec codec) {
  Bytes out;
  out.reserve(unit.nals.size() + parameter_sets.size() + mark_nal.size() + 16);
  ByteWriter writer(out);
  if (unit.delimiter) {
    AppendLengthPrefixed(
        codec == VideoCodec::kH265 ? ByteSpan(kH265DelimiterNal) : ByteSpan(kDelimiterNal), out);
  }
  writer.Raw(parameter_sets);
  writer.Raw(ByteSpan(unit.nals).first(unit.vcl_offset));
  AppendLengthPrefixed(mark_nal, out);
  writer.Raw(ByteSpan(unit.nals).subspan(unit.vcl_offset));
  return out;
}

Bytes AssemblePicture(const AccessUnit& unit, ByteSpan mark_comment) {
  constexpr uint16_t kEndOfImage = 0xffd9;
  Bytes out;
  out.reserve(unit.nals.size() + mark_comment.size() + 2);
  ByteWriter writer(out);
  writer.Raw(unit.nals);
  writer.Raw(mark_comment);
  writer.U16(kEndOfImage);
  return out;
}

}  // namespace lookback::camera_sim
