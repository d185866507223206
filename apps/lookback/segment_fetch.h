// apps/lookback/segment_fetch.h: brings one stored segment, byte for byte.
//
// Invariant: FILE appears only whole, with the digest that the ledger has of it. Until then it is
//            FILE.part, which is gone on with where it broke off: a name never has other bytes.
// Threads:   the command's.
// Errors:    the server's; kCorrupt for what arrives with another digest; kUnavailable when the
//            transfer breaks off kMaxSegmentTries times.
#pragma once

#include <string>

#include "apps/lookback/clip_fetch.h"

namespace lookback::app {

inline constexpr int kMaxSegmentTries = 8;

struct SegmentOrder {
  std::string path;  // Of the request, with its query.
  std::string sha256;
  uint64_t bytes = 0;
  std::string file;
};

Status FetchSegment(ApiClient& api, FileSystem& files, const SegmentOrder& order,
                    const OnBytes& on_bytes);

}  // namespace lookback::app
