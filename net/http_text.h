// net/http_text.h: characters and words of HTTP, which other parts of it are read by.
//
// Invariant: ASCII alone is changed or compared; other bytes pass as they are.
// Threads:   any.
// Errors:    none but what a function's comment says.
#pragma once

#include <string>
#include <string_view>

namespace lookback::net {

// The value of a hexadecimal digit, or -1.
int HexValue(char c);

bool IsControl(char c);

// In lower case, as names of header fields are compared.
std::string Lower(std::string_view text);

// Without the spaces and tabs around it (RFC 9110 §5.6.3).
std::string_view Trim(std::string_view text);

// Type and subtype of a Content-Type in lower case, without its parameters (RFC 9110 §8.3.1).
std::string MediaType(std::string_view content_type);

// Undoes percent-encoding; false on a bad escape. A "+" stays one.
bool PercentDecode(std::string_view text, std::string& out);

}  // namespace lookback::net
