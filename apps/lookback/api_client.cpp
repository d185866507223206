#include "apps/lookback/api_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>

namespace lookback::app {
namespace {

constexpr size_t kMaxTokenBytes = 512;
constexpr size_t kMaxHeadBytes = 64 << 10;

struct ListDeleter {
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

// What one transfer gathers, behind libcurl's callbacks.
struct Transfer {
  const ApiClient::Sink& sink;
  HttpAnswer answer;
  size_t head_bytes = 0;
  Status status = Ok();
};

std::string LowerTrimmed(std::string_view text, bool lower) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return "";
  std::string out(text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1));
  if (!lower) return out;
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// libcurl takes any other count than `size` for an error.
constexpr size_t kRefused = 0;

size_t OnHeader(const char* data, size_t, size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  const std::string_view line(data, size);
  transfer.head_bytes += size;
  if (transfer.head_bytes > kMaxHeadBytes) {
    transfer.status = Fail(Code::kUnsupported, "the answer's headers are over 64 KiB");
    return kRefused;
  }
  // An interim answer (100) has a head of its own; the last one counts.
  if (line.substr(0, 5) == "HTTP/") {
    transfer.answer.headers.clear();
    const size_t space = line.find(' ');
    transfer.answer.status = 0;
    for (size_t i = space + 1; i < std::min(line.size(), space + 4); ++i) {
      if (line[i] < '0' || line[i] > '9') break;
      transfer.answer.status = transfer.answer.status * 10 + (line[i] - '0');
    }
  } else if (const size_t colon = line.find(':'); colon != std::string_view::npos) {
    transfer.answer.headers[LowerTrimmed(line.substr(0, colon), true)] =
        LowerTrimmed(line.substr(colon + 1), false);
  } else if (transfer.sink && transfer.answer.good()) {
    transfer.status = transfer.sink(transfer.answer, {});
    return transfer.status ? size : kRefused;
  }
  return size;
}

size_t OnBody(const char* data, size_t, size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  if (transfer.sink && transfer.answer.good()) {
    transfer.status = transfer.sink(transfer.answer, AsBytes(std::string_view(data, size)));
    return transfer.status ? size : kRefused;
  }
  if (transfer.answer.body.size() + size > kMaxAnswerBytes) {
    transfer.status =
        Fail(Code::kUnsupported,
             fmt::format("the answer is over {} MiB; ask for less at once", kMaxAnswerBytes >> 20));
    return kRefused;
  }
  transfer.answer.body.append(data, size);
  return size;
}

Code CodeOfStatus(int status, std::string_view type) {
  if (type == "corrupt") return Code::kCorrupt;
  switch (status) {
    case 401:
    case 403:
      return Code::kDenied;
    case 404:
      return Code::kNotFound;
    case 409:
    case 412:
      return Code::kConflict;
    case 422:
      return Code::kUnsupported;
    case 500:
      return Code::kDiskFailed;
    case 507:
      return Code::kDiskFull;
    default:
      return status >= 400 && status < 500 ? Code::kInvalid : Code::kUnavailable;
  }
}

std::string_view Advice(std::string_view type) {
  if (type == "unauthorized") {
    return "; name a file with a token by --token-file, or set LOOKBACK_TOKEN";
  }
  if (type == "unknown-camera") return "; `lookback camera list` shows those that exist";
  if (type == "no-footage") return "; `lookback timeline` shows what there is";
  if (type == "range-too-long") return "; ask for shorter ranges, one after another";
  if (type == "busy" || type == "not-on-record") return "; try again later";
  if (type == "camera-exists") return "; `lookback camera set` changes it";
  return "";
}

bool IsUtf8(const Json& value) {
  try {
    (void)value.dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

// What a shell passed on need not be UTF-8, and a name that was mended is another name.
Result<std::string> Written(const Json& body) {
  for (const auto& item : body.items()) {
    if (!IsUtf8(item.value())) return Fail(Code::kInvalid, item.key() + " is not UTF-8");
  }
  return body.dump();
}

}  // namespace

struct ApiClient::Handle {
  CURL* curl = curl_easy_init();
  ~Handle() { curl_easy_cleanup(curl); }
};

std::string HttpAnswer::Header(const std::string& lower_name) const {
  const auto found = headers.find(lower_name);
  return found == headers.end() ? "" : found->second;
}

ApiClient::ApiClient(std::string server, std::string token)
    : server_(std::move(server)), token_(std::move(token)), handle_(std::make_unique<Handle>()) {}
ApiClient::~ApiClient() = default;

Result<std::unique_ptr<ApiClient>> ApiClient::Open(const std::string& server,
                                                   const std::string& token) {
  std::string base = server;
  while (!base.empty() && base.back() == '/') base.pop_back();
  const bool plain = base.rfind("http://", 0) == 0 && base.size() > 7;
  const bool tls = base.rfind("https://", 0) == 0 && base.size() > 8;
  if ((!plain && !tls) || base.find_first_of(" \t\r\n?#@") != std::string::npos) {
    return Fail(Code::kInvalid,
                fmt::format("server \"{}\" is not of the form {}", server, kDefaultServer));
  }
  const bool clean =
      std::all_of(token.begin(), token.end(), [](char c) { return c > 32 && c < 127; });
  if (!clean || token.size() > kMaxTokenBytes) {
    return Fail(Code::kInvalid, "the token holds what no token does; it is one word, \"lbk_…\"");
  }
  std::unique_ptr<ApiClient> client(new ApiClient(std::move(base), token));
  if (client->handle_->curl == nullptr) return Fail(Code::kUnavailable, "libcurl does not start");
  return client;
}

Result<HttpAnswer> ApiClient::Send(const HttpAsk& ask, const Sink& sink) {
  Transfer transfer{sink, {}, 0, Ok()};
  CURL* curl = handle_->curl;
  curl_easy_reset(curl);  // The connection stays.
  std::unique_ptr<curl_slist, ListDeleter> headers;
  const auto add = [&headers](const std::string& line) {
    headers.reset(curl_slist_append(headers.release(), line.c_str()));
  };
  if (!token_.empty()) add("Authorization: Bearer " + token_);
  // Empty takes away what libcurl would say of a body that is none.
  add(ask.body.empty() ? "Content-Type:" : "Content-Type: application/json");
  add("Expect:");  // A round trip for nothing.
  for (const auto& [name, value] : ask.headers) add(name + ": " + value);

  const std::string url = server_ + ask.path;
  char reason[CURL_ERROR_SIZE] = "";
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, ask.method.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  if (ask.method != "GET" && ask.method != "DELETE") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(ask.body.size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, ask.body.c_str());
  }
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_PROXY, "");
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "lookback");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, long{kConnectTimeoutS});
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, long{kSilenceTimeoutS});
  curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L << 10);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, reason);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &OnHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &OnBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer);

  const CURLcode done = curl_easy_perform(curl);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, nullptr);
  if (!transfer.status) return Pass(transfer.status.error());
  if (done == CURLE_OK) return std::move(transfer.answer);
  const std::string why = reason[0] != '\0' ? reason : curl_easy_strerror(done);
  if (transfer.answer.status == 0) {
    return Fail(Code::kUnavailable,
                fmt::format("{} does not answer ({}); is `lookback serve` running there? --server "
                            "or LOOKBACK_SERVER name another",
                            server_, why));
  }
  return Fail(Code::kUnavailable, fmt::format("the answer of {} broke off ({})", server_, why));
}

Result<Json> ApiClient::Get(const std::string& path) { return Call("GET", path); }

Result<Json> ApiClient::Call(const std::string& method, const std::string& path, const Json& body) {
  HttpAsk ask;
  ask.method = method;
  ask.path = path;
  if (!body.is_null()) {
    LB_TRY_ASSIGN(text, Written(body));
    ask.body = std::move(text);
  }
  LB_TRY_ASSIGN(answer, Send(ask));
  if (!answer.good()) return tl::unexpected<Error>(ProblemIn(answer, server_));
  if (answer.body.empty()) return Json();
  return ParseJson(answer.body);
}

Error ProblemIn(const HttpAnswer& answer, const std::string& server) {
  const auto problem = ParseJson(answer.body);
  const std::string type = ProblemType(answer);
  std::string detail = problem ? TextOf(*problem, "detail") : "";
  if (detail.empty()) {
    detail = fmt::format("{} answered {} without saying why; is it a Lookback server?", server,
                         answer.status);
  }
  // How a program sends a token is of no use to who types commands.
  if (type == "unauthorized") detail = detail.substr(0, detail.find_first_of(":;"));
  return {CodeOfStatus(answer.status, type), detail + std::string(Advice(type))};
}

std::string ProblemType(const HttpAnswer& answer) {
  const auto problem = ParseJson(answer.body);
  const std::string type = problem ? TextOf(*problem, "type") : "";
  return type.substr(type.rfind('/') + 1);
}

Result<Json> ParseJson(std::string_view text) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return Fail(Code::kUnsupported, "the answer is not JSON");
  return json;
}

std::string PercentEncode(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string CameraPath(std::string_view id) { return "/api/v1/cameras/" + PercentEncode(id); }

std::string WithQuery(std::string path,
                      const std::vector<std::pair<std::string, std::string>>& query) {
  char separator = '?';
  for (const auto& [name, value] : query) {
    if (value.empty()) continue;
    path += separator + name + "=" + PercentEncode(value);
    separator = '&';
  }
  return path;
}

Result<std::string> ReadTokenFile(FileSystem& files, const std::string& path) {
  LB_TRY_ASSIGN(bytes, ReadFile(files, path, kMaxTokenFileBytes));
  return LowerTrimmed(AsText(bytes), false);
}

}  // namespace lookback::app
