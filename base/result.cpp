#include "base/result.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <system_error>

namespace lookback {

std::string_view CodeName(Code code) {
  switch (code) {
    case Code::kInvalid:
      return "invalid";
    case Code::kNotFound:
      return "not-found";
    case Code::kConflict:
      return "conflict";
    case Code::kDenied:
      return "denied";
    case Code::kUnavailable:
      return "unavailable";
    case Code::kDiskFull:
      return "disk-full";
    case Code::kDiskFailed:
      return "disk-failed";
    case Code::kCorrupt:
      return "corrupt";
    case Code::kUnsupported:
      return "unsupported";
  }
  return "unknown";
}

Error SystemError(int error_number, std::string_view call, std::string_view thing) {
  Code code = Code::kDiskFailed;
  if (error_number == ENOSPC || error_number == EDQUOT) code = Code::kDiskFull;
  if (error_number == ENOENT) code = Code::kNotFound;
  if (error_number == EEXIST) code = Code::kConflict;
  return Error{code,
               std::string(call) + " " + std::string(thing) + ": " +
                   std::generic_category().message(error_number),
               error_number};
}

void CheckFailed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "lookback: broken invariant: %s (%s:%d)\n", condition, file, line);
  std::abort();
}

}  // namespace lookback
