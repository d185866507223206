// recorder/rtsp_message.h: RTSP messages and interleaved data, read from a stream of bytes and
// written to one (RFC 2326 §4-§7, §10.12; RFC 7826 agrees where cameras use it).
//
// Invariant: at most one message's head, or one interleaved frame, is held between two calls; all
//            else is handed on from the bytes given, without a copy.
// Threads:   one reader, one thread.
// Errors:    kCorrupt when the bytes are no RTSP or exceed a limit below; the reader is then done
//            with, for there is no telling where the next message begins. Safe on hostile bytes.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace lookback::recorder {

inline constexpr int kUnauthorized = 401;  // RFC 2326 §7.1.1.

inline constexpr size_t kMaxRtspLineBytes = 8 << 10;
inline constexpr size_t kMaxRtspHeadBytes = 32 << 10;
inline constexpr size_t kMaxRtspHeaders = 64;
inline constexpr size_t kMaxRtspBodyBytes = 64
                                            << 10;  // A description of two tracks has about 1 KiB.

struct RtspHeader {
  std::string name;  // As received; compare without regard to case.
  std::string value;
};

struct RtspMessage {
  std::vector<RtspHeader> headers;
  std::string body;

  // The first header of that name; empty when there is none.
  std::string_view Find(std::string_view name) const;
  std::vector<std::string_view> FindAll(std::string_view name) const;
};

struct RtspResponse : RtspMessage {
  int status = 0;
  std::string reason;

  // "404 Not Found", for people.
  std::string text() const;
};

struct RtspRequest : RtspMessage {
  std::string method;
};

// ASCII, as the protocol's names are compared.
bool EqualsIgnoringCase(std::string_view a, std::string_view b);
std::string_view TrimSpace(std::string_view text);
// Decimal digits only, at most `max`.
bool ParseDecimal(std::string_view text, uint64_t max, uint64_t& value);
// The value of `name` in "a;name=value;b"; empty when it has none.
std::string_view ParameterOf(std::string_view text, std::string_view name);
// "4-5", or "4" alone, which means 4 and 5: channels or ports.
bool ParsePair(std::string_view text, uint16_t max, uint16_t& first, uint16_t& second);

class RtspReader {
 public:
  class Sink {
   public:
    virtual ~Sink() = default;
    virtual void OnResponse(RtspResponse response) = 0;
    // A request of the server's: OPTIONS, REDIRECT, ANNOUNCE.
    virtual void OnRequest(RtspRequest request) = 0;
    virtual void OnInterleaved(uint8_t channel, ByteSpan payload) = 0;
  };

  Status Feed(ByteSpan bytes, Sink& sink);

  // Bytes held that wait for the rest.
  size_t held_bytes() const { return held_.size(); }

 private:
  Result<size_t> Consume(ByteSpan bytes, Sink& sink);
  Result<size_t> ConsumeMessage(ByteSpan bytes, Sink& sink);

  Bytes held_;
  size_t need_ = 0;  // How many bytes held_ must have before looking at it again is of use.
};

// "DESCRIBE rtsp://... RTSP/1.0" with CSeq and the headers given.
std::string WriteRtspRequest(std::string_view method, std::string_view url, uint32_t cseq,
                             const std::vector<RtspHeader>& headers);

}  // namespace lookback::recorder
