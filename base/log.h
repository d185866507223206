// base/log.h: one line for each thing that a person running the store should know.
//
// Invariant: a line is at most kMaxLogLine bytes, and holds no control characters, whatever a
//            camera or a client put into it. Secrets never go here: callers log names, never
//            passwords.
// Threads:   any.
// Errors:    none; a line that cannot be written is lost.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lookback {

inline constexpr size_t kMaxLogLine = 2'048;

enum class LogLevel : unsigned char { kDebug, kInfo, kWarning, kError };

// Lines below `level` are dropped. They go to standard error, with UTC time, or to the journal.
void SetLogLevel(LogLevel level);

// `part` is the folder or thread that speaks: "recorder", "volume".
void Log(LogLevel level, std::string_view part, std::string_view message);

inline void LogDebug(std::string_view part, std::string_view message) {
  Log(LogLevel::kDebug, part, message);
}
inline void LogInfo(std::string_view part, std::string_view message) {
  Log(LogLevel::kInfo, part, message);
}
inline void LogWarning(std::string_view part, std::string_view message) {
  Log(LogLevel::kWarning, part, message);
}
inline void LogError(std::string_view part, std::string_view message) {
  Log(LogLevel::kError, part, message);
}

}  // namespace lookback
