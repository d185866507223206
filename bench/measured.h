// bench/measured.h: processes whose CPU and memory are read from outside.
//
// Every contender runs in processes of its own and is read by the same means, so that neither the
// load nor the benchmark counts for it.
//
// Invariant: what was started is ended and waited for by Stop(), and dies with the benchmark.
// Threads:   one thread owns it. It forks: no other thread may run.
// Errors:    asserts (LB_CHECK).
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace lookback::bench {

class Measured {
 public:
  Measured() = default;
  ~Measured() { Stop(); }
  Measured(const Measured&) = delete;
  Measured& operator=(const Measured&) = delete;

  // Runs `work(stop)` in a child until it returns; `stop` becomes readable on Stop().
  void Fork(const std::function<void(int stop)>& work);
  // Runs a command.
  void Exec(const std::vector<std::string>& command);
  // Ends all, and waits. False when one had failed: a load that died measures nothing.
  bool Stop();

  // User and system time of all threads, those that ended included.
  double CpuSeconds() const;
  double ResidentMib() const;
  // CPU seconds by thread, as "name:id".
  std::map<std::string, double> ThreadCpuSeconds() const;

 private:
  struct Child {
    pid_t pid;
    int stop;  // -1: SIGINT it.
  };
  std::vector<Child> children_;
};

}  // namespace lookback::bench
