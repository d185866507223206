#include "tests/query/camera_clip.h"

#include <stdlib.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstdio>

#include "base/checksum.h"

extern "C" {
#include <libavformat/avformat.h>
}

namespace lookback::test {
namespace {

constexpr uint32_t kPcmSampleBytes = 160;  // 20 ms, as cameras send it.

Bytes TakeUnit(ByteReader& in) {
  const ByteSpan unit = in.Take(in.U16());
  return {unit.begin(), unit.end()};
}

// ISO/IEC 14496-15 §5.3.3.1.
void ReadAvcC(ByteSpan bytes, media::TrackConfig& track) {
  ByteReader in(bytes);
  in.Skip(5);
  for (int count = in.U8() & 0x1F; count > 0; --count) track.sps.push_back(TakeUnit(in));
  for (int count = in.U8(); count > 0; --count) track.pps.push_back(TakeUnit(in));
}

// ISO/IEC 14496-15 §8.3.3.1.
void ReadHvcC(ByteSpan bytes, media::TrackConfig& track) {
  ByteReader in(bytes);
  in.Skip(22);
  for (int arrays = in.U8(); arrays > 0; --arrays) {
    const int type = in.U8() & 0x3F;
    for (int count = in.U16(); count > 0; --count) {
      Bytes unit = TakeUnit(in);
      if (type == 32) track.vps.push_back(std::move(unit));
      if (type == 33) track.sps.push_back(std::move(unit));
      if (type == 34) track.pps.push_back(std::move(unit));
    }
  }
}

media::TrackConfig ReadConfig(const AVCodecParameters& parameters) {
  media::TrackConfig track;
  const ByteSpan extra(parameters.extradata, static_cast<size_t>(parameters.extradata_size));
  switch (parameters.codec_id) {
    case AV_CODEC_ID_H264:
      track.codec = media::Codec::kH264;
      ReadAvcC(extra, track);
      break;
    case AV_CODEC_ID_HEVC:
      track.codec = media::Codec::kH265;
      ReadHvcC(extra, track);
      break;
    case AV_CODEC_ID_AAC:
      track.codec = media::Codec::kAac;
      track.audio_config.assign(extra.begin(), extra.end());
      break;
    default:
      track.codec = media::Codec::kPcma;
  }
  if (parameters.codec_type == AVMEDIA_TYPE_VIDEO) {
    track.width = static_cast<uint16_t>(parameters.width);
    track.height = static_cast<uint16_t>(parameters.height);
  } else {
    track.kind = media::TrackKind::kAudio;
    track.timescale = static_cast<uint32_t>(parameters.sample_rate);
    track.channels = static_cast<uint16_t>(parameters.ch_layout.nb_channels);
  }
  return track;
}

media::Sync FindSync(const AVPacket& packet, media::Codec codec) {
  if ((packet.flags & AV_PKT_FLAG_KEY) == 0) return media::Sync::kNone;
  ByteReader in({packet.data, static_cast<size_t>(packet.size)});
  while (in.ok() && in.remaining() > 4) {
    const ByteSpan unit = in.Take(in.U32());
    if (unit.empty()) break;
    if (codec == media::Codec::kH264) {
      if ((unit[0] & 0x1F) == 5) return media::Sync::kClosed;
    } else {
      const int type = unit[0] >> 1 & 0x3F;
      if (type == 19 || type == 20) return media::Sync::kClosed;
    }
  }
  return media::Sync::kOpen;
}

// Cameras send their parameter sets before each sync sample; an MP4 source has them in its head.
Bytes ParameterSets(const media::TrackConfig& track) {
  Bytes bytes;
  ByteWriter out(bytes);
  for (const auto* units : {&track.vps, &track.sps, &track.pps}) {
    for (const Bytes& unit : *units) {
      out.U32(static_cast<uint32_t>(unit.size()));
      out.Raw(unit);
    }
  }
  return bytes;
}

// One packet as one sample, or, for PCM, as several of the size that cameras send.
void AppendSamples(const AVPacket& packet, AVRational base, const media::TrackConfig& track,
                   CameraClip& clip) {
  media::Sample sample;
  sample.track = track.kind;
  sample.pts = av_rescale_q(packet.pts, base, AVRational{1, static_cast<int>(track.timescale)});
  sample.sync = media::Sync::kClosed;
  const ByteSpan data(packet.data, static_cast<size_t>(packet.size));
  const size_t piece = track.codec == media::Codec::kPcma ? kPcmSampleBytes : data.size();
  if (track.kind == media::TrackKind::kVideo) sample.sync = FindSync(packet, track.codec);
  for (size_t at = 0; at < data.size(); at += piece) {
    const ByteSpan part = data.subspan(at, std::min(piece, data.size() - at));
    sample.data.clear();
    if (track.kind == media::TrackKind::kVideo && sample.sync != media::Sync::kNone) {
      sample.data = ParameterSets(track);
    }
    sample.data.insert(sample.data.end(), part.begin(), part.end());
    if (track.kind == media::TrackKind::kAudio) {
      clip.sound.push_back({sample.pts * kUsPerSecond / track.timescale, Xxh3_64(part)});
    }
    clip.samples.push_back(sample);
    sample.pts += static_cast<int64_t>(part.size());
  }
}

}  // namespace

CommandResult RunCommand(const std::string& command) {
  CommandResult result;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  LB_CHECK(pipe != nullptr);
  char buffer[4096];
  size_t count = 0;
  while ((count = fread(buffer, 1, sizeof buffer, pipe)) > 0) result.output.append(buffer, count);
  const int status = pclose(pipe);
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return result;
}

CameraClip MakeCameraClip(const std::string& arguments) {
  const TempDir dir;
  const std::string path = dir.path() + "/source.mov";
  const CommandResult made = RunCommand("ffmpeg -v error -y " + arguments +
                                        " -video_track_timescale 90000 -use_editlist 0 " + path);
  if (made.exit_code != 0) fprintf(stderr, "%s\n", made.output.c_str());
  LB_CHECK(made.exit_code == 0);

  CameraClip clip;
  AVFormatContext* format = nullptr;
  LB_CHECK(avformat_open_input(&format, path.c_str(), nullptr, nullptr) >= 0);
  for (unsigned i = 0; i < format->nb_streams; ++i) {
    clip.tracks.push_back(ReadConfig(*format->streams[i]->codecpar));
  }
  AVPacket* packet = av_packet_alloc();
  std::vector<int64_t> first(format->nb_streams, INT64_MIN);
  while (av_read_frame(format, packet) >= 0) {
    const auto stream = static_cast<size_t>(packet->stream_index);
    if (first[stream] == INT64_MIN) first[stream] = packet->pts;
    packet->pts -= first[stream];
    AppendSamples(*packet, format->streams[stream]->time_base, clip.tracks[stream], clip);
    av_packet_unref(packet);
  }
  av_packet_free(&packet);
  avformat_close_input(&format);

  const Played played = PlayFile(path);
  LB_CHECK(played.error.empty() && !played.pictures.empty());
  clip.pictures = played.pictures;
  const int64_t origin = clip.pictures.front().pts_us;
  for (Picture& picture : clip.pictures) picture.pts_us -= origin;
  return clip;
}

std::vector<media::Fragment> Fragments(const CameraClip& clip, TimeUs start_us, int64_t slew_ppm) {
  const int64_t timescale = clip.tracks[0].timescale;
  media::Fragmenter fragmenter(clip.tracks, [=](int64_t ticks) {
    const int64_t us = ticks * kUsPerSecond / timescale;
    return start_us + us + us * slew_ppm / 1'000'000;
  });
  std::vector<media::Fragment> fragments;
  for (const media::Sample& sample : clip.samples) {
    auto fragment = fragmenter.Push(sample);
    if (!fragment) {
      // Sound before the first picture has no place in a run.
      LB_CHECK(sample.track == media::TrackKind::kAudio);
      continue;
    }
    if (*fragment) fragments.push_back(std::move(**fragment));
  }
  while (auto fragment = fragmenter.Flush()) fragments.push_back(std::move(*fragment));
  return fragments;
}

}  // namespace lookback::test
