// bench/rtsp_load.h: many H.264 cameras over RTSP and TCP, as cheap as a sender can be.
//
// Every camera plays one clip round and round on a real-time schedule; the packets are made once,
// and sequence numbers and timestamps go on over the loop. The server is a process of its own, so
// that what receives can be measured without it. It knows enough RTSP for ffmpeg and the recorder,
// trusts its clients, and is no use beyond a benchmark.
//
// Invariant: a camera is never slowed down by its client: what does not fit into the socket waits,
//            and a client more than kMaxWaitingBytes behind is cut off and counted.
// Threads:   one thread owns it. Start it before others: it forks.
// Errors:    asserts (LB_CHECK): a benchmark without its load has no figures.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <string>

namespace lookback::bench {

inline constexpr size_t kMaxWaitingBytes = size_t{8} << 20;

// How one picture goes into the socket.
enum class Chop : uint8_t {
  kPicture,  // In one send: the kindest for who wakes up on each.
  kPacket,   // In one send a packet, as on a network.
};

// Shared with the server's process.
struct LoadCounters {
  std::atomic<uint64_t> sent_bytes{0};  // Interleaved RTP and RTCP, by the sockets taken.
  std::atomic<uint32_t> playing{0};     // Connections now.
  std::atomic<uint64_t> cut_off{0};     // Clients that were too slow.
  std::atomic<int64_t> late_us{0};      // The latest picture since this was last set to 0.
};

class RtspLoad {
 public:
  // `clip`: a file of H.264 without B pictures, at 25 pictures a second.
  RtspLoad(const std::string& clip, Chop chop);
  ~RtspLoad();  // Ends the server.
  RtspLoad(const RtspLoad&) = delete;
  RtspLoad& operator=(const RtspLoad&) = delete;

  // Any path is a camera.
  std::string Url(int camera) const;
  uint16_t port() const { return port_; }
  LoadCounters& counters() const { return *counters_; }
  double bits_per_second() const { return bits_per_second_; }

 private:
  LoadCounters* counters_ = nullptr;
  uint16_t port_ = 0;
  pid_t server_ = -1;
  double bits_per_second_ = 0;
};

}  // namespace lookback::bench
