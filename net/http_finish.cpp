#include "net/http_finish.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "net/http_text.h"

namespace lookback::net {
namespace {

// Most of what can be gained, at a third of the time of the default.
constexpr int kCompressionLevel = 4;
constexpr int kGzipWindow = 15 + 16;  // 32 KiB, with gzip's head and tail (zlib.h).
constexpr int kHstsSeconds = 180 * 24 * 3600;

// A page of ours loads and asks what comes from here, and nothing else;
// no script stands in its text.
constexpr std::string_view kPagePolicy =
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

bool SameWord(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](unsigned char x, unsigned char y) {
    return std::tolower(x) == std::tolower(y);
  });
}

std::string* Find(HttpResponse& response, std::string_view name) {
  for (auto& [key, value] : response.headers) {
    if (SameWord(key, name)) return &value;
  }
  return nullptr;
}

void Add(HttpResponse& response, std::string_view name, std::string_view value) {
  if (Find(response, name) == nullptr) response.headers.emplace_back(name, value);
}

// Up to `mark`, which is taken off `rest` too.
std::string_view Next(std::string_view& rest, char mark) {
  const size_t end = rest.find(mark);
  const std::string_view part = Trim(rest.substr(0, end));
  rest = end == std::string_view::npos ? std::string_view() : rest.substr(end + 1);
  return part;
}

// "q=0.5" in thousandths; anything else counts as 1.
int Weight(std::string_view parameters) {
  while (!parameters.empty()) {
    std::string_view value = Next(parameters, ';');
    if (value.size() < 3 || !SameWord(value.substr(0, 2), "q=")) continue;
    value.remove_prefix(2);
    if (value.front() != '0') return 1000;
    int weight = 0;
    for (size_t i = 2; i < 5; ++i) {
      const char digit = i < value.size() ? value[i] : '0';
      if (digit < '0' || digit > '9') return 1000;
      weight = weight * 10 + (digit - '0');
    }
    return weight;
  }
  return 1000;
}

bool IsText(std::string_view content_type) {
  const std::string type = MediaType(content_type);
  if (type.starts_with("text/")) return true;
  constexpr std::array<std::string_view, 6> kTexts = {
      "application/json",     "application/problem+json",      "application/javascript",
      "application/x-ndjson", "application/vnd.apple.mpegurl", "image/svg+xml"};
  return std::find(kTexts.begin(), kTexts.end(), type) != kTexts.end();
}

bool Gzip(const std::string& plain, std::string& packed) {
  z_stream stream{};
  if (deflateInit2(&stream, kCompressionLevel, Z_DEFLATED, kGzipWindow, 8, Z_DEFAULT_STRATEGY) !=
      Z_OK) {
    return false;
  }
  packed.resize(deflateBound(&stream, plain.size()));
  // zlib reads `plain` alone; its type is older than const.
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(plain.data()));
  stream.avail_in = static_cast<uInt>(plain.size());
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = static_cast<uInt>(packed.size());
  const bool whole = deflate(&stream, Z_FINISH) == Z_STREAM_END;
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return whole && packed.size() < plain.size();
}

void Weaken(std::string* etag) {
  if (etag != nullptr && !etag->starts_with("W/")) etag->insert(0, "W/");
}

void AddVary(HttpResponse& response) {
  if (std::string* vary = Find(response, "vary")) {
    *vary += ", Accept-Encoding";
  } else {
    response.headers.emplace_back("Vary", "Accept-Encoding");
  }
}

void Compress(const HttpRequest& request, HttpResponse& response) {
  const std::string* type = Find(response, "content-type");
  const bool text = type != nullptr && IsText(*type);
  if (response.status == 304) {
    // The client says which of the two it has.
    std::string* etag = Find(response, "etag");
    const bool has_weak =
        etag != nullptr && request.List("if-none-match").find("W/" + *etag) != std::string::npos;
    if (has_weak) Weaken(etag);
    // As its 200 would (RFC 9110 §15.4.5).
    if (text) AddVary(response);
    return;
  }
  const bool fit = text && !response.stream && response.body.size() >= kMinCompressedBytes &&
                   response.status != 206 && Find(response, "content-encoding") == nullptr;
  if (!fit) return;
  AddVary(response);
  std::string packed;
  if (!AcceptsGzip(request.List("accept-encoding")) || !Gzip(response.body, packed)) return;
  Weaken(Find(response, "etag"));
  response.headers.emplace_back("Content-Encoding", "gzip");
  response.body = std::move(packed);
}

}  // namespace

bool AcceptsGzip(std::string_view accept_encoding) {
  int gzip = -1;
  int identity = -1;
  int any = -1;
  while (!accept_encoding.empty()) {
    std::string_view item = Next(accept_encoding, ',');
    const std::string_view coding = Next(item, ';');
    const int weight = Weight(item);
    if (SameWord(coding, "gzip") || SameWord(coding, "x-gzip")) gzip = weight;
    if (SameWord(coding, "identity")) identity = weight;
    if (coding == "*") any = weight;
  }
  if (gzip < 0) gzip = any;
  return gzip > 0 && gzip >= identity;
}

void AddStandingHeaders(HttpResponse& response, bool secure, const Clock* clock) {
  Add(response, "X-Content-Type-Options", "nosniff");
  Add(response, "Referrer-Policy", "no-referrer");
  Add(response, "X-Frame-Options", "DENY");
  const std::string* type = Find(response, "content-type");
  if (type != nullptr && type->starts_with("text/html")) {
    Add(response, "Content-Security-Policy", kPagePolicy);
  }
  if (secure) Add(response, "Strict-Transport-Security", fmt::format("max-age={}", kHstsSeconds));
  if (clock != nullptr) {
    const std::time_t now = clock->NowUs() / kUsPerSecond;
    Add(response, "Date", fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(now)));
  }
}

void FinishResponse(const HttpRequest& request, HttpResponse& response, const Clock* clock) {
  Compress(request, response);
  AddStandingHeaders(response, request.secure, clock);
}

}  // namespace lookback::net
