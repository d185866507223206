// api/zip_stream.h: a ZIP archive that comes out while its files go in, whatever its size.
//
// Invariant: files are stored, not compressed; what stands in memory is what Take() has not taken.
//            ZIP64 where it is needed. Names are given in ASCII, with "/" between folders.
// Threads:   one.
// Errors:    kInvalid where a file has not the bytes that it was announced with; the archive is no
//            good then.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"

namespace lookback::api {

class ZipStream {
 public:
  ZipStream();
  ~ZipStream();
  ZipStream(const ZipStream&) = delete;
  ZipStream& operator=(const ZipStream&) = delete;

  // The next file; the one before is over.
  Status Begin(const std::string& name, uint64_t bytes, TimeUs time_us);
  Status Write(ByteSpan piece);
  Status Finish();  // The directory, which is last.

  // What came out since the last call.
  std::string Take();

 private:
  struct Archive;
  const std::unique_ptr<Archive> archive_;
};

}  // namespace lookback::api
