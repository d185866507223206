#include "bench/thread_per_camera.h"

#include <unistd.h>

#include <atomic>
#include <thread>

#include "base/result.h"

extern "C" {
#include <libavformat/avformat.h>
}

namespace lookback::bench {
namespace {

void Record(const std::string& url, const std::string& files, const std::atomic<bool>& stopping) {
  AVFormatContext* in = nullptr;
  AVDictionary* options = nullptr;
  av_dict_set(&options, "rtsp_transport", "tcp", 0);
  LB_CHECK(avformat_open_input(&in, url.c_str(), nullptr, &options) == 0);
  av_dict_free(&options);
  LB_CHECK(avformat_find_stream_info(in, nullptr) >= 0);
  const int video = av_find_best_stream(in, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
  LB_CHECK(video >= 0);

  AVFormatContext* out = nullptr;
  LB_CHECK(avformat_alloc_output_context2(&out, nullptr, "segment", files.c_str()) >= 0);
  AVStream* const stream = avformat_new_stream(out, nullptr);
  LB_CHECK(avcodec_parameters_copy(stream->codecpar, in->streams[video]->codecpar) >= 0);
  stream->codecpar->codec_tag = 0;
  av_dict_set(&options, "segment_time", "60", 0);
  av_dict_set(&options, "segment_format", "mp4", 0);
  LB_CHECK(avformat_write_header(out, &options) >= 0);
  av_dict_free(&options);

  AVPacket* packet = av_packet_alloc();
  while (!stopping && av_read_frame(in, packet) == 0) {
    if (packet->stream_index == video && packet->dts != AV_NOPTS_VALUE) {
      packet->stream_index = 0;
      av_packet_rescale_ts(packet, in->streams[video]->time_base, stream->time_base);
      LB_CHECK(av_write_frame(out, packet) >= 0);
    }
    av_packet_unref(packet);
  }
  av_packet_free(&packet);
  av_write_trailer(out);
  avformat_free_context(out);
  avformat_close_input(&in);
}

}  // namespace

void RunThreadPerCamera(const std::vector<std::string>& urls, const std::string& directory,
                        int stop) {
  av_log_set_level(AV_LOG_ERROR);
  std::atomic<bool> stopping = false;
  std::vector<std::thread> threads;
  threads.reserve(urls.size());
  for (const std::string& url : urls) {
    const std::string files = directory + "/" + std::to_string(threads.size()) + "-%03d.mp4";
    threads.emplace_back([url, files, &stopping] { Record(url, files, stopping); });
  }
  char byte = 0;
  (void)!read(stop, &byte, 1);
  stopping = true;
  for (std::thread& thread : threads) thread.join();
}

}  // namespace lookback::bench
