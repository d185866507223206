// api/problem.h: what went wrong with a request, as the client hears it (RFC 9457; docs/api.md
// lists the types).
//
// Invariant: a Problem is thrown inside of api/ alone, and caught by the dispatcher (service.cpp):
//            routes read as what happens when all is well.
// Threads:   values.
// Errors:    is one.
#pragma once

#include <string>
#include <utility>

#include "api/json_members.h"
#include "base/result.h"
#include "net/http_server.h"

namespace lookback::api {

struct Problem {
  int status = 400;
  std::string type;    // "time-without-offset"
  std::string detail;  // Says what, where, and what is allowed.
  Json more = Json::object();
};

// A problem with one query parameter or body member.
Problem FieldProblem(std::string type, std::string field, std::string detail);

// What the store said, where no route knows a better type.
Problem ProblemOf(const Error& error);
// The same for a record that could not be put on the ledger.
Problem NotOnRecord(const Error& error, std::string_view what);

net::HttpResponse ToResponse(const Problem& problem);
// What a camera or a client said may be no UTF-8: U+FFFD stands for what is none.
std::string Dump(const Json& json);
net::HttpResponse JsonResponse(const Json& json, int status = 200);
net::HttpResponse NoContent();

// The value, or its error thrown as a problem.
template <typename T>
T OrThrow(Result<T> result) {
  if (!result.has_value()) throw ProblemOf(result.error());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace lookback::api
