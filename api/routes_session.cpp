// Sessions: a cookie in the place of a token, for players and pages that cannot send a header.

#include <fmt/format.h>

#include "api/routes_playback.h"

namespace lookback::api {
namespace {

constexpr std::string_view kCookie = "lookback_session";

std::string CookieHeader(const net::HttpRequest& request, std::string_view value, int64_t seconds) {
  return fmt::format("{}={}; Path=/; Max-Age={}; HttpOnly; SameSite=Strict{}", kCookie, value,
                     seconds, request.secure ? "; Secure" : "");
}

std::string_view BearerOf(const net::HttpRequest& request) {
  constexpr std::string_view kScheme = "bearer ";
  const std::string_view header = request.Header("authorization");
  if (header.size() <= kScheme.size()) return {};
  for (size_t i = 0; i < kScheme.size(); ++i) {
    const char c = header[i];
    if ((c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c) != kScheme[i]) return {};
  }
  return header.substr(kScheme.size());
}

bool IsLogin(const net::HttpRequest& request) {
  return request.method == "POST" && request.path == "/api/v1/session";
}

}  // namespace

std::string_view SessionOf(const net::HttpRequest& request) {
  std::string_view rest = request.Header("cookie");
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(';'), rest.size());
    std::string_view pair = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    while (pair.starts_with(' ')) pair.remove_prefix(1);
    const size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == kCookie) {
      return pair.substr(equals + 1);
    }
  }
  return {};
}

std::string TokenOf(const net::HttpRequest& request) {
  if (!IsLogin(request) || !request.Header("authorization").empty()) {
    return std::string(BearerOf(request));
  }
  const Body body(request, {"token"});
  return body.Text("token", kMaxLineBytes);
}

net::HttpResponse BeginSession(Context& context, const Call& call) {
  const Query query(call.http, {});
  // On record first: nobody is inside whom nobody wrote down.
  const Status status = context.access.Record(ActOf(call, index::ActKind::kLogin, "session"));
  if (!status) throw NotOnRecord(status.error(), "this login");
  const auto session =
      context.tokens->BeginSession(TokenOf(call.http), context.clock.MonotonicUs());
  if (!session) throw Problem{401, "unauthorized", "the token was revoked just now"};
  net::HttpResponse response =
      JsonResponse({{"name", call.person.name},
                    {"admin", call.person.admin},
                    {"expires", FormatTime(context.clock.NowUs() + kSessionUs)}},
                   201);
  response.headers.emplace_back("Set-Cookie",
                                CookieHeader(call.http, *session, kSessionUs / kUsPerSecond));
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

net::HttpResponse EndSession(Context& context, const Call& call) {
  const Query query(call.http, {});
  context.tokens->EndSession(SessionOf(call.http));
  net::HttpResponse response = NoContent();
  response.headers.emplace_back("Set-Cookie", CookieHeader(call.http, "", 0));
  return response;
}

}  // namespace lookback::api
