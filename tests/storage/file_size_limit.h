// tests/storage/file_size_limit.h: a catalog that cannot be written while the ledger,
// far smaller, can.
#pragma once

#include <signal.h>
#include <sys/resource.h>

#include <cstdint>

namespace lookback::test {

// No file of this process can grow beyond that size while this stands.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(uint64_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_{};
};

}  // namespace lookback::test
