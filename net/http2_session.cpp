#include "net/http2_session.h"

#include <fmt/format.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "net/http_target.h"
#include "net/http_text.h"

namespace lookback::net {
namespace {

constexpr size_t kMinOutBytes = 16 << 10;
constexpr size_t kMaxOutBytes = 96 << 10;   // Framed and not yet with the kernel.
constexpr int32_t kWindowBytes = 1 << 20;   // Of request bodies, a stream and a connection.
constexpr size_t kFieldOverheadBytes = 32;  // RFC 9113 §6.5.2.
constexpr size_t kFewStreams = 4;           // So many may have large pieces.

std::string_view Text(const uint8_t* bytes, size_t count) {
  return {reinterpret_cast<const char*>(bytes), count};
}

// HTTP/2 has these in its frames (RFC 9113 §8.2.2).
bool IsOfTheConnection(std::string_view lower_name) {
  return lower_name == "connection" || lower_name == "transfer-encoding" ||
         lower_name == "keep-alive" || lower_name == "upgrade";
}

// libnghttp2's view of a field; it copies what it is given.
nghttp2_nv Field(const std::string& name, const std::string& value) {
  const auto bytes = [](const std::string& text) {
    return reinterpret_cast<uint8_t*>(const_cast<char*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

}  // namespace

struct Http2Session::Exchange {
  enum class Phase : uint8_t { kHead, kBody, kHandling, kSending };

  HttpShared& shared;
  const int32_t id;
  Phase phase = Phase::kHead;
  HttpRequest request;
  std::string target;
  size_t head_bytes = 0;
  bool too_large = false;  // The head is.
  bool whole = false;      // The client has said all.
  bool counted = false;    // As one of the requests in hand.
  std::shared_ptr<HttpResponse> response;
  std::shared_ptr<Bytes> piece;  // Bytes from `at` to `filled` of it are to be sent.
  size_t at = 0;
  size_t filled = 0;
  bool reading = false;     // A worker fills the piece.
  bool ended = false;       // The source has.
  bool deferred = false;    // libnghttp2 awaits ResumeData.
  int64_t left_bytes = -1;  // Of the promised length; -1: unknown.
  uint64_t since_ms;        // Of the phase, or of the last bytes taken.

  Exchange(HttpShared& all, int32_t stream, uint64_t now_ms)
      : shared(all), id(stream), since_ms(now_ms) {}
  ~Exchange() {
    DropBody();
    if (counted) --shared.requests;
  }
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  bool receiving() const { return phase == Phase::kHead || phase == Phase::kBody; }
  void DropBody() {
    if (receiving()) shared.body_bytes -= request.body.size();
    request.body.clear();
  }
};

struct Http2Session::Callbacks {
  static Http2Session& Of(void* user) { return *static_cast<Http2Session*>(user); }

  static int OnBeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Session& self = Of(user);
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST) return 0;
    const int32_t id = frame->hd.stream_id;
    self.exchanges_.emplace(
        id, std::make_unique<Exchange>(self.shared_, id, self.connection_.now_ms()));
    return 0;
  }

  static int OnHeader(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name,
                      size_t name_bytes, const uint8_t* value, size_t value_bytes, uint8_t,
                      void* user) {
    Exchange* exchange = Of(user).Find(frame->hd.stream_id);
    // Fields behind a body are of no use here.
    if (exchange != nullptr && exchange->phase == Exchange::Phase::kHead) {
      Of(user).OnHeader(*exchange, Text(name, name_bytes), Text(value, value_bytes));
    }
    return 0;
  }

  static int OnFrame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Session& self = Of(user);
    const bool end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    switch (frame->hd.type) {
      case NGHTTP2_HEADERS:
      case NGHTTP2_DATA:
        if (Exchange* exchange = self.Find(frame->hd.stream_id)) {
          if (exchange->phase == Exchange::Phase::kHead) {
            self.OnHeadDone(*exchange, end);
          } else if (end) {
            exchange->whole = true;
            if (exchange->phase == Exchange::Phase::kBody) self.Handle(*exchange);
          }
        }
        break;
      case NGHTTP2_RST_STREAM:
      case NGHTTP2_PING:
      case NGHTTP2_SETTINGS:
      case NGHTTP2_PRIORITY:
        self.OnChatter();
        break;
      default:
        break;
    }
    return 0;
  }

  static int OnData(nghttp2_session*, uint8_t, int32_t id, const uint8_t* bytes, size_t count,
                    void* user) {
    if (Exchange* exchange = Of(user).Find(id)) Of(user).OnBody(*exchange, Text(bytes, count));
    return 0;
  }

  static int OnClose(nghttp2_session*, int32_t id, uint32_t, void* user) {
    Http2Session& self = Of(user);
    self.exchanges_.erase(id);
    self.connection_.OnRequestAnswered();
    self.idle_since_ms_ = self.connection_.now_ms();
    return 0;
  }

  static int OnSent(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    Http2Session& self = Of(user);
    const int32_t id = frame->hd.stream_id;
    // A client that makes us reset streams floods as one that resets them itself.
    if (frame->hd.type == NGHTTP2_RST_STREAM && frame->rst_stream.error_code != NGHTTP2_NO_ERROR) {
      self.OnChatter();
    }
    const bool answered = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 &&
                          (frame->hd.type == NGHTTP2_DATA || frame->hd.type == NGHTTP2_HEADERS);
    const Exchange* exchange = answered ? self.Find(id) : nullptr;
    // Whatever else of the request comes is not wanted (RFC 9113 §8.1).
    if (exchange != nullptr && !exchange->whole) self.Reset(id, NGHTTP2_NO_ERROR);
    return 0;
  }

  static ssize_t Read(nghttp2_session*, int32_t id, uint8_t* into, size_t count, uint32_t* flags,
                      nghttp2_data_source*, void* user) {
    Exchange* exchange = Of(user).Find(id);
    if (exchange == nullptr) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    return Of(user).Take(*exchange, {into, count}, *flags);
  }

  static nghttp2_session* MakeSession(Http2Session* self) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_option* options = nullptr;
    nghttp2_session* session = nullptr;
    LB_CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, OnBeginHeaders);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, OnHeader);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, OnFrame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, OnData);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, OnClose);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, OnSent);
    LB_CHECK(nghttp2_option_new(&options) == 0);
    nghttp2_option_set_no_closed_streams(options, 1);  // Nothing is kept of a stream that ended.
    LB_CHECK(nghttp2_session_server_new2(&session, callbacks, self, options) == 0);
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
    return session;
  }
};

Http2Session::Http2Session(HttpConnection& connection)
    : connection_(connection),
      shared_(connection.shared()),
      session_(Callbacks::MakeSession(this)),
      chatter_ms_(connection.now_ms()),
      progress_ms_(connection.now_ms()),
      idle_since_ms_(connection.now_ms()) {
  const std::array<nghttp2_settings_entry, 3> settings = {{
      {NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kMaxStreams},
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, kWindowBytes},
      {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, kMaxRequestHeaders},
  }};
  LB_CHECK(nghttp2_submit_settings(session_, 0, settings.data(), settings.size()) == 0);
  LB_CHECK(nghttp2_session_set_local_window_size(session_, 0, 0, kWindowBytes) == 0);
}

Http2Session::~Http2Session() { nghttp2_session_del(session_); }

Http2Session::Exchange* Http2Session::Find(int32_t id) {
  const auto found = exchanges_.find(id);
  return found == exchanges_.end() ? nullptr : found->second.get();
}

bool Http2Session::busy() const {
  return std::any_of(exchanges_.begin(), exchanges_.end(),
                     [](const auto& entry) { return !entry.second->receiving(); });
}

void Http2Session::OnBytes(ByteSpan bytes) {
  if (leaving_) return;
  const ssize_t used = nghttp2_session_mem_recv(session_, bytes.data(), bytes.size());
  // What is wrong within the protocol has been answered with GOAWAY; this is no HTTP/2, or a flood.
  if (used < 0 && !leaving_) Leave(NGHTTP2_PROTOCOL_ERROR);
  Pump();
}

void Http2Session::OnEndOfInput() {
  if (exchanges_.empty()) return connection_.Close();
  Drain();  // Those in hand may still be read.
}

void Http2Session::Drain() {
  if (leaving_) return;
  draining_ = true;
  if (exchanges_.empty()) {
    Leave(NGHTTP2_NO_ERROR);
  } else {
    nghttp2_submit_goaway(session_, 0, nghttp2_session_get_last_proc_stream_id(session_),
                          NGHTTP2_NO_ERROR, nullptr, 0);
  }
  Pump();
}

void Http2Session::Leave(uint32_t code) {
  leaving_ = true;
  nghttp2_session_terminate_session(session_, code);
}

void Http2Session::OnChatter() {
  const uint64_t now_ms = connection_.now_ms();
  const double gone_s = static_cast<double>(now_ms - std::exchange(chatter_ms_, now_ms)) / 1000;
  chatter_ = std::max(0.0, chatter_ - gone_s * kChatterPerSecond) + 1;
  if (chatter_ <= kMaxChatter || leaving_) return;
  LogWarning("http", fmt::format("{} is sent away: it resets, pings or sets more than it asks",
                                 connection_.client()));
  Leave(NGHTTP2_ENHANCE_YOUR_CALM);
}

void Http2Session::Reset(int32_t id, uint32_t code) {
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, code);
}

void Http2Session::CheckDeadline(uint64_t now_ms) {
  const HttpLimits& limits = shared_.options.limits;
  const auto past = [now_ms](uint64_t since_ms, int limit_ms) {
    return now_ms >= since_ms + static_cast<uint64_t>(limit_ms);
  };
  if (!writing_ || connection_.Moved()) progress_ms_ = now_ms;
  if (past(progress_ms_, limits.stall_ms)) return connection_.Close();
  if (exchanges_.empty()) {
    if (!leaving_ && past(idle_since_ms_, limits.idle_ms)) Leave(NGHTTP2_NO_ERROR);
    return Pump();
  }
  for (const auto& [id, exchange] : exchanges_) {
    if (exchange->phase == Exchange::Phase::kHead) {
      // Whatever follows would still be of this head.
      if (past(exchange->since_ms, limits.head_ms)) return connection_.Close();
    } else if (exchange->phase == Exchange::Phase::kBody) {
      if (past(exchange->since_ms, limits.body_ms)) Refuse(*exchange, TooSlow(limits));
    } else if (exchange->phase == Exchange::Phase::kSending) {
      // While the connection itself is full, or a worker reads, it is not the stream that waits.
      if (writing_ || exchange->reading) exchange->since_ms = now_ms;
      if (past(exchange->since_ms, limits.stall_ms)) Reset(id, NGHTTP2_CANCEL);
    }
  }
  Pump();
}

void Http2Session::OnHeader(Exchange& exchange, std::string_view name, std::string_view value) {
  exchange.head_bytes += name.size() + value.size() + kFieldOverheadBytes;
  if (exchange.head_bytes > kMaxRequestHeaders) {
    exchange.too_large = true;
    exchange.request.headers.clear();
    return;
  }
  HttpRequest& request = exchange.request;
  if (name == ":method") {
    request.method = value;
  } else if (name == ":path") {
    exchange.target = value;
  } else if (name == ":authority") {
    request.headers.emplace_back("host", value);
  } else if (name.starts_with(":")) {
    return;
  } else if (const auto cookie = request.Header("cookie"); name == "cookie" && !cookie.empty()) {
    // HTTP/2 may cut it into crumbs (RFC 9113 §8.2.3).
    for (auto& [key, whole] : request.headers) {
      if (key == "cookie") whole.append("; ").append(value);
    }
  } else {
    request.headers.emplace_back(name, value);
  }
}

void Http2Session::OnHeadDone(Exchange& exchange, bool whole) {
  exchange.phase = Exchange::Phase::kBody;
  exchange.since_ms = connection_.now_ms();
  exchange.whole = whole;
  HttpRequest& request = exchange.request;
  if (exchange.too_large) return Refuse(exchange, HeadersTooLarge());
  if (auto refusal = ParseTarget(exchange.target, request)) return Refuse(exchange, *refusal);
  request.client = connection_.client();
  request.secure = connection_.secure();
  if (whole) return Handle(exchange);
  if (Lower(request.Header("expect")) == "100-continue") {
    const std::string name = ":status";
    const std::string value = "100";
    const nghttp2_nv field = Field(name, value);
    nghttp2_submit_headers(session_, NGHTTP2_FLAG_NONE, exchange.id, nullptr, &field, 1, nullptr);
  }
}

void Http2Session::OnBody(Exchange& exchange, std::string_view bytes) {
  if (exchange.phase != Exchange::Phase::kBody) return;  // It is refused already.
  if (exchange.request.body.size() + bytes.size() > kMaxRequestBody) {
    return Refuse(exchange, BodyTooLarge());
  }
  exchange.request.body.append(bytes);
  shared_.body_bytes += bytes.size();
  if (shared_.body_bytes > shared_.options.limits.body_bytes) Refuse(exchange, TooManyBodies());
}

void Http2Session::Handle(Exchange& exchange) {
  if (running_ >= kMaxStreams) return Reset(exchange.id, NGHTTP2_REFUSED_STREAM);
  if (shared_.requests >= shared_.options.limits.requests) {
    return Refuse(exchange, TooManyRequests());
  }
  auto request = std::make_shared<HttpRequest>(std::move(exchange.request));
  shared_.body_bytes -= request->body.size();
  exchange.request = {};
  exchange.request.method = request->method;
  exchange.phase = Exchange::Phase::kHandling;
  ++shared_.requests;
  exchange.counted = true;
  using Made = std::shared_ptr<HttpResponse>;
  const std::function<Made()> work = [shared = &shared_, request] {
    return std::make_shared<HttpResponse>(shared->Respond(*request));
  };
  const bool taken = connection_.Run<Made>(work, [this, id = exchange.id](Made response) {
    --running_;
    if (Exchange* found = Find(id)) Answer(*found, std::move(response));
    Pump();
  });
  if (!taken) return Refuse(exchange, TooManyRequests());
  ++running_;
}

void Http2Session::Refuse(Exchange& exchange, const Refusal& refusal) {
  exchange.DropBody();
  Answer(exchange, std::make_shared<HttpResponse>(shared_.Refusal(refusal, connection_.secure())));
}

void Http2Session::Answer(Exchange& exchange, std::shared_ptr<HttpResponse> response) {
  exchange.phase = Exchange::Phase::kSending;
  exchange.since_ms = connection_.now_ms();
  exchange.response = std::move(response);
  const HttpResponse& answer = *exchange.response;
  const int64_t length =
      answer.stream ? answer.stream_bytes : static_cast<int64_t>(answer.body.size());
  exchange.left_bytes = length;
  std::vector<std::pair<std::string, std::string>> fields = {
      {":status", std::to_string(answer.status)}};
  for (const auto& [name, value] : answer.headers) {
    std::string lower = Lower(name);
    if (!IsOfTheConnection(lower)) fields.emplace_back(std::move(lower), HeaderValue(value));
  }
  if (length >= 0 && !IsBodiless(answer.status)) {
    fields.emplace_back("content-length", std::to_string(length));
  }
  std::vector<nghttp2_nv> native;
  native.reserve(fields.size());
  for (const auto& [name, value] : fields) native.push_back(Field(name, value));
  const bool bodiless =
      exchange.request.method == "HEAD" || IsBodiless(answer.status) || length == 0;
  nghttp2_data_provider body{};
  body.read_callback = Callbacks::Read;
  const int status = nghttp2_submit_response(session_, exchange.id, native.data(), native.size(),
                                             bodiless ? nullptr : &body);
  if (status != 0) Reset(exchange.id, NGHTTP2_INTERNAL_ERROR);
}

ssize_t Http2Session::Take(Exchange& exchange, std::span<uint8_t> into, uint32_t& flags) {
  exchange.since_ms = connection_.now_ms();
  size_t count = 0;
  if (!exchange.response->stream) {
    const std::string& body = exchange.response->body;
    count = std::min(into.size(), body.size() - exchange.at);
    std::memcpy(into.data(), body.data() + exchange.at, count);
    exchange.at += count;
  } else {
    if (exchange.at == exchange.filled && !exchange.ended) {
      if (!exchange.reading && !ReadPiece(exchange)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
      exchange.deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    count = std::min(into.size(), exchange.filled - exchange.at);
    if (count > 0) std::memcpy(into.data(), exchange.piece->data() + exchange.at, count);
    exchange.at += count;
  }
  if (exchange.left_bytes >= 0) {
    exchange.left_bytes -= static_cast<int64_t>(count);
    if (exchange.left_bytes == 0) exchange.ended = true;
  }
  if (exchange.ended && (!exchange.response->stream || exchange.at == exchange.filled)) {
    flags |= NGHTTP2_DATA_FLAG_EOF;
  } else if (exchange.response->stream && exchange.at == exchange.filled) {
    // The next piece is read while this one is on its way.
    if (!ReadPiece(exchange)) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
  }
  return static_cast<ssize_t>(count);
}

bool Http2Session::ReadPiece(Exchange& exchange) {
  const size_t room =
      exchanges_.size() <= kFewStreams && exchange.piece && connection_.stream().keeps_up()
          ? kBodyPieceBytes
          : kSlowPieceBytes;
  if (!exchange.piece || exchange.piece->size() != room) {
    exchange.piece = std::make_shared<Bytes>(room);
  }
  exchange.at = exchange.filled = 0;
  exchange.reading = true;
  const size_t most =
      exchange.left_bytes < 0 ? room : std::min(room, static_cast<size_t>(exchange.left_bytes));
  const std::function<Result<size_t>()> work = [response = exchange.response,
                                                piece = exchange.piece, most] {
    return response->stream->Read(std::span(*piece).first(most));
  };
  return connection_.Run<Result<size_t>>(
      work, [this, id = exchange.id](Result<size_t> length) { OnPiece(id, std::move(length)); });
}

void Http2Session::OnPiece(int32_t id, Result<size_t> length) {
  Exchange* exchange = Find(id);
  if (exchange == nullptr) return;
  exchange->reading = false;
  exchange->since_ms = connection_.now_ms();
  if (!length || (*length == 0 && exchange->left_bytes > 0)) {
    LogWarning("http", fmt::format("an answer to {} is cut short: {}", connection_.client(),
                                   length ? "its source ended early" : length.message()));
    Reset(id, NGHTTP2_INTERNAL_ERROR);
  } else {
    exchange->filled = *length;
    exchange->ended = *length == 0;
    if (std::exchange(exchange->deferred, false)) nghttp2_session_resume_data(session_, id);
  }
  Pump();
}

void Http2Session::Pump() {
  if (writing_ || gone_ || connection_.closed()) return;
  const size_t most = connection_.stream().keeps_up() ? kMaxOutBytes : kMinOutBytes;
  std::string out;
  while (out.size() < most) {
    const uint8_t* bytes = nullptr;
    const ssize_t count = nghttp2_session_mem_send(session_, &bytes);
    if (count < 0) return connection_.Close();  // Out of memory alone.
    if (count == 0) break;
    out.append(Text(bytes, static_cast<size_t>(count)));
  }
  if (!out.empty()) {
    writing_ = true;
    (void)connection_.Moved();
    progress_ms_ = connection_.now_ms();
    return connection_.Write({std::move(out), {}, 0, {}}, [this, last = leaving_] {
      writing_ = false;
      if (last) return End();
      Pump();
    });
  }
  const bool over =
      nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
  if (leaving_ || over || (draining_ && exchanges_.empty())) End();
}

void Http2Session::End() {
  gone_ = true;
  connection_.Linger();
}

}  // namespace lookback::net
