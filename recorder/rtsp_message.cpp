#include "recorder/rtsp_message.h"

#include <algorithm>

namespace lookback::recorder {
namespace {

constexpr uint8_t kInterleavedMark = '$';
constexpr size_t kInterleavedHeadBytes = 4;
constexpr size_t kNotYet = 0;

char Lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

auto Corrupt(const std::string& what) { return Fail(Code::kCorrupt, "RTSP: " + what); }

// One head, cut into its lines; a line that begins with a space goes on with the one before.
struct Head {
  std::string_view start_line;
  std::vector<RtspHeader> headers;
  size_t bytes = 0;  // With the empty line; 0: not all there.
};

// Cuts the next line off `text`; false when its end is not there.
bool NextLine(std::string_view text, size_t& position, std::string_view& line) {
  const size_t end = text.find('\n', position);
  if (end == std::string_view::npos) return false;
  line = text.substr(position, end - position);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  position = end + 1;
  return true;
}

Status AddHeader(std::string_view line, std::vector<RtspHeader>& headers) {
  if ((line[0] == ' ' || line[0] == '\t') && !headers.empty()) {
    headers.back().value += ' ';
    headers.back().value += TrimSpace(line);
    return Ok();
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    return Corrupt("a header line has no name and colon");
  }
  if (headers.size() == kMaxRtspHeaders) return Corrupt("more than 64 headers");
  headers.push_back({std::string(TrimSpace(line.substr(0, colon))),
                     std::string(TrimSpace(line.substr(colon + 1)))});
  return Ok();
}

Result<Head> ParseHead(std::string_view text) {
  Head head;
  size_t position = 0;
  std::string_view line;
  while (NextLine(text, position, line)) {
    if (line.size() > kMaxRtspLineBytes) return Corrupt("a line is longer than 8 KiB");
    if (position > kMaxRtspHeadBytes) return Corrupt("a head is longer than 32 KiB");
    if (head.start_line.empty()) {
      if (line.empty()) return Corrupt("a message begins with an empty line");
      head.start_line = line;
    } else if (line.empty()) {
      head.bytes = position;
      return head;
    } else {
      LB_TRY(AddHeader(line, head.headers));
    }
  }
  if (text.size() - position > kMaxRtspLineBytes) return Corrupt("a line is longer than 8 KiB");
  if (text.size() > kMaxRtspHeadBytes) return Corrupt("a head is longer than 32 KiB");
  return head;
}

// RTSP/1.0 401 Unauthorized
bool ParseStatusLine(std::string_view line, RtspResponse& response) {
  constexpr std::string_view kVersion = "RTSP/";
  const size_t space = line.find(' ');
  if (!EqualsIgnoringCase(line.substr(0, kVersion.size()), kVersion) ||
      space == std::string_view::npos) {
    return false;
  }
  const std::string_view rest = TrimSpace(line.substr(space));
  uint64_t status = 0;
  if (!ParseDecimal(rest.substr(0, 3), 999, status) || status < 100) return false;
  response.status = static_cast<int>(status);
  response.reason = TrimSpace(rest.substr(3));
  return true;
}

Result<size_t> BodyBytes(const std::vector<RtspHeader>& headers) {
  std::string_view found;
  for (const RtspHeader& header : headers) {
    if (!EqualsIgnoringCase(header.name, "Content-Length")) continue;
    if (!found.empty() && found != header.value) return Corrupt("two Content-Lengths");
    found = header.value;
  }
  uint64_t bytes = 0;
  if (!found.empty() && !ParseDecimal(found, kMaxRtspBodyBytes, bytes)) {
    return Corrupt("a Content-Length that is no number up to 65536");
  }
  return static_cast<size_t>(bytes);
}

// Whether `text` may be the beginning of a message: "RTSP/1.0 ..." or "METHOD ...".
bool MayBeMessage(std::string_view text) {
  const auto is_method = [](char c) { return (c >= 'A' && c <= 'Z') || c == '_'; };
  return is_method(text[0]) || Lower(text[0]) == 'r';
}

}  // namespace

std::string_view RtspMessage::Find(std::string_view name) const {
  for (const RtspHeader& header : headers) {
    if (EqualsIgnoringCase(header.name, name)) return header.value;
  }
  return {};
}

std::vector<std::string_view> RtspMessage::FindAll(std::string_view name) const {
  std::vector<std::string_view> found;
  for (const RtspHeader& header : headers) {
    if (EqualsIgnoringCase(header.name, name)) found.push_back(header.value);
  }
  return found;
}

std::string RtspResponse::text() const {
  constexpr size_t kMaxReasonBytes = 100;
  return std::to_string(status) + " " + reason.substr(0, kMaxReasonBytes);
}

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return Lower(x) == Lower(y); });
}

std::string_view TrimSpace(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool ParseDecimal(std::string_view text, uint64_t max, uint64_t& value) {
  if (text.empty()) return false;
  uint64_t sum = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    const auto digit = static_cast<uint64_t>(c - '0');
    if (sum > (max - digit) / 10 || digit > max) return false;
    sum = sum * 10 + digit;
  }
  value = sum;
  return true;
}

std::string_view ParameterOf(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const size_t end = text.find(';');
    const std::string_view piece = TrimSpace(text.substr(0, end));
    const size_t equals = piece.find('=');
    if (equals != std::string_view::npos &&
        EqualsIgnoringCase(TrimSpace(piece.substr(0, equals)), name)) {
      return TrimSpace(piece.substr(equals + 1));
    }
    if (end == std::string_view::npos) break;
    text.remove_prefix(end + 1);
  }
  return {};
}

bool ParsePair(std::string_view text, uint16_t max, uint16_t& first, uint16_t& second) {
  const size_t dash = text.find('-');
  uint64_t one = 0;
  uint64_t two = 0;
  if (!ParseDecimal(TrimSpace(text.substr(0, dash)), max, one)) return false;
  const bool both =
      dash != std::string_view::npos && ParseDecimal(TrimSpace(text.substr(dash + 1)), max, two);
  first = static_cast<uint16_t>(one);
  second = static_cast<uint16_t>(both ? two : std::min<uint64_t>(one + 1, max));
  return true;
}

Status RtspReader::Feed(ByteSpan bytes, Sink& sink) {
  // What was held is completed with as few bytes as it needs, so that the rest is not copied.
  while (!held_.empty() && !bytes.empty()) {
    const size_t want = need_ > held_.size() ? need_ - held_.size() : 1;
    size_t take = std::min(want, bytes.size());
    if (held_[0] != kInterleavedMark && need_ == 0) {
      // A head ends with a line, and its length is not known before.
      const auto line_end = std::find(bytes.begin(), bytes.end(), '\n');
      take = static_cast<size_t>(line_end - bytes.begin()) + (line_end == bytes.end() ? 0 : 1);
    }
    held_.insert(held_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(take));
    bytes = bytes.subspan(take);
    if (held_.size() < need_) return Ok();
    LB_TRY_ASSIGN(used, Consume(held_, sink));
    if (used != kNotYet) {
      LB_CHECK(used == held_.size());
      held_.clear();
      need_ = 0;
    }
  }
  while (!bytes.empty()) {
    LB_TRY_ASSIGN(used, Consume(bytes, sink));
    if (used == kNotYet) break;
    bytes = bytes.subspan(used);
    need_ = 0;
  }
  if (held_.empty()) held_.assign(bytes.begin(), bytes.end());
  return Ok();
}

// Takes one frame, message or stray line end off the front; kNotYet, with need_ set where it is
// known, when it is not all there.
Result<size_t> RtspReader::Consume(ByteSpan bytes, Sink& sink) {
  if (bytes[0] == '\r' || bytes[0] == '\n') return size_t{1};  // Some cameras add an empty line.
  if (bytes[0] != kInterleavedMark) return ConsumeMessage(bytes, sink);
  need_ = kInterleavedHeadBytes;
  if (bytes.size() < need_) return kNotYet;
  const size_t length = size_t{bytes[2]} << 8 | bytes[3];
  need_ = kInterleavedHeadBytes + length;
  if (bytes.size() < need_) return kNotYet;
  sink.OnInterleaved(bytes[1], bytes.subspan(kInterleavedHeadBytes, length));
  return need_;
}

Result<size_t> RtspReader::ConsumeMessage(ByteSpan bytes, Sink& sink) {
  const std::string_view text = AsText(bytes);
  if (!MayBeMessage(text)) return Corrupt("bytes that begin neither a message nor a frame");
  need_ = 0;
  LB_TRY_ASSIGN(head, ParseHead(text));
  if (head.bytes == 0) return kNotYet;
  LB_TRY_ASSIGN(body, BodyBytes(head.headers));
  need_ = head.bytes + body;
  if (bytes.size() < need_) return kNotYet;

  RtspResponse response;
  if (ParseStatusLine(head.start_line, response)) {
    response.headers = std::move(head.headers);
    response.body = text.substr(head.bytes, body);
    sink.OnResponse(std::move(response));
    return need_;
  }
  const size_t space = head.start_line.find(' ');
  if (space == std::string_view::npos || head.start_line.find(" RTSP/") == std::string_view::npos) {
    return Corrupt("a start line that is neither a status nor a request");
  }
  RtspRequest request;
  request.method = head.start_line.substr(0, space);
  request.headers = std::move(head.headers);
  request.body = text.substr(head.bytes, body);
  sink.OnRequest(std::move(request));
  return need_;
}

std::string WriteRtspRequest(std::string_view method, std::string_view url, uint32_t cseq,
                             const std::vector<RtspHeader>& headers) {
  std::string out;
  out.append(method).append(" ").append(url).append(" RTSP/1.0\r\n");
  out.append("CSeq: ").append(std::to_string(cseq)).append("\r\n");
  for (const RtspHeader& header : headers) {
    out.append(header.name).append(": ").append(header.value).append("\r\n");
  }
  return out.append("\r\n");
}

}  // namespace lookback::recorder
