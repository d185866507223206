#include "api/problem.h"

#include <fmt/format.h>

#include "net/http_message.h"

namespace lookback::api {
namespace {

std::string Title(std::string_view type) {
  std::string title(type);
  for (char& c : title) {
    if (c == '-') c = ' ';
  }
  if (!title.empty() && title[0] >= 'a' && title[0] <= 'z') title[0] -= 'a' - 'A';
  return title;
}

}  // namespace

std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Problem FieldProblem(std::string type, std::string field, std::string detail) {
  return {400, std::move(type), std::move(detail), {{"field", std::move(field)}}};
}

Problem ProblemOf(const Error& error) {
  switch (error.code) {
    case Code::kInvalid:
      return {400, "bad-request", error.message};
    case Code::kNotFound:
      return {404, "not-found", error.message};
    case Code::kConflict:
      return {409, "conflict", error.message};
    case Code::kDenied:
      return {403, "denied", error.message};
    case Code::kUnavailable:
      return {503, "unavailable", error.message};
    case Code::kDiskFull:
      return {507, "disk-full", error.message};
    case Code::kDiskFailed:
      return {500, "disk-failed", error.message};
    case Code::kCorrupt:
      return {500, "corrupt", error.message};
    case Code::kUnsupported:
      return {422, "unsupported", error.message};
  }
  return {500, "unavailable", error.message};
}

Problem NotOnRecord(const Error& error, std::string_view what) {
  return {503, "not-on-record",
          fmt::format("{} could not be put on record: {}", what, error.message)};
}

net::HttpResponse ToResponse(const Problem& problem) {
  Json json = {{"type", "/problems/" + problem.type},
               {"title", Title(problem.type)},
               {"status", problem.status},
               {"detail", problem.detail}};
  json.update(problem.more);
  net::HttpResponse response;
  response.status = problem.status;
  response.headers = {{"Content-Type", "application/problem+json"}, {"Cache-Control", "no-store"}};
  if (problem.status == 401) response.headers.emplace_back("WWW-Authenticate", "Bearer");
  if (problem.status == 503) response.headers.emplace_back("Retry-After", "1");
  response.body = Dump(json);
  return response;
}

net::HttpResponse JsonResponse(const Json& json, int status) {
  net::HttpResponse response;
  response.status = status;
  response.headers = {{"Content-Type", "application/json"}, {"Cache-Control", "no-store"}};
  response.body = Dump(json);
  return response;
}

net::HttpResponse NoContent() {
  net::HttpResponse response;
  response.status = 204;
  return response;
}

}  // namespace lookback::api
