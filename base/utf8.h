// base/utf8.h: text whose bytes are another's, as the UTF-8 that it should be.
//
// Invariant: what is no UTF-8 (Unicode 15 §3.9, table 3-7: surrogates and forms longer than needed
//            are none) is U+FFFD once for each piece that no character could begin with.
// Threads:   any.
// Errors:    none.
#pragma once

#include <string>
#include <string_view>

namespace lookback {

inline constexpr char32_t kReplacement = 0xFFFD;

// Takes one code point off `text`, which is not empty; kReplacement for bytes that are no UTF-8.
char32_t TakeCodePoint(std::string_view& text);

// As JSON answers have it: each piece that is no UTF-8 is U+FFFD.
std::string ValidUtf8(std::string_view text);

}  // namespace lookback
