// tests/api/openapi_document.h: docs/openapi.json as tests read it, out of the program.
//
// Invariant: of OpenAPI it knows what the document uses: $ref, allOf, nullable, type, format,
//            pattern, enum, minimum, required, properties, items. A member of an answer that its
//            schema does not name is a fault here, though clients must put up with it.
// Threads:   one.
// Errors:    nlohmann's, where the document is no OpenAPI at all.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "api/json_members.h"

namespace lookback::api {

using Names = std::set<std::string>;

const Json& Document();

// What a `$ref` leads to; `json` itself where it is none.
const Json& Resolve(const Json& json);

struct Operation {
  std::string method;  // "GET"
  std::string path;    // "/api/v1/cameras/{camera}"
  const Json* said;    // What stands under the method,
  const Json* shared;  // and under the path.

  std::string name() const { return method + " " + path; }
  std::string id() const { return said->value("operationId", ""); }
  // The parameters that stand in the "path" or the "query".
  std::map<std::string, Json> Parameters(const std::string& where) const;
  // The schema of a JSON body; null when it takes none.
  Json Body() const;
};
std::vector<Operation> Operations();

// The operation that a request is, its path without the query; nullptr when there is none.
const Operation* FindOperation(const std::string& method, const std::string& path);

// The members that an object of that schema may have, and those that it must.
struct Members {
  std::map<std::string, Json> all;
  Names needed;
};
Members MembersOf(const Json& schema);
Names NamesOf(const std::map<std::string, Json>& named);

// What of `value` is not as the schema has it, a sentence each.
std::vector<std::string> FaultsOf(const Json& value, const Json& schema, const std::string& where);

}  // namespace lookback::api
