// sei_dump: says which simulated frames a media file holds, and which of them a player would show.
//
//   sei_dump FILE            one JSON line for every shown frame, in the order of showing: decoded
//   by
//                            libavcodec, edit lists respected
//   sei_dump --first FILE    only the first shown frame
//   sei_dump --packets FILE  one line for every stored video packet, not decoded, edit lists
//   ignored
//
// A line is {"pts":seconds,"key":bool,"camera":id,"frame":n,"capture_us":t}; "camera", "frame" and
// "capture_us" are null in a frame without a mark (sei.h). Packets have "dts" besides.
//
// It knows nothing of the recorder but the standards: tests judge by it. Exit codes: 0; 1 the file
// cannot be read or decoded to its end, with the reason on standard error; 2 wrong command line.

#include <CLI/CLI.hpp>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "apps/camera_sim/nal.h"
#include "apps/camera_sim/sei.h"
#include "base/result.h"

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
}

namespace lookback::camera_sim {
namespace {

struct CloseInput {
  void operator()(AVFormatContext* context) const { avformat_close_input(&context); }
};
struct FreeContext {
  void operator()(AVCodecContext* context) const { avcodec_free_context(&context); }
};
struct FreeFrame {
  void operator()(AVFrame* frame) const { av_frame_free(&frame); }
};
struct FreePacket {
  void operator()(AVPacket* packet) const { av_packet_free(&packet); }
};
using Input = std::unique_ptr<AVFormatContext, CloseInput>;
using Decoder = std::unique_ptr<AVCodecContext, FreeContext>;
using Frame = std::unique_ptr<AVFrame, FreeFrame>;
using Packet = std::unique_ptr<AVPacket, FreePacket>;

struct Arguments {
  std::string file;
  bool first = false;
  bool packets = false;
};

struct Video {
  Input input;
  AVStream* stream = nullptr;
};

Error AvFailure(int error, const std::string& doing) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(error, text, sizeof text);
  return {Code::kCorrupt, doing + ": " + text};
}

Result<Video> OpenVideo(const Arguments& arguments) {
  AVDictionary* options = nullptr;
  if (arguments.packets) av_dict_set(&options, "ignore_editlist", "1", 0);
  AVFormatContext* context = nullptr;
  const int opened = avformat_open_input(&context, arguments.file.c_str(), nullptr, &options);
  av_dict_free(&options);
  if (opened < 0) return Pass(AvFailure(opened, arguments.file));
  Video video;
  video.input.reset(context);
  if (const int found = avformat_find_stream_info(context, nullptr); found < 0) {
    return Pass(AvFailure(found, arguments.file));
  }
  const int index = av_find_best_stream(context, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  if (index < 0) return Fail(Code::kUnsupported, arguments.file + ": no video track");
  video.stream = context->streams[index];
  return video;
}

nlohmann::ordered_json Seconds(int64_t time, const AVStream& stream) {
  if (time == AV_NOPTS_VALUE) return nullptr;
  return static_cast<double>(time) * av_q2d(stream.time_base);
}

void Print(nlohmann::ordered_json line, const std::optional<Mark>& mark) {
  line["camera"] = nullptr;
  line["frame"] = nullptr;
  line["capture_us"] = nullptr;
  if (mark) {
    line["camera"] = mark->camera;
    line["frame"] = mark->frame;
    line["capture_us"] = mark->capture_us;
  }
  std::cout << line.dump() << "\n";
}

std::optional<Mark> MarkOf(const AVFrame& frame) {
  for (int i = 0; i < frame.nb_side_data; ++i) {
    const AVFrameSideData& data = *frame.side_data[i];
    if (data.type != AV_FRAME_DATA_SEI_UNREGISTERED) continue;
    if (auto mark = ParseMarkPayload(ByteSpan(data.data, data.size))) return mark;
  }
  return std::nullopt;
}

Result<std::optional<Mark>> MarkOf(const AVPacket& packet, const AVCodecParameters& parameters) {
  const ByteSpan data(packet.data, static_cast<size_t>(packet.size));
  if (parameters.codec_id == AV_CODEC_ID_MJPEG) return ParseMarkedPicture(data);
  const bool h265 = parameters.codec_id == AV_CODEC_ID_HEVC;
  std::vector<ByteSpan> nals;
  // The configuration records of both codecs begin with version 1, annex B with a zero, and have
  // the length of lengths in their fifth or twenty-second byte.
  const int length_at = h265 ? 21 : 4;
  if (parameters.extradata_size > length_at && parameters.extradata[0] == 1) {
    const int length_bytes = (parameters.extradata[length_at] & 3) + 1;
    LB_TRY_ASSIGN(split, SplitLengthPrefixed(data, static_cast<size_t>(length_bytes)));
    nals = std::move(split);
  } else {
    nals = SplitAnnexB(data);
  }
  for (const ByteSpan nal : nals) {
    if (auto mark = ParseMarkNal(nal, h265 ? VideoCodec::kH265 : VideoCodec::kH264)) return mark;
  }
  return std::optional<Mark>();
}

Status DumpPackets(const Video& video, const Arguments& arguments) {
  const Packet packet(av_packet_alloc());
  int error = 0;
  while ((error = av_read_frame(video.input.get(), packet.get())) >= 0) {
    if (packet->stream_index == video.stream->index) {
      LB_TRY_ASSIGN(mark, MarkOf(*packet, *video.stream->codecpar));
      Print({{"pts", Seconds(packet->pts, *video.stream)},
             {"dts", Seconds(packet->dts, *video.stream)},
             {"key", (packet->flags & AV_PKT_FLAG_KEY) != 0}},
            mark);
      if (arguments.first) return Ok();
    }
    av_packet_unref(packet.get());
  }
  if (error != AVERROR_EOF) return Pass(AvFailure(error, arguments.file));
  return Ok();
}

Result<Decoder> OpenDecoder(const AVStream& stream) {
  const AVCodec* codec = avcodec_find_decoder(stream.codecpar->codec_id);
  if (codec == nullptr) return Fail(Code::kUnsupported, "no decoder for this video");
  Decoder decoder(avcodec_alloc_context3(codec));
  avcodec_parameters_to_context(decoder.get(), stream.codecpar);
  decoder->pkt_timebase = stream.time_base;
  if (const int opened = avcodec_open2(decoder.get(), codec, nullptr); opened < 0) {
    return Pass(AvFailure(opened, "opening the decoder"));
  }
  return decoder;
}

// Prints the frames that the decoder has ready; true when the dump is complete.
// A JPEG picture comes out before the next goes in, and its mark is `of_packet`.
bool PrintFrames(AVCodecContext& decoder, const AVStream& stream, AVFrame& frame, bool first,
                 const std::optional<Mark>& of_packet) {
  while (avcodec_receive_frame(&decoder, &frame) >= 0) {
    Print({{"pts", Seconds(frame.best_effort_timestamp, stream)}, {"key", frame.key_frame != 0}},
          decoder.codec_id == AV_CODEC_ID_MJPEG ? of_packet : MarkOf(frame));
    if (first) return true;
  }
  return false;
}

Status DumpShownFrames(const Video& video, const Arguments& arguments) {
  LB_TRY_ASSIGN(decoder, OpenDecoder(*video.stream));
  const Packet packet(av_packet_alloc());
  const Frame frame(av_frame_alloc());
  int error = 0;
  while ((error = av_read_frame(video.input.get(), packet.get())) >= 0) {
    if (packet->stream_index == video.stream->index) {
      if (const int sent = avcodec_send_packet(decoder.get(), packet.get()); sent < 0) {
        return Pass(AvFailure(sent, arguments.file + ": decoding"));
      }
      LB_TRY_ASSIGN(mark, MarkOf(*packet, *video.stream->codecpar));
      if (PrintFrames(*decoder, *video.stream, *frame, arguments.first, mark)) return Ok();
    }
    av_packet_unref(packet.get());
  }
  if (error != AVERROR_EOF) return Pass(AvFailure(error, arguments.file));
  avcodec_send_packet(decoder.get(), nullptr);
  (void)PrintFrames(*decoder, *video.stream, *frame, arguments.first, std::nullopt);
  return Ok();
}

Status Dump(const Arguments& arguments) {
  LB_TRY_ASSIGN(video, OpenVideo(arguments));
  return arguments.packets ? DumpPackets(video, arguments) : DumpShownFrames(video, arguments);
}

int Run(int argc, char** argv) {
  Arguments arguments;
  CLI::App app("Lists the frames of simulated cameras in a media file.", "sei_dump");
  app.add_option("file", arguments.file, "the media file")->required();
  app.add_flag("--first", arguments.first, "only the first frame");
  app.add_flag("--packets", arguments.packets, "list stored packets instead of shown frames");
  try {
    app.parse(argc, argv);
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return 0;
  } catch (const CLI::ParseError& error) {
    std::cerr << "sei_dump: " << error.what() << "\n";
    return 2;
  }
  av_log_set_level(AV_LOG_ERROR);
  const auto dumped = Dump(arguments);
  std::cout.flush();
  if (dumped) return 0;
  std::cerr << "sei_dump: " << dumped.message() << "\n";
  return 1;
}

}  // namespace
}  // namespace lookback::camera_sim

int main(int argc, char** argv) {
  try {
    return lookback::camera_sim::Run(argc, argv);
  } catch (const std::exception& error) {
    std::cerr << "sei_dump: " << error.what() << "\n";
    return 1;
  }
}
