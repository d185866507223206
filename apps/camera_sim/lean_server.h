// apps/camera_sim/lean_server.h: hundreds of H.264 cameras over RTSP and TCP, as cheap as a sender
// can be: 500 of them leave a machine of two cores most of its time.
//
// Every camera plays one clip round and round, at 25 pictures a second by the clock, watched
// or not. Packets are made once and stamped for each; each picture has the mark of sei.h,
// sender reports map RTP time to the wall clock, and the log has the grammar of frame_log.h.
// It knows enough RTSP for ffmpeg and the recorder, trusts its clients, and is no use
// beyond a trial on loopback.
//
// Invariant: a camera is never slowed down by its client: what does not fit into the socket
//            waits, and a client more than kMaxWaitingBytes behind is cut off and counted.
//            A frame that was logged as sent has left for the network, unless its client was
//            cut off or went by itself.
// Threads:   Listen() and Run() may be on different ones, or in different processes.
// Errors:    kUnavailable: the port cannot be had.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "apps/camera_sim/frame_log.h"
#include "apps/camera_sim/packet_clip.h"
#include "base/clock.h"

namespace lookback::camera_sim {

class LeanServer {
 public:
  static constexpr int64_t kPictureUs = 40 * kUsPerMs;
  static constexpr size_t kMaxWaitingBytes = size_t{8} << 20;
  // From the last picture to a client that is dropped, to the end of its connection.
  static constexpr int64_t kDrainUs = 300 * kUsPerMs;

  // How one picture goes into the socket.
  enum class Chop : uint8_t {
    kPicture,  // In one send: the kindest for who wakes up on each.
    kPacket,   // In one send a packet, as on a network.
  };

  struct Options {
    std::string prefix = "cam";  // Cameras are PREFIX1 to PREFIXcount.
    uint32_t count = 1;
    uint16_t port = 0;  // 0 picks a free one.
    Chop chop = Chop::kPicture;
    double disconnect_every_s = 0;  // Each client is dropped after about so long; 0: never.
    uint64_t seed = 1;
  };

  // May lie in memory that processes share.
  struct Counters {
    std::atomic<uint64_t> sent_bytes{0};  // Interleaved RTP and RTCP, by the sockets taken.
    std::atomic<uint32_t> playing{0};     // Connections now.
    std::atomic<uint64_t> cut_off{0};     // Clients that were too slow.
    std::atomic<int64_t> late_us{0};      // The latest picture since this was last set to 0.
  };

  // On loopback. Without a `log`, nothing is logged. All that is given outlives the server.
  static Result<std::unique_ptr<LeanServer>> Listen(const PacketClip& clip, const Options& options,
                                                    FrameLog* log, Counters& counters,
                                                    const Clock& clock);
  virtual ~LeanServer() = default;

  virtual uint16_t port() const = 0;
  std::string Url(uint32_t number) const;  // From 1.

  // Until the descriptor `stop` is readable (-1: for ever); then all clients are dropped.
  virtual void Run(int stop) = 0;

 protected:
  explicit LeanServer(Options options) : options_(std::move(options)) {}
  const Options options_;
};

}  // namespace lookback::camera_sim
