// net/chunked_body.h: the body of a request that comes in chunks (RFC 9112 §7.1).
//
// Invariant: data counts only within its frame: each line end is CR and LF, and none is left out.
//            What stands beside the data has no effect: extensions and trailer fields are passed
//            over (RFC 9110 §6.5.1), and together are at most kMaxRequestHeaders.
// Threads:   values.
// Errors:    by refused(): the body ends where no other reader may take up the bytes.
#pragma once

#include <optional>
#include <string>

#include "base/bytes.h"
#include "net/http_message.h"

namespace lookback::net {

class ChunkedBody {
 public:
  // Takes bytes up to the end of the body, appends the data in them to `body`, and says how many
  // they were. `body` is the same at each call.
  size_t Feed(ByteSpan bytes, std::string& body);

  bool complete() const { return state_ == State::kDone; }
  const std::optional<Refusal>& refused() const { return refused_; }

 private:
  enum class State : uint8_t {
    kSize,
    kBehindSize,  // Spaces, which only an extension may follow.
    kExtension,
    kSizeLf,
    kData,
    kDataCr,
    kDataLf,
    kLine,  // The first byte of a line of the trailer, or of the empty one that ends it.
    kTrailer,
    kTrailerLf,
    kEndLf,
    kDone,
  };

  void Step(char c, size_t body_bytes);
  void OnSizeDigit(int digit, size_t body_bytes);
  void BehindSize(char c);
  void PassOver(char c, State end);
  void Expect(char c, char wanted, State next);
  void Refuse();

  State state_ = State::kSize;
  int digits_ = 0;          // Of the size, so far.
  size_t left_ = 0;         // Of the chunk's data; while its size is read, that size.
  size_t beside_data_ = 0;  // Bytes of extensions and of the trailer.
  std::optional<Refusal> refused_;
};

}  // namespace lookback::net
