// apps/lookback/service_manager.h: tells systemd that the daemon is ready, alive or stopping, as
// sd_notify(3) does it: a datagram each, to the socket that NOTIFY_SOCKET names.
//
// Invariant: "alive" is said only when every thread that was asked has answered
//            since it was last said.
// Threads:   one; what Heartbeat hands out may be called on any.
// Errors:    Open refuses what cannot be a socket or a time. A message that
//            cannot be sent is logged.
#pragma once

#include <sys/un.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace lookback::app {

class ServiceManager {
 public:
  struct Environment {
    std::string notify_socket;  // NOTIFY_SOCKET: a path, or "@name"; empty: nobody is told.
    std::string watchdog_usec;  // WATCHDOG_USEC; empty: nobody waits for signs of life.
    std::string watchdog_pid;   // WATCHDOG_PID: whose; empty: of this process.
  };

  static Result<ServiceManager> Open(const Environment& environment);
  static Result<ServiceManager> FromEnvironment();

  void Ready() const { Tell("READY=1"); }
  void Alive() const;
  void Stopping() const { Tell("STOPPING=1"); }

  // How often a sign of life is looked for: three times within what systemd waits for one.
  int64_t alive_every_us() const { return alive_every_us_; }

 private:
  void Tell(std::string_view what) const;

  sockaddr_un address_{};
  socklen_t address_bytes_ = 0;  // 0: nobody is told.
  bool watched_ = false;
  int64_t alive_every_us_ = 3600 * kUsPerSecond;
};

// Whether threads still do their work: each is asked, and is asked again once all have answered.
class Heartbeat {
 public:
  // Hands a task to each thread, and returns to how many. A thread runs it when it comes to it.
  using Ask = std::function<size_t(const std::function<void()>&)>;

  explicit Heartbeat(Ask ask) : ask_(std::move(ask)) {}

  // Asks, the first time and whenever all that were asked have answered. True in the second case.
  bool Beat();

 private:
  const Ask ask_;
  size_t asked_ = 0;
  std::shared_ptr<std::atomic<size_t>> answered_;  // Null: nobody was asked yet.
};

}  // namespace lookback::app
