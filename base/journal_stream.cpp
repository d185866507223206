#include "base/journal_stream.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <string>

namespace lookback {

bool IsStream(std::string_view device_and_inode, int descriptor) {
  struct stat stream {};
  if (fstat(descriptor, &stream) != 0) return false;
  return device_and_inode == std::to_string(stream.st_dev) + ":" + std::to_string(stream.st_ino);
}

bool StandardErrorIsJournal() {
  static const bool is_journal = [] {
    const char* const named = std::getenv("JOURNAL_STREAM");
    return named != nullptr && IsStream(named, STDERR_FILENO);
  }();
  return is_journal;
}

std::string_view JournalPrefix(LogLevel level) {
  if (!StandardErrorIsJournal()) return {};
  switch (level) {
    case LogLevel::kDebug:
      return "<7>";
    case LogLevel::kInfo:
      return "<6>";
    case LogLevel::kWarning:
      return "<4>";
    case LogLevel::kError:
      return "<3>";
  }
  return {};
}

}  // namespace lookback
