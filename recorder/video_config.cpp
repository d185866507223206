#include "recorder/video_config.h"

#include <algorithm>

#include "media/h264.h"
#include "media/h265.h"
#include "media/nal.h"

namespace lookback::recorder {
namespace {

using media::Codec;
using media::NalRole;

std::vector<Bytes> Values(const std::map<uint32_t, Bytes>& sets) {
  std::vector<Bytes> values;
  for (const auto& [id, bytes] : sets) values.push_back(bytes);
  return values;
}

bool MakesSense(Codec codec, NalRole role, ByteSpan nal) {
  if (role != NalRole::kSps) return true;
  return codec == Codec::kH265 ? static_cast<bool>(media::ParseH265Sps(nal))
                               : static_cast<bool>(media::ParseH264Sps(nal));
}

}  // namespace

void VideoConfig::AddFrom(const media::TrackConfig& described) {
  for (const auto* sets : {&described.vps, &described.sps, &described.pps}) {
    for (const Bytes& set : *sets) AddSet(media::RoleOf(codec_, set), set);
  }
}

bool VideoConfig::AddFrom(ByteSpan sample) {
  if (codec_ == Codec::kMjpeg) return AddPicture(sample);
  bool vps = codec_ != Codec::kH265;
  bool sps = false;
  bool pps = false;
  media::NalReader reader(sample);
  ByteSpan nal;
  while (reader.Next(nal)) {
    const NalRole role = media::RoleOf(codec_, nal);
    if (role == NalRole::kSlice) break;
    vps = vps || role == NalRole::kVps;
    sps = sps || role == NalRole::kSps;
    pps = pps || role == NalRole::kPps;
    AddSet(role, nal);
  }
  return vps && sps && pps;
}

void VideoConfig::AddSet(NalRole role, ByteSpan nal) {
  const bool is_set = role == NalRole::kVps || role == NalRole::kSps || role == NalRole::kPps;
  if (!is_set || nal.size() > kMaxSetBytes) return;
  const auto id = media::ParameterSetId(codec_, nal);
  if (!id || !MakesSense(codec_, role, nal)) return;
  Sets& sets = role == NalRole::kVps ? vps_ : role == NalRole::kSps ? sps_ : pps_;
  Bytes& kept = sets[*id];
  if (std::equal(kept.begin(), kept.end(), nal.begin(), nal.end())) return;
  if (role == NalRole::kSps && !kept.empty()) pps_.clear();
  kept.assign(nal.begin(), nal.end());
  changed_ = true;
}

bool VideoConfig::AddPicture(ByteSpan picture) {
  const auto size = media::ParseJpegSize(picture);
  if (!size) return false;
  if (!size_ || size_->width != size->width || size_->height != size->height) changed_ = true;
  size_ = *size;
  return true;
}

std::optional<media::TrackConfig> VideoConfig::Config() const {
  changed_ = false;
  if (codec_ == Codec::kMjpeg) {
    return size_ ? std::optional(media::MakeMjpegTrack(*size_)) : std::nullopt;
  }
  auto track = codec_ == Codec::kH265
                   ? media::MakeH265Track(Values(vps_), Values(sps_), Values(pps_))
                   : media::MakeH264Track(Values(sps_), Values(pps_));
  if (!track) return std::nullopt;
  return std::move(*track);
}

Bytes WithParameterSets(const media::TrackConfig& track, Bytes sample) {
  if (!media::IsNalCodec(track.codec)) return sample;
  size_t room = sample.size();
  for (const auto* sets : {&track.vps, &track.sps, &track.pps}) {
    for (const Bytes& set : *sets) room += media::kNalLengthBytes + set.size();
  }
  size_t after_delimiter = 0;
  media::NalReader reader(sample);
  ByteSpan nal;
  if (reader.Next(nal) && media::RoleOf(track.codec, nal) == NalRole::kDelimiter) {
    after_delimiter = media::kNalLengthBytes + nal.size();
  }
  Bytes out;
  out.reserve(room);
  ByteWriter writer(out);
  writer.Raw(ByteSpan(sample).first(after_delimiter));
  for (const auto* sets : {&track.vps, &track.sps, &track.pps}) {
    for (const Bytes& set : *sets) {
      writer.U32(static_cast<uint32_t>(set.size()));
      writer.Raw(set);
    }
  }
  writer.Raw(ByteSpan(sample).subspan(after_delimiter));
  return out;
}

}  // namespace lookback::recorder
