#include "media/demuxer.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <deque>
#include <mutex>
#include <utility>

#include "media/audio.h"
#include "media/demuxer_input.h"
#include "media/fragment.h"
#include "media/h264.h"
#include "media/nal_codec.h"
#include "media/packet_form.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/mathematics.h>
}

namespace lookback::media {
namespace {

// Far beyond any real one, and small enough that sums of a few do not overflow.
constexpr int64_t kMaxTicks = int64_t{1} << 52;

struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};

std::optional<Codec> CodecOf(const AVCodecParameters& parameters) {
  switch (parameters.codec_id) {
    case AV_CODEC_ID_H264:
      return Codec::kH264;
    case AV_CODEC_ID_HEVC:
      return Codec::kH265;
    case AV_CODEC_ID_MJPEG:
      return Codec::kMjpeg;
    case AV_CODEC_ID_AAC:
      return Codec::kAac;
    case AV_CODEC_ID_OPUS:
      return Codec::kOpus;
    case AV_CODEC_ID_PCM_ALAW:
      return Codec::kPcma;
    case AV_CODEC_ID_PCM_MULAW:
      return Codec::kPcmu;
    case AV_CODEC_ID_ADPCM_G726:
      return Codec::kG726;
    default:
      return std::nullopt;
  }
}

// One of the two streams that are read.
struct Track {
  const AVStream* stream = nullptr;
  TrackConfig config;
  PacketForm form;
  bool known = false;
  int64_t end = 0;  // Of the latest sample of sound.
};

class DemuxerImpl : public Demuxer {
 public:
  DemuxerImpl(std::unique_ptr<DemuxerInput> input, const Options& options, const Clock& clock)
      : input_(std::move(input)),
        options_(options),
        clock_(clock),
        packet_(av_packet_alloc()),
        context_(input_->context()) {}

  Status Prepare() {
    LB_TRY(input_->FindStreams());
    LB_TRY(ChooseVideo());
    if (options_.audio) ChooseAudio();
    return ReadAhead();
  }

  const std::vector<TrackConfig>& tracks() const override { return configs_; }
  std::string_view container() const override { return context_.iformat->name; }
  const std::string& left_out() const override { return left_out_; }
  int64_t first_shown() const override { return first_shown_.value_or(0); }
  uint64_t read_bytes() const override { return read_bytes_; }

  Result<std::optional<Sample>> Next() override {
    // A playlist's segments come all at once, and seconds apart.
    input_->SetDeadline(options_.read_timeout_us * (container() == "hls" ? 3 : 1));
    while (ahead_.empty()) {
      LB_TRY_ASSIGN(more, ReadPacket());
      if (!more) return std::optional<Sample>();
    }
    Sample sample = std::move(ahead_.front());
    ahead_.pop_front();
    return std::optional(std::move(sample));
  }

 private:
  Status ChooseVideo() {
    std::string seen;
    const AVStream* chosen = nullptr;
    for (unsigned i = 0; i < context_.nb_streams && chosen == nullptr; ++i) {
      const AVStream& stream = *context_.streams[i];
      if (stream.codecpar->codec_type != AVMEDIA_TYPE_VIDEO) continue;
      if ((stream.disposition & AV_DISPOSITION_ATTACHED_PIC) != 0) continue;
      if (CodecOf(*stream.codecpar)) chosen = &stream;
      seen += fmt::format("{}{}", seen.empty() ? "" : ", ",
                          avcodec_get_name(stream.codecpar->codec_id));
    }
    if (chosen == nullptr) {
      return Fail(Code::kUnsupported,
                  seen.empty() ? fmt::format("there is no video in it; it takes {}", kDemuxedVideo)
                               : fmt::format("its video is {}; what can be kept is {}", seen,
                                             kDemuxedVideo));
    }
    video_.stream = chosen;
    TrackConfig& config = video_.config;
    config.codec = *CodecOf(*chosen->codecpar);
    video_.known = true;
    if (!IsNalCodec(config.codec)) return Ok();
    LB_TRY_ASSIGN(form, ReadDecoderConfig(ExtraData(*chosen), config));
    video_.form = form;
    return Ok();
  }

  static ByteSpan ExtraData(const AVStream& stream) {
    const AVCodecParameters& parameters = *stream.codecpar;
    if (parameters.extradata == nullptr || parameters.extradata_size <= 0) return {};
    return {parameters.extradata, static_cast<size_t>(parameters.extradata_size)};
  }

  void ChooseAudio() {
    const int index =
        av_find_best_stream(&context_, AVMEDIA_TYPE_AUDIO, -1, video_.stream->index, nullptr, 0);
    if (index < 0) return;
    const AVStream& stream = *context_.streams[index];
    if (const Status taken = TakeAudio(stream); !taken) left_out_ = taken.message();
  }

  Status TakeAudio(const AVStream& stream) {
    const AVCodecParameters& parameters = *stream.codecpar;
    const auto codec = CodecOf(parameters);
    const auto channels = static_cast<uint16_t>(std::clamp(parameters.ch_layout.nb_channels, 1, 8));
    const auto unsupported = [&](std::string_view what) {
      return Fail(Code::kUnsupported,
                  fmt::format("audio in {}{}; what can be kept is {}",
                              avcodec_get_name(parameters.codec_id), what, kDemuxedAudio));
    };
    if (!codec) return unsupported("");
    audio_.known = true;
    if (*codec == Codec::kAac) {
      const ByteSpan config = ExtraData(stream);
      if (config.empty()) {  // The first frame's header will tell.
        audio_.form.kind = PacketForm::Kind::kAdts;
        audio_.known = false;
      } else {
        LB_TRY_ASSIGN(track, MakeAacTrack(Bytes(config.begin(), config.end())));
        audio_.config = std::move(track);
      }
    } else if (*codec == Codec::kOpus) {
      if (channels > 2) return unsupported(" of more than two channels");
      audio_.config = MakeOpusTrack(channels);
    } else if (*codec == Codec::kG726) {
      const int bits = parameters.bits_per_coded_sample;
      if (bits < 2 || bits > 5 || parameters.sample_rate != 8'000 || channels != 1) {
        return unsupported(" that is not of 16 to 40 kbit/s, 8 kHz and mono");
      }
      audio_.config = MakeG726Track(static_cast<uint16_t>(bits));
    } else {
      if (parameters.sample_rate < 4'000 || parameters.sample_rate > 48'000 || channels > 2) {
        return unsupported(" that is not of 4 to 48 kHz, mono or stereo");
      }
      audio_.config =
          MakeG711Track(*codec, static_cast<uint32_t>(parameters.sample_rate), channels);
    }
    audio_.stream = &stream;
    return Ok();
  }

  // Until each track is known and a picture has come, or a limit is met.
  Status ReadAhead() {
    size_t bytes = 0;
    while (!first_shown_ || (audio_.stream != nullptr && !audio_.known)) {
      if (ahead_.size() >= kMaxAheadSamples || bytes >= kMaxAheadBytes) break;
      const size_t before = ahead_.size();
      LB_TRY_ASSIGN(more, ReadPacket());
      if (!more) break;
      if (ahead_.size() > before) bytes += ahead_.back().data.size();
    }
    if (!first_shown_) return Fail(Code::kCorrupt, "there is no picture in it that can be read");
    configs_.push_back(video_.config);
    if (audio_.stream == nullptr) return Ok();
    if (audio_.known) {
      configs_.push_back(audio_.config);
    } else {
      left_out_ = "audio that says nothing of its format";
      audio_.stream = nullptr;
    }
    return Ok();
  }

  // False at the end. What the packet holds is at the end of ahead_.
  Result<bool> ReadPacket() {
    const int result = av_read_frame(&context_, packet_.get());
    if (result == AVERROR_EOF) return input_->End();
    if (result < 0) return Pass(input_->Failure(result, "reading"));
    read_bytes_ += static_cast<uint64_t>(std::max(packet_->size, 0));
    const Status taken = TakePacket(*packet_);
    av_packet_unref(packet_.get());
    if (!taken) return Pass(taken.error());
    return true;
  }

  Status TakePacket(const AVPacket& packet) {
    if (packet.size <= 0 || packet.data == nullptr) return Ok();
    const ByteSpan bytes(packet.data, static_cast<size_t>(packet.size));
    if (bytes.size() > kMaxSampleBytes) {
      return Fail(Code::kCorrupt, "a packet of more than 16 MiB");
    }
    if (packet.stream_index == video_.stream->index) return TakePicture(packet, bytes);
    if (audio_.stream == nullptr || packet.stream_index != audio_.stream->index) return Ok();
    return TakeSound(packet, bytes);
  }

  Status TakePicture(const AVPacket& packet, ByteSpan bytes) {
    Sample sample;
    sample.track = TrackKind::kVideo;
    sample.received_us = clock_.MonotonicUs();
    sample.damaged = (packet.flags & AV_PKT_FLAG_CORRUPT) != 0;
    auto data = SampleOf(video_.form, bytes);
    if (data && data->size() > kMaxSampleBytes) data = Fail(Code::kCorrupt, "a picture too large");
    if (!data && !input_->live()) return Pass(data.error());
    if (!data || data->empty()) return Ok();
    sample.data = std::move(*data);
    sample.sync =
        IsNalCodec(video_.config.codec) ? SyncOf(video_.config.codec, sample.data) : Sync::kClosed;
    if (input_->timeless()) {
      sample.pts = std::max(sample.received_us * (kVideoTimescale / 10'000) / 100, arrived_ + 1);
      arrived_ = sample.pts;
    } else {
      LB_TRY_ASSIGN(pts, ShownAt(packet));
      sample.pts = pts;
    }
    if (!first_shown_) {
      const bool hidden = (packet.flags & AV_PKT_FLAG_DISCARD) != 0;
      first_shown_ = hidden ? 0 : sample.pts;
    }
    ahead_.push_back(std::move(sample));
    return Ok();
  }

  Result<int64_t> ShownAt(const AVPacket& packet) {
    int64_t time = packet.pts;
    if (time == AV_NOPTS_VALUE && video_.stream->codecpar->video_delay == 0) time = packet.dts;
    if (time == AV_NOPTS_VALUE) {
      return Fail(Code::kUnsupported,
                  "its pictures have no times to be shown at; put it into MP4 or MKV first, with a "
                  "tool that works them out");
    }
    return Ticks(time, *video_.stream, kVideoTimescale);
  }

  static Result<int64_t> Ticks(int64_t time, const AVStream& stream, uint32_t timescale) {
    const AVRational base = stream.time_base;
    const bool sane = base.num > 0 && base.den > 0 && time > -kMaxTicks && time < kMaxTicks;
    const int64_t ticks =
        sane ? av_rescale_q(time, base, {1, static_cast<int>(timescale)}) : kMaxTicks;
    if (ticks > -kMaxTicks && ticks < kMaxTicks) return ticks;
    return Fail(Code::kCorrupt, "a timestamp beyond all reason");
  }

  Status TakeSound(const AVPacket& packet, ByteSpan bytes) {
    if (audio_.form.kind != PacketForm::Kind::kAdts) return PushSound(packet, bytes);
    for (bool first = true; !bytes.empty(); first = false) {
      auto adts = ParseAdts(bytes);
      if (!adts) return input_->live() ? Ok() : Pass(adts.error(), "its audio");
      if (!audio_.known) {
        LB_TRY_ASSIGN(track, MakeAacTrack(adts->audio_config));
        audio_.config = std::move(track);
        audio_.known = true;
      } else if (adts->audio_config != audio_.config.audio_config) {
        return Fail(Code::kUnsupported, "its audio changes format on the way");
      }
      LB_TRY(PushSound(packet, adts->frame, first));
      bytes = bytes.subspan(adts->bytes);
    }
    return Ok();
  }

  Status PushSound(const AVPacket& packet, ByteSpan bytes, bool timed = true) {
    Sample sample;
    sample.track = TrackKind::kAudio;
    sample.received_us = clock_.MonotonicUs();
    sample.damaged = (packet.flags & AV_PKT_FLAG_CORRUPT) != 0;
    sample.sync = Sync::kClosed;
    sample.pts = audio_.end;
    const int64_t time = packet.pts != AV_NOPTS_VALUE ? packet.pts : packet.dts;
    if (timed && time != AV_NOPTS_VALUE) {
      LB_TRY_ASSIGN(pts, Ticks(time, *audio_.stream, audio_.config.timescale));
      sample.pts = pts;
    }
    audio_.end = sample.pts + NominalAudioTicks(audio_.config, bytes);
    sample.data.assign(bytes.begin(), bytes.end());
    ahead_.push_back(std::move(sample));
    return Ok();
  }

  const std::unique_ptr<DemuxerInput> input_;
  const Options options_;
  const Clock& clock_;
  const std::unique_ptr<AVPacket, FreePacket> packet_;
  AVFormatContext& context_;

  Track video_;
  Track audio_;
  std::vector<TrackConfig> configs_;
  std::string left_out_;
  std::optional<int64_t> first_shown_;
  int64_t arrived_ = 0;  // Of a timeless container: when the latest picture did.
  std::deque<Sample> ahead_;
  uint64_t read_bytes_ = 0;
};

Result<std::unique_ptr<Demuxer>> Prepared(Result<std::unique_ptr<DemuxerInput>> input,
                                          const Demuxer::Options& options, const Clock& clock) {
  if (!input) return Pass(input.error());
  auto demuxer = std::make_unique<DemuxerImpl>(std::move(*input), options, clock);
  LB_TRY(demuxer->Prepare());
  return std::unique_ptr<Demuxer>(std::move(demuxer));
}

}  // namespace

Result<std::unique_ptr<Demuxer>> Demuxer::OpenUrl(const std::string& url, const Options& options,
                                                  const Clock& clock,
                                                  const std::atomic<bool>& stop) {
  return Prepared(DemuxerInput::OpenUrl(url, options, clock, stop), options, clock);
}

Result<std::unique_ptr<Demuxer>> Demuxer::OpenFile(const File& file, const Options& options,
                                                   const Clock& clock,
                                                   const std::atomic<bool>& stop) {
  return Prepared(DemuxerInput::OpenFile(file, options, clock, stop), options, clock);
}

}  // namespace lookback::media
