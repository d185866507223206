#include "net/chunked_body.h"

#include <algorithm>

#include "net/http_text.h"

namespace lookback::net {
namespace {

constexpr int kMaxSizeDigits = 16;  // Zeros in front count.

}  // namespace

size_t ChunkedBody::Feed(ByteSpan bytes, std::string& body) {
  size_t at = 0;
  while (at < bytes.size() && !complete() && !refused_) {
    if (state_ == State::kData) {
      const size_t count = std::min(left_, bytes.size() - at);
      body.append(AsText(bytes.subspan(at, count)));
      at += count;
      left_ -= count;
      if (left_ == 0) state_ = State::kDataCr;
    } else {
      Step(static_cast<char>(bytes[at++]), body.size());
    }
  }
  return at;
}

void ChunkedBody::Step(char c, size_t body_bytes) {
  switch (state_) {
    case State::kSize:
      if (const int digit = HexValue(c); digit >= 0) return OnSizeDigit(digit, body_bytes);
      if (digits_ == 0) return Refuse();
      return BehindSize(c);
    case State::kBehindSize:
      return BehindSize(c);
    case State::kExtension:
      return PassOver(c, State::kSizeLf);
    case State::kSizeLf:
      return Expect(c, '\n', left_ > 0 ? State::kData : State::kLine);
    case State::kDataCr:
      return Expect(c, '\r', State::kDataLf);
    case State::kDataLf:
      digits_ = 0;
      return Expect(c, '\n', State::kSize);
    case State::kLine:
      state_ = State::kTrailer;
      return PassOver(c, State::kEndLf);
    case State::kTrailer:
      return PassOver(c, State::kTrailerLf);
    case State::kTrailerLf:
      return Expect(c, '\n', State::kLine);
    case State::kEndLf:
      return Expect(c, '\n', State::kDone);
    case State::kData:
    case State::kDone:
      LB_CHECK(false);
  }
}

void ChunkedBody::OnSizeDigit(int digit, size_t body_bytes) {
  if (++digits_ > kMaxSizeDigits) return Refuse();
  // Within the limit before each digit, so this cannot overflow.
  left_ = left_ * 16 + static_cast<size_t>(digit);
  if (left_ > kMaxRequestBody - body_bytes) refused_ = BodyTooLarge();
}

void ChunkedBody::BehindSize(char c) {
  if (c == ';') {
    state_ = State::kExtension;
  } else if (c == ' ' || c == '\t') {
    state_ = State::kBehindSize;
  } else {
    return Expect(c, '\r', State::kSizeLf);
  }
  PassOver(c, State::kSizeLf);
}

// One byte of a line that has no effect; `end` is what its CR leads to.
void ChunkedBody::PassOver(char c, State end) {
  if (c == '\r') {
    state_ = end;
  } else if (IsControl(c) && c != '\t') {
    Refuse();
  } else if (++beside_data_ > kMaxRequestHeaders) {
    refused_ = HeadersTooLarge();
  }
}

void ChunkedBody::Expect(char c, char wanted, State next) {
  if (c != wanted) return Refuse();
  state_ = next;
}

void ChunkedBody::Refuse() {
  refused_ = Refusal{400, "bad-request", "a chunked body is a size, CRLF, data, CRLF, to the end"};
}

}  // namespace lookback::net
