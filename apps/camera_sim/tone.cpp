#include "apps/camera_sim/tone.h"

#include <cmath>
#include <memory>
#include <numbers>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
}

namespace lookback::camera_sim {
namespace {

constexpr double kToneHz = 250;  // A whole number of periods in every frame's multiple below.
constexpr double kAmplitude = 0.05;
constexpr int kPiecesASecond = 50;
// 64 frames of 1024 samples at 16 kHz, of 960 at 48 kHz and of 160 at 8 kHz are whole numbers of
// periods.
constexpr size_t kLoopFrames = 64;

struct Format {
  int rate;
  int bits_per_second;
  bool own_frames;  // A packet of the encoder is a frame.
};
Format FormatOf(AudioCodec codec) {
  switch (codec) {
    case AudioCodec::kAac:
      return {16'000, 32'000, true};
    case AudioCodec::kOpus:
      return {48'000, 24'000, true};
    case AudioCodec::kG726:
      return {8'000, 32'000, false};
    default:
      return {8'000, 64'000, true};
  }
}

struct FreeContext {
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
};
struct FreeFrame {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};

float Sample(int64_t index, int rate) {
  const double phase = 2 * std::numbers::pi * kToneHz * static_cast<double>(index) / rate;
  return static_cast<float>(kAmplitude * std::sin(phase));
}

const AVCodec* FindEncoder(AudioCodec codec) {
  switch (codec) {
    case AudioCodec::kAac:
      return avcodec_find_encoder(AV_CODEC_ID_AAC);
    case AudioCodec::kPcma:
      return avcodec_find_encoder(AV_CODEC_ID_PCM_ALAW);
    case AudioCodec::kPcmu:
      return avcodec_find_encoder(AV_CODEC_ID_PCM_MULAW);
    case AudioCodec::kOpus:
      return avcodec_find_encoder_by_name("libopus");
    case AudioCodec::kG726:
      return avcodec_find_encoder(AV_CODEC_ID_ADPCM_G726);
  }
  return nullptr;
}

void Fill(AVFrame& frame, int64_t first, int rate) {
  for (int i = 0; i < frame.nb_samples; ++i) {
    const float value = Sample(first + i, rate);
    if (frame.format == AV_SAMPLE_FMT_S16) {
      reinterpret_cast<int16_t*>(frame.data[0])[i] = static_cast<int16_t>(value * 32767);
    } else {
      reinterpret_cast<float*>(frame.data[0])[i] = value;
    }
  }
}

}  // namespace

Result<AudioTrack> MakeTone(AudioCodec codec) {
  const AVCodec* encoder = FindEncoder(codec);
  const std::unique_ptr<AVCodecContext, FreeContext> context(avcodec_alloc_context3(encoder));
  const std::unique_ptr<AVFrame, FreeFrame> frame(av_frame_alloc());
  const std::unique_ptr<AVPacket, FreePacket> packet(av_packet_alloc());
  const Format format = FormatOf(codec);
  AudioTrack track;
  track.codec = codec;
  track.sample_rate = format.rate;
  context->sample_rate = track.sample_rate;
  context->sample_fmt = encoder ? encoder->sample_fmts[0] : AV_SAMPLE_FMT_NONE;
  context->bit_rate = format.bits_per_second;
  context->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
  av_channel_layout_default(&context->ch_layout, 1);
  if (!encoder || avcodec_open2(context.get(), encoder, nullptr) < 0) {
    return Fail(Code::kUnsupported, "libavcodec has no encoder for this audio");
  }
  const int frame_samples =
      context->frame_size > 0 ? context->frame_size : format.rate / kPiecesASecond;
  track.samples_per_frame = format.own_frames ? frame_samples : format.rate / kPiecesASecond;
  if (codec == AudioCodec::kAac) {
    track.decoder_config.assign(context->extradata, context->extradata + context->extradata_size);
  }

  frame->format = context->sample_fmt;
  frame->nb_samples = frame_samples;
  frame->sample_rate = track.sample_rate;
  av_channel_layout_default(&frame->ch_layout, 1);
  // The first frame out of an AAC encoder is its priming; the loop is what follows.
  int priming = codec == AudioCodec::kAac ? 1 : 0;
  Bytes stream;  // Of a codec that has no frames, to be cut into pieces.
  const size_t piece_bytes = static_cast<size_t>(format.bits_per_second / 8 / kPiecesASecond);
  for (int64_t i = 0; track.frames.size() < kLoopFrames; ++i) {
    if (av_frame_get_buffer(frame.get(), 0) < 0) return Fail(Code::kUnavailable, "out of memory");
    Fill(*frame, i * frame_samples, track.sample_rate);
    frame->pts = i * frame_samples;
    if (avcodec_send_frame(context.get(), frame.get()) < 0) {
      return Fail(Code::kUnsupported, "the audio encoder refused a frame");
    }
    for (AVBufferRef*& buffer : frame->buf) av_buffer_unref(&buffer);
    while (avcodec_receive_packet(context.get(), packet.get()) >= 0) {
      const ByteSpan data(packet->data, static_cast<size_t>(packet->size));
      if (priming > 0) {
        --priming;
      } else if (format.own_frames) {
        track.frames.emplace_back(data.begin(), data.end());
      } else {
        stream.insert(stream.end(), data.begin(), data.end());
      }
      av_packet_unref(packet.get());
    }
    while (!format.own_frames && stream.size() >= piece_bytes) {
      const auto cut = stream.begin() + static_cast<ptrdiff_t>(piece_bytes);
      track.frames.emplace_back(stream.begin(), cut);
      stream.erase(stream.begin(), cut);
    }
  }
  track.frames.resize(kLoopFrames);
  return track;
}

}  // namespace lookback::camera_sim
