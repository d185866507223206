#include "media/demuxer_input.h"

#include <fmt/format.h>
#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <mutex>

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/dict.h>
#include <libavutil/log.h>
#include <libavutil/mem.h>
}

namespace lookback::media {
namespace {

// By the names of libavformat's demuxers. None of them opens other files, but hls, and what that
// opens goes through OpenNested().
constexpr const char* kFileFormats = "mov,matroska,avi,flv,mpegts,mpeg";
constexpr const char* kLiveFormats = "hls,mov,matroska,flv,live_flv,mpegts,mpjpeg,mjpeg,aac";
constexpr const char* kCodecs =
    "h264,hevc,mjpeg,aac,aac_fixed,opus,libopus,pcm_alaw,pcm_mulaw,g726";
// What a URL may lead to. crypto is AES-128 of HLS, over one of the others.
constexpr const char* kProtocols = "http,https,rtmp,tcp,tls,crypto";
constexpr std::string_view kSchemes[] = {"http://",        "https://",        "rtmp://",
                                         "crypto+http://", "crypto+https://", "crypto:http://",
                                         "crypto:https://"};
constexpr int kFileBufferBytes = 64 << 10;

void PrepareLibrary() {
  static std::once_flag once;
  std::call_once(once, [] {
    av_log_set_level(AV_LOG_QUIET);  // It would print URLs, with passwords in them.
    av_max_alloc(Demuxer::kMaxAllocationBytes);
    avformat_network_init();
  });
}

bool BeginsWith(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(),
                    [](char a, char b) { return a == (b >= 'A' && b <= 'Z' ? b - 'A' + 'a' : b); });
}

std::string Escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<uint8_t>(c));
  }
  return out;
}

std::string WithCredentials(const std::string& url, const Demuxer::Options& options) {
  const size_t authority = url.find("://");
  if (options.user.empty() || authority == std::string::npos) return url;
  return fmt::format("{}://{}:{}@{}", url.substr(0, authority), Escape(options.user),
                     Escape(options.password), url.substr(authority + 3));
}

// libavformat tells a name that does not resolve as a failed read.
std::optional<Error> WhyUnresolved(const std::string& url) {
  const size_t authority = url.find("://");
  if (authority == std::string::npos) return std::nullopt;
  std::string host = url.substr(authority + 3);
  host = host.substr(0, host.find_first_of("/?#"));
  if (const size_t at = host.rfind('@'); at != std::string::npos) host.erase(0, at + 1);
  if (BeginsWith(host, "[")) return std::nullopt;
  host = host.substr(0, host.find(':'));
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int status = ::getaddrinfo(host.c_str(), nullptr, &hints, &found);
  if (status == 0) {
    ::freeaddrinfo(found);
    return std::nullopt;
  }
  return Error{Code::kUnavailable,
               fmt::format("the name {} cannot be resolved: {}", host, ::gai_strerror(status))};
}

std::string Text(int number) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  av_strerror(number, text, sizeof text);
  std::string sentence = text;
  if (!sentence.empty() && sentence[0] >= 'A' && sentence[0] <= 'Z') sentence[0] += 'a' - 'A';
  return sentence;
}

}  // namespace

DemuxerInput::DemuxerInput(const Demuxer::Options& options, const Clock& clock,
                           const std::atomic<bool>& stop)
    : options_(options), clock_(clock), stop_(stop) {
  PrepareLibrary();
}

DemuxerInput::~DemuxerInput() {
  deadline_us_ = 0;  // Closing waits for nothing.
  avformat_close_input(&context_);
  if (io_ != nullptr) {
    av_freep(&io_->buffer);
    avio_context_free(&io_);
  }
}

Result<std::unique_ptr<DemuxerInput>> DemuxerInput::OpenUrl(const std::string& url,
                                                            const Demuxer::Options& options,
                                                            const Clock& clock,
                                                            const std::atomic<bool>& stop) {
  if (std::none_of(std::begin(kSchemes), std::begin(kSchemes) + 3,
                   [&url](std::string_view scheme) { return BeginsWith(url, scheme); })) {
    return Fail(Code::kInvalid, "it must begin with rtmp://, http:// or https://");
  }
  std::unique_ptr<DemuxerInput> input(new DemuxerInput(options, clock, stop));
  LB_TRY(input->Open(WithCredentials(url, options), kLiveFormats));
  const std::string_view format = input->context_->iformat->name;
  input->timeless_ = format == "mpjpeg" || format == "mjpeg";
  return input;
}

Result<std::unique_ptr<DemuxerInput>> DemuxerInput::OpenFile(const File& file,
                                                             const Demuxer::Options& options,
                                                             const Clock& clock,
                                                             const std::atomic<bool>& stop) {
  std::unique_ptr<DemuxerInput> input(new DemuxerInput(options, clock, stop));
  input->file_ = &file;
  LB_TRY_ASSIGN(size, file.Size());
  if (size == 0)
    return Fail(Code::kInvalid, fmt::format("it is empty; it takes {}", kDemuxedFiles));
  input->file_bytes_ = size;
  LB_TRY(input->Open("", kFileFormats));
  return input;
}

Status DemuxerInput::Open(const std::string& name, const char* formats) {
  SetDeadline(options_.open_timeout_us);
  context_ = avformat_alloc_context();
  if (file_ != nullptr) {
    auto* buffer = static_cast<uint8_t*>(av_malloc(kFileBufferBytes));
    io_ = avio_alloc_context(buffer, kFileBufferBytes, 0, this, ReadFile, nullptr, SeekFile);
    context_->pb = io_;
  }
  context_->opaque = this;
  context_->interrupt_callback = {Interrupted, this};
  context_->io_open = OpenNested;
  context_->max_streams = Demuxer::kMaxStreams;
  context_->probesize = Demuxer::kMaxProbeBytes;
  context_->max_analyze_duration = Demuxer::kMaxProbeUs;
  context_->fps_probe_size = 0;  // What rate a picture comes at is of no interest.
  AVDictionary* options = nullptr;
  av_dict_set(&options, "format_whitelist", formats, 0);
  av_dict_set(&options, "codec_whitelist", kCodecs, 0);
  av_dict_set(&options, "protocol_whitelist", kProtocols, 0);
  // A failed open frees the context.
  const int result = avformat_open_input(&context_, name.c_str(), nullptr, &options);
  av_dict_free(&options);
  if (result == AVERROR(EIO) && live()) {
    if (auto unresolved = WhyUnresolved(name)) return Pass(*unresolved);
  }
  if (result < 0) return Pass(Failure(result, "opening"));
  return Ok();
}

Status DemuxerInput::FindStreams() {
  const int result = avformat_find_stream_info(context_, nullptr);
  if (result < 0) return Pass(Failure(result, "opening"));
  return Ok();
}

void DemuxerInput::SetDeadline(int64_t from_now_us) {
  deadline_us_ = clock_.MonotonicUs() + from_now_us;
}

int DemuxerInput::Interrupted(void* self) {
  const auto* input = static_cast<const DemuxerInput*>(self);
  return input->stop_ || input->clock_.MonotonicUs() >= input->deadline_us_ ? 1 : 0;
}

int DemuxerInput::OpenNested(AVFormatContext* context, AVIOContext** io, const char* url, int flags,
                             AVDictionary** options) {
  auto* input = static_cast<DemuxerInput*>(context->opaque);
  const bool allowed =
      input->live() && (flags & AVIO_FLAG_WRITE) == 0 &&
      std::any_of(std::begin(kSchemes), std::end(kSchemes),
                  [url](std::string_view scheme) { return BeginsWith(url, scheme); });
  if (!allowed) {
    const std::string_view text = url;
    input->refused_ = text.substr(0, std::min<size_t>(text.find(':'), 16));
    return AVERROR(EPERM);
  }
  AVDictionary* own = nullptr;
  if (options == nullptr) options = &own;
  av_dict_set(options, "protocol_whitelist", kProtocols, 0);
  av_dict_set(options, "tls_verify", input->options_.verify_tls ? "1" : "0", 0);
  av_dict_set(options, "http_proxy", "", 0);  // A camera is near; a proxy would see its password.
  av_dict_set(options, "seekable", "0", 0);
  const int result = avio_open2(io, url, flags, &context->interrupt_callback, options);
  av_dict_free(&own);
  return result;
}

int DemuxerInput::ReadFile(void* self, uint8_t* into, int size) {
  auto* input = static_cast<DemuxerInput*>(self);
  if (Interrupted(self) != 0) return AVERROR_EXIT;
  const auto read = input->file_->ReadAt(input->position_, {into, static_cast<size_t>(size)});
  if (!read) {
    input->file_error_ = read.error();
    return AVERROR(EIO);
  }
  input->position_ += *read;
  return *read == 0 ? AVERROR_EOF : static_cast<int>(*read);
}

int64_t DemuxerInput::SeekFile(void* self, int64_t offset, int whence) {
  auto* input = static_cast<DemuxerInput*>(self);
  const auto size = static_cast<int64_t>(input->file_bytes_);
  if ((whence & AVSEEK_SIZE) != 0) return size;
  whence &= ~AVSEEK_FORCE;
  const int64_t from = whence == SEEK_CUR   ? static_cast<int64_t>(input->position_)
                       : whence == SEEK_END ? size
                                            : 0;
  if (offset < -from || offset > INT64_MAX - from) return AVERROR(EINVAL);
  input->position_ = static_cast<uint64_t>(from + offset);
  return from + offset;
}

Result<bool> DemuxerInput::End() const {
  if (file_error_) return Pass(*file_error_);
  // Some demuxers take an interrupted read for an end.
  if (Interrupted(const_cast<DemuxerInput*>(this)) != 0) return Pass(Failure(AVERROR_EXIT, ""));
  return false;
}

Error DemuxerInput::Failure(int number, std::string_view doing) const {
  if (file_error_) return *file_error_;
  if (stop_) return {Code::kUnavailable, "it was stopped"};
  if (!refused_.empty()) {
    return {Code::kDenied, fmt::format("it leads to {}:, which is not opened; http, https and rtmp "
                                       "are",
                                       refused_)};
  }
  // An interrupted read may be told of only after what it had read before.
  if (number == AVERROR_EXIT || clock_.MonotonicUs() >= deadline_us_) {
    const int64_t waited_us =
        doing == "opening" ? options_.open_timeout_us : options_.read_timeout_us;
    return {Code::kUnavailable, fmt::format("{} for {} s", live() ? "no data" : "no progress",
                                            waited_us / kUsPerSecond)};
  }
  switch (number) {
    case AVERROR_HTTP_UNAUTHORIZED:
      return {Code::kDenied, "401 Unauthorized: check user and password"};
    case AVERROR_HTTP_FORBIDDEN:
      return {Code::kDenied, "403 Forbidden: check user and password"};
    case AVERROR_HTTP_NOT_FOUND:
      return {Code::kNotFound, "404 Not Found: check the path in the URL"};
    case AVERROR_HTTP_BAD_REQUEST:
    case AVERROR_HTTP_OTHER_4XX:
    case AVERROR_HTTP_SERVER_ERROR:
      return {Code::kInvalid, Text(number)};
    case AVERROR_INVALIDDATA:
    case AVERROR(EINVAL):
    case AVERROR_STREAM_NOT_FOUND:
      if (live()) return {Code::kCorrupt, "what the server sends is no stream that can be read"};
      return {Code::kCorrupt, fmt::format("it cannot be read as {}; it may be cut short, or be "
                                          "something else",
                                          kDemuxedFiles)};
    case AVERROR(ENOMEM):
      return {Code::kCorrupt, "it asks for more memory than 256 MiB at once"};
    case AVERROR(EIO):
      if (live()) return {Code::kUnavailable, "the other side closed the connection"};
      return {Code::kCorrupt, "it cannot be read to its end"};
    case AVERROR_EOF:
      if (live()) return {Code::kUnavailable, "the other side closed the connection"};
      return {Code::kCorrupt, "it is cut short"};
    default:
      return {live() ? Code::kUnavailable : Code::kCorrupt, Text(number)};
  }
}

}  // namespace lookback::media
