// media/demuxer_input.h: a libavformat context whose reach, time and memory are bounded.
//
// Invariant: what it opens, itself or for a playlist, is one of the schemes of the demuxer; a file
//            is read through the FileSystem and leads nowhere. Nothing waits beyond the deadline.
// Threads:   the demuxer's; `stop` on any.
// Errors:    the demuxer's.
#pragma once

#include "media/demuxer.h"

struct AVFormatContext;
struct AVIOContext;
struct AVDictionary;

namespace lookback::media {

class DemuxerInput {
 public:
  static Result<std::unique_ptr<DemuxerInput>> OpenUrl(const std::string& url,
                                                       const Demuxer::Options& options,
                                                       const Clock& clock,
                                                       const std::atomic<bool>& stop);
  static Result<std::unique_ptr<DemuxerInput>> OpenFile(const File& file,
                                                        const Demuxer::Options& options,
                                                        const Clock& clock,
                                                        const std::atomic<bool>& stop);
  ~DemuxerInput();
  DemuxerInput(const DemuxerInput&) = delete;
  DemuxerInput& operator=(const DemuxerInput&) = delete;

  AVFormatContext& context() { return *context_; }
  bool live() const { return file_ == nullptr; }
  // The container has no times, only pictures as they come.
  bool timeless() const { return timeless_; }

  Status FindStreams();
  void SetDeadline(int64_t from_now_us);

  // What libavformat's error number means here.
  Error Failure(int number, std::string_view doing) const;
  // The end was read: false, or why it is none.
  Result<bool> End() const;

 private:
  DemuxerInput(const Demuxer::Options& options, const Clock& clock, const std::atomic<bool>& stop);
  Status Open(const std::string& name, const char* formats);

  static int Interrupted(void* self);
  static int OpenNested(AVFormatContext* context, AVIOContext** io, const char* url, int flags,
                        AVDictionary** options);
  static int ReadFile(void* self, uint8_t* into, int size);
  static int64_t SeekFile(void* self, int64_t offset, int whence);

  const Demuxer::Options options_;
  const Clock& clock_;
  const std::atomic<bool>& stop_;
  int64_t deadline_us_ = 0;
  std::string refused_;  // A URL that was not to be opened: its scheme.

  const File* file_ = nullptr;
  uint64_t file_bytes_ = 0;
  uint64_t position_ = 0;
  std::optional<Error> file_error_;

  AVFormatContext* context_ = nullptr;
  AVIOContext* io_ = nullptr;  // Of a file.
  bool timeless_ = false;
};

}  // namespace lookback::media
