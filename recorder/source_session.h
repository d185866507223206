// recorder/source_session.h: one try to get a camera's stream, from connecting to the end, whatever
// it is spoken in.
//
// Invariant: samples reach the owner's writer from within Tick() and the loop's events alone, and
//            none comes after failure() is set.
// Threads:   the camera's loop.
// Errors:    failure() turns set and stays; the owner then destroys the session.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "recorder/ingest.h"
#include "recorder/media_transport.h"
#include "recorder/run_writer.h"
#include "recorder/sdp.h"

namespace lookback::recorder {

// What a session has met so far.
struct SourceCounters {
  uint64_t bytes = 0;
  uint64_t received_packets = 0;  // Of RTP.
  uint64_t lost_packets = 0;
  uint64_t dropped_samples = 0;  // Found no room on their way to the loop.
  TransportCounters transport;

  SourceCounters& operator+=(const SourceCounters& more);
};

class SourceSession {
 public:
  class Owner {
   public:
    virtual ~Owner() = default;
    // Tracks are known, video first; gives the writer that takes their samples, which outlives the
    // session.
    virtual RunWriter& OnTracks(const std::vector<RtpFormat>& tracks) = 0;
  };

  virtual ~SourceSession() = default;

  virtual void Tick() = 0;
  // Ends the session from outside: the owner found fault with what it delivers.
  virtual void Fail(index::GapCause cause, std::string detail) = 0;

  virtual bool playing() const = 0;  // Samples may come.
  virtual const std::optional<SessionFailure>& failure() const = 0;
  virtual std::string_view transport_name() const = 0;
  virtual SourceCounters counters() const = 0;
  // What may explain that no picture comes: "; 300 packets were no RTP", or nothing.
  virtual std::string WhyNoPicture() const = 0;
};

}  // namespace lookback::recorder
