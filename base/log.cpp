#include "base/log.h"

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "base/journal_stream.h"

namespace lookback {
namespace {

spdlog::level::level_enum Convert(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

spdlog::logger& Logger() {
  static spdlog::logger logger = [] {
    spdlog::logger made("lookback", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    // The journal has time and level of its own.
    made.set_pattern(StandardErrorIsJournal() ? "%v" : "%Y-%m-%dT%H:%M:%S.%eZ %l %v",
                     spdlog::pattern_time_type::utc);
    made.flush_on(spdlog::level::warn);
    return made;
  }();
  return logger;
}

}  // namespace

void SetLogLevel(LogLevel level) { Logger().set_level(Convert(level)); }

void Log(LogLevel level, std::string_view part, std::string_view message) {
  std::string line(JournalPrefix(level));
  line += part;
  line += ": ";
  line += message.substr(0, kMaxLogLine);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = ' ';
  }
  Logger().log(Convert(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace lookback
