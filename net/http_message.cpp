#include "net/http_message.h"

#include <fmt/format.h>
#include <http_parser.h>

#include <algorithm>
#include <mutex>

#include "net/chunked_body.h"
#include "net/http_target.h"
#include "net/http_text.h"

namespace lookback::net {
namespace {

constexpr size_t kMaxTargetBytes = 8 << 10;

}  // namespace

// The library reads the head alone: built as distributions build it, it lets line ends of chunks be
// anything, and takes fields behind a body for fields of the head.
struct HttpParser::State {
  http_parser parser;
  http_parser_settings settings;
  std::string target;
  std::string header_name;
  bool in_value = false;
  char last_of_head = '\0';
  HttpRequest request;
  std::optional<ChunkedBody> chunks;
  size_t left_bytes = 0;  // Of a body that does not come in chunks.
  bool started = false;
  bool head_complete = false;
  bool complete = false;
  bool wants_continue = false;
  bool keep_alive = false;
  bool http_1_0 = false;
  std::optional<Refusal> refused;

  State() {
    static std::once_flag once;
    std::call_once(once, [] { http_parser_set_max_header_size(kMaxRequestHeaders); });
    http_parser_init(&parser, HTTP_REQUEST);
    parser.data = this;
    http_parser_settings_init(&settings);
    settings.on_url = OnUrl;
    settings.on_header_field = OnHeaderField;
    settings.on_header_value = OnHeaderValue;
    settings.on_headers_complete = OnHeadersComplete;
    settings.on_message_complete = OnMessageComplete;
  }

  static State& Of(http_parser* parser) { return *static_cast<State*>(parser->data); }

  // What a callback returns then; -1, since 1 has a meaning of its own in on_headers_complete.
  int Refuse(int status, std::string_view type, std::string detail) {
    refused = Refusal{status, type, std::move(detail)};
    return -1;
  }

  static int OnUrl(http_parser* parser, const char* at, size_t length) {
    State& s = Of(parser);
    s.target.append(at, length);
    if (s.target.size() <= kMaxTargetBytes) return 0;
    return s.Refuse(414, "bad-request",
                    fmt::format("a request target has at most {} bytes", kMaxTargetBytes));
  }

  static int OnHeaderField(http_parser* parser, const char* at, size_t length) {
    State& s = Of(parser);
    if (s.in_value) {
      s.header_name.clear();
      s.in_value = false;
    }
    s.header_name.append(at, length);
    return 0;
  }

  // Called with a length of zero for an empty value, and again for each further piece.
  static int OnHeaderValue(http_parser* parser, const char* at, size_t length) {
    State& s = Of(parser);
    if (!s.in_value) {
      s.request.headers.emplace_back(Lower(s.header_name), std::string());
      s.in_value = true;
    }
    s.request.headers.back().second.append(at, length);
    return 0;
  }

  // 1: the library is to read no body.
  static int OnHeadersComplete(http_parser* parser) {
    State& s = Of(parser);
    s.refused = s.CheckHead();
    s.head_complete = !s.refused;
    return s.refused ? -1 : 1;
  }

  std::optional<Refusal> CheckHead() {
    if (parser.http_major != 1) {
      return Refusal{505, "bad-request", "this server speaks HTTP/1.1 and HTTP/1.0"};
    }
    http_1_0 = parser.http_minor == 0;
    for (auto& [name, value] : request.headers) {
      // The parser takes a space before the colon, which others read as another header.
      if (name.empty() || name.find(' ') != std::string::npos) {
        return Refusal{400, "bad-request", "a header's name has no space in it"};
      }
      value = std::string(Trim(value));
    }
    if (auto refusal = CheckFraming()) return refusal;
    if (auto refusal = CheckHost(request, /*needed=*/!http_1_0)) return refusal;
    if (auto refusal = TakeAuthority(target, request)) return refusal;
    if (auto refusal = ParseTarget(target, request)) return refusal;
    wants_continue = !http_1_0 && Lower(request.Header("expect")) == "100-continue";
    request.method = http_method_str(static_cast<http_method>(parser.method));
    // HTTP/1.0 has no chunks: who passed these on may see their end elsewhere (RFC 9112 §6.1).
    keep_alive = http_should_keep_alive(&parser) != 0 && !(http_1_0 && chunks);
    // At once: growing it would hold up to twice as much, and pages that stay empty cost nothing.
    request.body.reserve(left_bytes);
    return std::nullopt;
  }

  std::optional<Refusal> CheckFraming() {
    const auto count = [this](std::string_view name) {
      return std::count_if(request.headers.begin(), request.headers.end(),
                           [&](const auto& header) { return header.first == name; });
    };
    const auto lengths = count("content-length");
    const auto encodings = count("transfer-encoding");
    if (lengths + encodings > 1) {
      return Refusal{400, "bad-request",
                     "Content-Length and Transfer-Encoding may stand once, and not both"};
    }
    if (encodings == 1) {
      if (Lower(request.Header("transfer-encoding")) != "chunked") {
        return Refusal{501, "bad-request", "the only Transfer-Encoding known here is \"chunked\""};
      }
      chunks.emplace();
    }
    if (lengths == 1) {
      if (parser.content_length > kMaxRequestBody) return BodyTooLarge();
      left_bytes = static_cast<size_t>(parser.content_length);
    }
    return std::nullopt;
  }

  static int OnMessageComplete(http_parser* parser) {
    http_parser_pause(parser, 1);
    return 0;
  }

  // How many bytes stand before the first fault that the library lets pass in a head: a CR that is
  // not half of a line's end, or a line that goes on in the next one (RFC 9112 §2.2 and §5.2).
  size_t WellFormed(std::string_view bytes) const {
    char last = last_of_head;
    for (size_t at = 0; at < bytes.size(); last = bytes[at++]) {
      const char c = bytes[at];
      if (last == '\r' && c != '\n') return at;
      if (last == '\n' && (c == ' ' || c == '\t')) return at;
    }
    return bytes.size();
  }

  size_t FeedHead(std::string_view bytes) {
    const size_t good = WellFormed(bytes);
    // None at all would be the end of the input to the library.
    const size_t used = good == 0 ? 0 : http_parser_execute(&parser, &settings, bytes.data(), good);
    if (used > 0) last_of_head = bytes[used - 1];
    if (head_complete || refused) return used;
    const http_errno error = HTTP_PARSER_ERRNO(&parser);
    if (error == HPE_HEADER_OVERFLOW) {
      refused = HeadersTooLarge();
    } else if (error != HPE_OK) {
      Refuse(400, "bad-request",
             fmt::format("not a request of HTTP/1.1: {}", http_errno_description(error)));
    } else if (good < bytes.size()) {
      Refuse(400, "bad-request", "a line of a head ends in CRLF, and its field with it");
    }
    return used;
  }

  size_t FeedBody(ByteSpan bytes) {
    if (chunks) {
      const size_t used = chunks->Feed(bytes, request.body);
      refused = chunks->refused();
      complete = chunks->complete();
      return used;
    }
    const size_t used = std::min(left_bytes, bytes.size());
    request.body.append(AsText(bytes.first(used)));
    left_bytes -= used;
    complete = left_bytes == 0;
    return used;
  }
};

HttpParser::HttpParser() : state_(std::make_unique<State>()) {}
HttpParser::~HttpParser() = default;

size_t HttpParser::Feed(ByteSpan bytes) {
  State& s = *state_;
  if (s.complete || s.refused || bytes.empty()) return 0;
  s.started = true;
  size_t used = s.head_complete ? 0 : s.FeedHead(AsText(bytes));
  if (s.head_complete) used += s.FeedBody(bytes.subspan(used));
  return used;
}

bool HttpParser::started() const { return state_->started; }
bool HttpParser::head_complete() const { return state_->head_complete; }
size_t HttpParser::body_bytes() const { return state_->request.body.size(); }
bool HttpParser::complete() const { return state_->complete; }
bool HttpParser::wants_continue() const {
  return state_->wants_continue && !state_->complete && !state_->refused;
}
std::optional<Refusal> HttpParser::refused() const { return state_->refused; }
bool HttpParser::keep_alive() const { return state_->keep_alive; }
bool HttpParser::http_1_0() const { return state_->http_1_0; }

HttpRequest HttpParser::TakeRequest() {
  HttpRequest request = std::move(state_->request);
  const bool keep_alive = state_->keep_alive;
  const bool http_1_0 = state_->http_1_0;
  state_ = std::make_unique<State>();
  state_->keep_alive = keep_alive;
  state_->http_1_0 = http_1_0;
  return request;
}

std::string HeaderValue(std::string_view value) {
  std::string clean;
  std::copy_if(value.begin(), value.end(), std::back_inserter(clean),
               [](char c) { return !IsControl(c); });
  return clean;
}

bool IsBodiless(int status) { return status == 204 || status == 304; }

std::string FormatHead(const HttpResponse& response, Framing framing, int64_t length, bool keep) {
  std::string head =
      fmt::format("HTTP/1.1 {} {}\r\n", response.status, StatusText(response.status));
  for (const auto& [name, value] : response.headers) {
    head += name;
    head += ": " + HeaderValue(value) + "\r\n";
  }
  if (framing == Framing::kChunked) head += "Transfer-Encoding: chunked\r\n";
  if (framing == Framing::kLength && !IsBodiless(response.status))
    head += fmt::format("Content-Length: {}\r\n", length);
  head += keep ? "Connection: keep-alive\r\n\r\n" : "Connection: close\r\n\r\n";
  return head;
}

HttpResponse ProblemResponse(const Refusal& refusal) {
  // Details are our own sentences; the parser's descriptions hold no quotes.
  HttpResponse response;
  response.status = refusal.status;
  response.headers = {{"Content-Type", "application/problem+json"}};
  if (refusal.status == 503) response.headers.emplace_back("Retry-After", "1");
  std::string detail;
  for (const char c : refusal.detail) {
    if (c == '"' || c == '\\') detail += '\\';
    detail += c;
  }
  response.body =
      fmt::format(R"({{"type": "/problems/{}", "title": "{}", "status": {}, "detail": "{}"}})",
                  refusal.type, StatusText(refusal.status), refusal.status, detail);
  return response;
}

Refusal TooManyRequests() {
  return {503, "busy", "the server is stopping or has too many requests"};
}

Refusal TooManyBodies() {
  return {503, "busy", "too many large requests are on their way at once"};
}

Refusal BodyTooLarge() {
  return {413, "body-too-large",
          fmt::format("a request body has at most {} bytes", kMaxRequestBody)};
}

Refusal HeadersTooLarge() {
  return {431, "headers-too-large",
          fmt::format("request line and headers have at most {} bytes", kMaxRequestHeaders)};
}

Refusal TooSlow(const HttpLimits& limits) {
  return {408, "too-slow",
          fmt::format("a request's head has to come within {} s, and its body {} s after that",
                      limits.head_ms / 1000, limits.body_ms / 1000)};
}

std::string_view StatusText(int status) {
  switch (status) {
#define LB_STATUS(number, name, text) \
  case number:                        \
    return #text;
    HTTP_STATUS_MAP(LB_STATUS)
#undef LB_STATUS
    default:
      return "Unknown";
  }
}

std::string_view HttpRequest::Header(std::string_view lower_name) const {
  for (const auto& [name, value] : headers) {
    if (name == lower_name) return value;
  }
  return {};
}

std::string HttpRequest::List(std::string_view lower_name) const {
  std::string list;
  for (const auto& [name, value] : headers) {
    if (name != lower_name || value.empty()) continue;
    if (!list.empty()) list += ", ";
    list += value;
  }
  return list;
}

const std::string* HttpRequest::Query(std::string_view name) const {
  for (const auto& [key, value] : query) {
    if (key == name) return &value;
  }
  return nullptr;
}

}  // namespace lookback::net
