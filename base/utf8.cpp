#include "base/utf8.h"

namespace lookback {
namespace {

constexpr std::string_view kReplacementBytes = "\xEF\xBF\xBD";

// How the characters that begin with a byte go on: `more` bytes, of which the first is from `least`
// to `most` and the others from 0x80 to 0xBF (table 3-7).
struct Sequence {
  size_t more = 0;
  unsigned char least = 0x80;
  unsigned char most = 0xBF;
};

// `first` is not ASCII. Nothing more: no character begins so.
Sequence SequenceOf(unsigned char first) {
  if (first < 0xC2 || first > 0xF4) return {};
  if (first < 0xE0) return {1};
  if (first == 0xE0) return {2, 0xA0, 0xBF};
  if (first == 0xED) return {2, 0x80, 0x9F};
  if (first < 0xF0) return {2};
  if (first == 0xF0) return {3, 0x90, 0xBF};
  if (first == 0xF4) return {3, 0x80, 0x8F};
  return {3};
}

}  // namespace

char32_t TakeCodePoint(std::string_view& text) {
  const auto first = static_cast<unsigned char>(text[0]);
  text.remove_prefix(1);
  if (first < 0x80) return first;
  Sequence sequence = SequenceOf(first);
  if (sequence.more == 0) return kReplacement;
  char32_t point = first & (0x3Fu >> sequence.more);
  for (; sequence.more > 0; --sequence.more) {
    const auto next = static_cast<unsigned char>(text.empty() ? 0 : text[0]);
    if (next < sequence.least || next > sequence.most) return kReplacement;
    point = (point << 6) | (next & 0x3Fu);
    text.remove_prefix(1);
    sequence.least = 0x80;
    sequence.most = 0xBF;
  }
  return point;
}

std::string ValidUtf8(std::string_view text) {
  std::string valid;
  while (!text.empty()) {
    const std::string_view before = text;
    const bool whole = TakeCodePoint(text) != kReplacement;
    valid += whole ? before.substr(0, before.size() - text.size()) : kReplacementBytes;
  }
  return valid;
}

}  // namespace lookback
