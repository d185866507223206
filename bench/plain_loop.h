// bench/plain_loop.h: the least that anything could do to put streams on disk: one thread, epoll,
// recv into 256 KiB a camera, pwrite when full. No parsing, no times, no index, nothing synced.
//
// Threads:   one thread owns it.
// Errors:    asserts (LB_CHECK).
#pragma once

#include <cstdint>
#include <string>

namespace lookback::bench {

inline constexpr size_t kPlainBufferBytes = 256 << 10;

// Plays `cameras` cameras of the server at `port` into files in `directory`, until `stop` (a
// descriptor) can be read.
void RunPlainLoop(uint16_t port, int cameras, const std::string& directory, int stop);

}  // namespace lookback::bench
