// apps/lookback/clip_fetch.h: brings a clip into a file, and goes on where a cut transfer stopped.
//
// Invariant: the file has its name only once it has every byte of one and the same clip: until then
//            it is FILE.part, and FILE.part.etag says of which clip. What is not a regular file is
//            never replaced.
// Threads:   the command's own.
// Errors:    of the server and the disk. The part stays where going on makes sense.
#pragma once

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "apps/lookback/api_client.h"

namespace lookback::app {

// A transfer that breaks off is gone on with, or begun anew when the clip changed, so often.
inline constexpr int kMaxClipTries = 8;
inline constexpr uint64_t kMaxDescriptionBytes = 16 << 20;

struct ClipOrder {
  std::string camera;
  std::vector<std::pair<std::string, std::string>> query;  // start, end, gaps, audio, reason.
  std::string file;                                        // Of FetchClip alone.
  bool require_complete = false;
};

struct ClipReceipt {
  Json description;      // Of clip.json (docs/api.md).
  bool fetched = false;  // False: refused by require_complete; nothing was written.
  std::string sha256;    // Of all bytes, in hex; empty when nothing was written.
};

using OnBytes = std::function<void(uint64_t done, uint64_t total)>;
using ByteSink = std::function<Status(ByteSpan)>;

// Whether FetchClip may write a file of that name; `force`: replacing a regular file.
Status CheckClipFile(FileSystem& files, const std::string& file, bool force);

Result<ClipReceipt> FetchClip(ApiClient& api, FileSystem& files, const ClipOrder& order,
                              const OnBytes& on_bytes);

// The same into a stream, which cannot be taken back: kUnavailable when the clip becomes another
// one after its first byte was written.
Result<ClipReceipt> StreamClip(ApiClient& api, const ClipOrder& order, const ByteSink& sink,
                               const OnBytes& on_bytes);

}  // namespace lookback::app
