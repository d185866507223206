// recorder/media_transport.h: how the RTP and RTCP of a session's tracks travel: inside the RTSP
// connection, or beside it over UDP.
//
// Invariant: tracks are offered and accepted in turn, 0 first. Packets of one track come out in the
//            order in which they were sent, as far as the transport can tell. What waits for others
//            when the transport ends is left out: whether these were lost is not known.
// Threads:   the camera's loop.
// Errors:    Offer: kUnavailable, nothing to receive with. Accept: kUnsupported, the camera
//            answered with a transport that was not asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"
#include "net/socket_address.h"
#include "recorder/ingest.h"

namespace lookback::recorder {

class RtspConnection;

// What a transport met besides packets.
struct TransportCounters {
  uint64_t bytes = 0;            // Received beside the RTSP connection.
  uint64_t foreign_packets = 0;  // Came from somebody else, and were dropped.
  uint64_t late_packets = 0;     // Came after they had been counted as lost, or twice.
  uint64_t kernel_drops = 0;  // Arrived here and found no room; they are missing in the stream too.
};

class MediaTransport {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void OnRtp(size_t track, ByteSpan packet, int64_t received_us) = 0;
    virtual void OnRtcp(size_t track, ByteSpan packet, int64_t received_us) = 0;
  };

  virtual ~MediaTransport() = default;

  virtual std::string_view name() const = 0;  // "tcp"

  // The Transport header of a track's SETUP (RFC 2326 §12.39), and what the camera made of it.
  virtual Result<std::string> Offer(size_t track) = 0;
  virtual Status Accept(size_t track, std::string_view answer) = 0;
  // The camera refused the last track that was offered.
  virtual void Withdraw(size_t track) = 0;
  // PLAY is about to be asked for.
  virtual void Start() {}

  // From now on packets are taken at each Tick() only.
  virtual void ReadOnDemand() = 0;
  virtual Status Tick(int64_t now_us) = 0;

  virtual void OnInterleaved(uint8_t channel, ByteSpan payload, int64_t received_us) = 0;
  virtual void SendRtcp(size_t track, ByteSpan packet) = 0;
  virtual TransportCounters counters() const { return {}; }
};

// RFC 2326 §10.12. `connection` and `sink` must outlive it.
std::unique_ptr<MediaTransport> MakeInterleavedTransport(RtspConnection& connection, bool tls,
                                                         MediaTransport::Sink& sink);

// RTP over UDP (RFC 3550 §11), from `local` to the camera at `camera`, whose ports come with its
// answers. `sink` must outlive it.
std::unique_ptr<MediaTransport> MakeUdpTransport(const IngestContext& context,
                                                 const net::SocketAddress& local,
                                                 const net::SocketAddress& camera,
                                                 MediaTransport::Sink& sink);

}  // namespace lookback::recorder
