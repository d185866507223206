#include "apps/lookback/service_manager.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include "base/log.h"

namespace lookback::app {
namespace {

// systemd may be busy at a machine's start, and READY=1 must not be lost then; one that does not
// read at all must not keep the daemon from stopping.
constexpr timeval kSendAtMost{5, 0};
constexpr int64_t kLooksPerWatchdog = 3;

Result<int64_t> WholeNumber(const char* name, const std::string& text) {
  int64_t number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && rest == end && number > 0) return number;
  return Fail(Code::kInvalid, fmt::format("{} \"{}\" is not a whole number above 0", name, text));
}

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

Result<ServiceManager> ServiceManager::Open(const Environment& environment) {
  ServiceManager manager;
  const std::string& path = environment.notify_socket;
  if (path.empty()) return manager;
  if ((path[0] != '/' && path[0] != '@') || path.size() >= sizeof manager.address_.sun_path) {
    return Fail(Code::kInvalid, fmt::format("NOTIFY_SOCKET \"{}\" is neither a path nor @NAME of "
                                            "less than {} bytes",
                                            path, sizeof manager.address_.sun_path));
  }
  manager.address_.sun_family = AF_UNIX;
  std::memcpy(manager.address_.sun_path, path.data(), path.size());
  // A name without a file begins with a zero, and ends where the address does.
  if (path[0] == '@') manager.address_.sun_path[0] = '\0';
  manager.address_bytes_ = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (environment.watchdog_usec.empty()) return manager;
  if (!environment.watchdog_pid.empty()) {
    LB_TRY_ASSIGN(pid, WholeNumber("WATCHDOG_PID", environment.watchdog_pid));
    if (pid != getpid()) return manager;
  }
  LB_TRY_ASSIGN(watchdog_us, WholeNumber("WATCHDOG_USEC", environment.watchdog_usec));
  manager.watched_ = true;
  manager.alive_every_us_ = std::max<int64_t>(1'000, watchdog_us / kLooksPerWatchdog);
  return manager;
}

Result<ServiceManager> ServiceManager::FromEnvironment() {
  return Open({Variable("NOTIFY_SOCKET"), Variable("WATCHDOG_USEC"), Variable("WATCHDOG_PID")});
}

void ServiceManager::Alive() const {
  if (watched_) Tell("WATCHDOG=1");
}

void ServiceManager::Tell(std::string_view what) const {
  if (address_bytes_ == 0) return;
  const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const bool sent =
      fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &kSendAtMost, sizeof kSendAtMost) == 0 &&
      sendto(fd, what.data(), what.size(), MSG_NOSIGNAL,
             reinterpret_cast<const sockaddr*>(&address_), address_bytes_) >= 0;
  const int error = errno;
  if (fd >= 0) close(fd);
  if (!sent) {
    LogWarning("serve",
               fmt::format("systemd could not be told {}: {}", what, std::strerror(error)));
  }
}

bool Heartbeat::Beat() {
  const bool first = answered_ == nullptr;
  if (!first && answered_->load() < asked_) return false;
  // A new count, so that nobody's late answer is taken for another's.
  answered_ = std::make_shared<std::atomic<size_t>>(0);
  asked_ = ask_([answered = answered_] { answered->fetch_add(1); });
  return !first;
}

}  // namespace lookback::app
