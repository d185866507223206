// apps/lookback/api_client.h: asks a server by HTTP (docs/api.md), over libcurl.
//
// Invariant: the token goes to the named server alone: no redirect is followed, no proxy used.
// Threads:   one; requests follow each other on one connection.
// Errors:    a problem's detail with what to do about it, under the code that its status stands
//            for; kUnavailable when there is no answer.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/lookback/output.h"
#include "base/bytes.h"
#include "base/file_system.h"

namespace lookback::app {

inline constexpr std::string_view kDefaultServer = "http://127.0.0.1:8686";
inline constexpr uint64_t kMaxTokenFileBytes = 4'096;
inline constexpr size_t kMaxAnswerBytes = 256 << 20;  // Of an answer that is kept in memory.
inline constexpr int kConnectTimeoutS = 10;
inline constexpr int kSilenceTimeoutS = 90;  // A transfer that stands still so long is given up.

struct HttpAsk {
  std::string method = "GET";
  std::string path;  // With its query, encoded.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;  // JSON.
};

struct HttpAnswer {
  int status = 0;
  std::map<std::string, std::string> headers;  // Names in lower case.
  std::string body;

  std::string Header(const std::string& lower_name) const;
  bool good() const { return status >= 200 && status < 300; }
};

class ApiClient {
 public:
  // Takes each piece of a good answer's body, at first an empty one once the head is there; an
  // error ends the transfer.
  using Sink = std::function<Status(const HttpAnswer& head, ByteSpan piece)>;

  // kInvalid for a server that is no http(s) URL, or a token that cannot be one.
  static Result<std::unique_ptr<ApiClient>> Open(const std::string& server,
                                                 const std::string& token);
  ~ApiClient();
  ApiClient(const ApiClient&) = delete;
  ApiClient& operator=(const ApiClient&) = delete;

  // Whatever is answered, a problem too. With a sink a good body goes there.
  Result<HttpAnswer> Send(const HttpAsk& ask, const Sink& sink = {});

  // The JSON of a good answer (null when it has no body); problems are errors.
  Result<Json> Get(const std::string& path);
  Result<Json> Call(const std::string& method, const std::string& path, const Json& body = Json());

  const std::string& server() const { return server_; }

 private:
  struct Handle;
  ApiClient(std::string server, std::string token);

  const std::string server_;
  const std::string token_;
  std::unique_ptr<Handle> handle_;
};

// The problem in an answer that is not good.
Error ProblemIn(const HttpAnswer& answer, const std::string& server);
// The last part of its type: "no-footage"; empty when there is none.
std::string ProblemType(const HttpAnswer& answer);
Result<Json> ParseJson(std::string_view text);

// Everything but letters, digits and "-._~" in %XX.
std::string PercentEncode(std::string_view text);
std::string CameraPath(std::string_view id);  // "/api/v1/cameras/gate"
// "/api/v1/cameras/gate/timeline?start=…": empty values are left out.
std::string WithQuery(std::string path,
                      const std::vector<std::pair<std::string, std::string>>& query);

// Without white space at its end: "lbk_…".
Result<std::string> ReadTokenFile(FileSystem& files, const std::string& path);

}  // namespace lookback::app
