#include "api/input.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <functional>
#include <set>

#include "net/http_text.h"

namespace lookback::api {
namespace {

bool IsUtf8(const std::string& text) {
  try {
    (void)Json(text).dump();
    return true;
  } catch (const Json::exception&) {
    return false;
  }
}

// What a client sent, short enough to be said back.
std::string Shown(std::string_view text) {
  constexpr size_t kMost = 64;
  return text.size() <= kMost ? std::string(text) : std::string(text.substr(0, kMost)) + "…";
}

bool EndsInOffset(std::string_view text) {
  return text.ends_with('Z') || text.ends_with('z') ||
         (text.size() > 6 && text[text.size() - 3] == ':' &&
          (text[text.size() - 6] == '+' || text[text.size() - 6] == '-'));
}

// Members of one object may not stand twice: who reads the text and who reads what became of it
// would see different requests.
class BodyRules {
 public:
  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    const bool opens =
        event == Json::parse_event_t::object_start || event == Json::parse_event_t::array_start;
    if (opens && depth >= kMaxJsonDepth) {
      throw Problem{400, "bad-json",
                    fmt::format("the body is nested deeper than {} levels", kMaxJsonDepth)};
    }
    if (event == Json::parse_event_t::object_start) names_.emplace_back();
    if (event == Json::parse_event_t::object_end) names_.pop_back();
    if (event == Json::parse_event_t::key) {
      const auto& name = parsed.get_ref<const std::string&>();
      if (!names_.back().insert(name).second) {
        throw Problem{400, "bad-json", fmt::format("\"{}\" stands twice", Shown(name))};
      }
    }
    return true;
  }

 private:
  std::vector<std::set<std::string>> names_;  // Of each object that is open.
};

Json ParseBody(const std::string& body) {
  BodyRules rules;
  try {
    return Json::parse(body, std::ref(rules));
  } catch (const Json::parse_error& error) {
    throw Problem{400, "bad-json", fmt::format("the body is not JSON at byte {}", error.byte)};
  } catch (const Json::out_of_range&) {
    throw Problem{400, "bad-json", "the body holds a number that is too large"};
  }
}

}  // namespace

std::string CheckText(std::string text, std::string_view field, size_t max_bytes, bool lines) {
  const std::string name(field);
  if (text.size() > max_bytes) {
    throw FieldProblem(
        "bad-field", name,
        fmt::format("{} has {} bytes; at most {} are taken", name, text.size(), max_bytes));
  }
  if (!IsUtf8(text)) throw FieldProblem("bad-field", name, name + " is not UTF-8");
  const bool control = std::any_of(text.begin(), text.end(), [lines](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && !(lines && (c == '\n' || c == '\t'))) || byte == 0x7f;
  });
  if (control) throw FieldProblem("bad-field", name, name + " holds a control character");
  return text;
}

CameraId ReadCameraId(std::string_view text, std::string_view field) {
  auto id = CameraId::Parse(text);
  if (!id) throw FieldProblem("bad-camera-id", std::string(field), id.message());
  return std::move(*id);
}

TimeUs ReadTime(std::string_view text, std::string_view field) {
  const auto time = ParseTime(text);
  if (time) return *time;
  const bool dated = text.size() >= 10 && text[4] == '-' && text[7] == '-';
  const char* type = dated && !EndsInOffset(text) ? "time-without-offset" : "bad-time";
  throw FieldProblem(type, std::string(field),
                     fmt::format("{}=\"{}\": {}", field, Shown(text), time.message()));
}

TimeRange CheckRange(TimeRange range) {
  if (!range.empty()) return range;
  throw FieldProblem("empty-range", "end",
                     fmt::format("the end ({}) must be later than the start ({})",
                                 FormatTime(range.end_us), FormatTime(range.start_us)));
}

std::vector<CameraId> CheckCameras(std::vector<CameraId> cameras, std::string_view field) {
  if (cameras.empty() || cameras.size() > kMaxCamerasAsked) {
    throw FieldProblem(cameras.empty() ? "missing-parameter" : "bad-parameter", std::string(field),
                       fmt::format("between 1 and {} cameras are taken", kMaxCamerasAsked));
  }
  return cameras;
}

Query::Query(const net::HttpRequest& request, std::initializer_list<std::string_view> known,
             std::string_view repeated)
    : request_(request) {
  for (const auto& [name, value] : request.query) {
    if (name != "reason" && std::find(known.begin(), known.end(), name) == known.end()) {
      throw FieldProblem("unknown-parameter", name,
                         fmt::format("\"{}\" is not a parameter here; known are: {}", Shown(name),
                                     fmt::join(known, ", ")));
    }
    const auto same =
        std::count_if(request.query.begin(), request.query.end(),
                      [&asked = name](const auto& other) { return other.first == asked; });
    if (same > 1 && name != repeated) {
      throw FieldProblem("bad-parameter", name, fmt::format("{} may stand once", name));
    }
    // It goes on record whether the route asks for it or not.
    if (name == "reason") (void)CheckText(value, name, kMaxReasonBytes);
  }
}

std::optional<std::string> Query::Text(std::string_view name, size_t max_bytes) const {
  const std::string* text = request_.Query(name);
  if (text == nullptr) return std::nullopt;
  return CheckText(*text, name, max_bytes);
}

std::optional<TimeUs> Query::Time(std::string_view name) const {
  const std::string* text = request_.Query(name);
  if (text == nullptr) return std::nullopt;
  return ReadTime(*text, name);
}

TimeRange Query::Range() const {
  const auto needed = [this](std::string_view name) {
    if (const auto time = Time(name)) return *time;
    throw FieldProblem("missing-parameter", std::string(name),
                       fmt::format("{} is needed: a time such as 2026-05-04T22:00:00Z", name));
  };
  const TimeUs start_us = needed("start");
  return CheckRange({start_us, needed("end")});
}

size_t Query::OneOf(std::string_view name, std::initializer_list<std::string_view> words) const {
  const std::string* text = request_.Query(name);
  if (text == nullptr) return 0;
  const auto* found = std::find(words.begin(), words.end(), *text);
  if (found != words.end()) return static_cast<size_t>(found - words.begin());
  throw FieldProblem(
      "bad-parameter", std::string(name),
      fmt::format("{}=\"{}\": one of {} is taken", name, Shown(*text), fmt::join(words, ", ")));
}

bool Query::Flag(std::string_view name, bool otherwise) const {
  if (request_.Query(name) == nullptr) return otherwise;
  return OneOf(name, {"0", "1"}) == 1;
}

Stream Query::WhichStream() const {
  return OneOf("stream", {"main", "sub"}) == 1 ? Stream::kSub : Stream::kMain;
}

uint64_t Query::Number(std::string_view name, uint64_t otherwise, uint64_t max,
                       uint64_t least) const {
  const std::string* text = request_.Query(name);
  if (text == nullptr) return otherwise;
  uint64_t value = 0;
  const char* end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error == std::errc() && stop == end && value >= least && value <= max) return value;
  throw FieldProblem("bad-parameter", std::string(name),
                     fmt::format("{}=\"{}\": a whole number from {} to {} is taken", name,
                                 Shown(*text), least, max));
}

std::vector<CameraId> Query::Cameras() const {
  std::vector<CameraId> cameras;
  for (const auto& [name, value] : request_.query) {
    if (name == "camera") cameras.push_back(ReadCameraId(value, "camera"));
  }
  return cameras;
}

std::string Query::Reason() const {
  if (auto reason = Text("reason", kMaxReasonBytes)) return *reason;
  std::string reason;
  if (!net::PercentDecode(request_.Header("x-lookback-reason"), reason)) {
    throw FieldProblem("bad-parameter", "reason",
                       "X-Lookback-Reason has a bad percent-encoding; it is UTF-8 in %XX");
  }
  return CheckText(std::move(reason), "reason", kMaxReasonBytes);
}

Body::Body(const net::HttpRequest& request, std::initializer_list<std::string_view> known)
    : json_(Json::object()) {
  if (request.body.empty()) return;
  if (net::MediaType(request.Header("content-type")) != "application/json") {
    throw Problem{415, "bad-media-type", "a body is taken as Content-Type: application/json"};
  }
  json_ = ParseBody(request.body);
  if (!json_.is_object()) throw Problem{400, "bad-json", "the body must be a JSON object"};
  CheckKnown(known);
}

Body::Body(Json object, std::string_view name, std::initializer_list<std::string_view> known)
    : json_(std::move(object)) {
  if (!json_.is_object()) {
    throw FieldProblem("bad-field", std::string(name), fmt::format("{} must be an object", name));
  }
  CheckKnown(known);
}

void Body::CheckKnown(std::initializer_list<std::string_view> known) const {
  for (const auto& item : json_.items()) {
    if (std::find(known.begin(), known.end(), item.key()) == known.end()) {
      throw FieldProblem("unknown-field", item.key(),
                         fmt::format("\"{}\" is not a field here; known are: {}", Shown(item.key()),
                                     fmt::join(known, ", ")));
    }
  }
}

const Json& Body::Member(std::string_view name) const {
  const auto found = json_.find(name);
  if (found != json_.end()) return *found;
  throw FieldProblem("missing-field", std::string(name), fmt::format("{} is needed", name));
}

bool Body::IsNull(std::string_view name) const {
  const auto found = json_.find(name);
  return found == json_.end() || found->is_null();
}

std::string Body::Text(std::string_view name, size_t max_bytes, bool lines) const {
  const Json& value = Member(name);
  if (!value.is_string()) {
    throw FieldProblem("bad-field", std::string(name), fmt::format("{} must be a string", name));
  }
  return CheckText(value.get<std::string>(), name, max_bytes, lines);
}

std::string Body::TextOr(std::string_view name, size_t max_bytes, std::string otherwise,
                         bool lines) const {
  return Has(name) ? Text(name, max_bytes, lines) : std::move(otherwise);
}

bool Body::FlagOr(std::string_view name, bool otherwise) const {
  if (!Has(name)) return otherwise;
  const Json& value = Member(name);
  if (value.is_boolean()) return value.get<bool>();
  throw FieldProblem("bad-field", std::string(name), fmt::format("{} must be true or false", name));
}

uint64_t Body::Number(std::string_view name) const {
  const Json& value = Member(name);
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  throw FieldProblem("bad-field", std::string(name),
                     fmt::format("{} must be a whole number", name));
}

double Body::Real(std::string_view name, double least, double most) const {
  const Json& value = Member(name);
  if (value.is_number()) {
    const auto number = value.get<double>();
    if (number >= least && number <= most) return number;
  }
  throw FieldProblem("bad-field", std::string(name),
                     fmt::format("{} must be a number from {} to {}", name, least, most));
}

std::vector<std::string> Body::Texts(std::string_view name, size_t max_count,
                                     size_t max_bytes) const {
  const Json& value = Member(name);
  const bool texts = value.is_array() && std::all_of(value.begin(), value.end(),
                                                     [](const Json& v) { return v.is_string(); });
  if (!texts || value.size() > max_count) {
    throw FieldProblem("bad-field", std::string(name),
                       fmt::format("{} must be a list of at most {} texts", name, max_count));
  }
  std::vector<std::string> all;
  for (const Json& text : value) {
    all.push_back(CheckText(text.get<std::string>(), name, max_bytes));
  }
  return all;
}

uint32_t Body::DaysOr(std::string_view name, uint32_t otherwise) const {
  if (!Has(name)) return otherwise;
  const Json& value = Member(name);
  if (value.is_number_unsigned() && value.get<uint64_t>() <= UINT32_MAX) {
    return value.get<uint32_t>();
  }
  throw FieldProblem("bad-field", std::string(name),
                     fmt::format("{} must be a whole number of days, 0 for none", name));
}

TimeUs Body::Time(std::string_view name) const { return ReadTime(Text(name, kMaxLineBytes), name); }

Body Body::Object(std::string_view name, std::initializer_list<std::string_view> known) const {
  return Body(Member(name), name, known);
}

size_t Body::Count(std::string_view name) const {
  if (!Has(name)) return 0;
  const Json& value = Member(name);
  if (value.is_array()) return value.size();
  throw FieldProblem("bad-field", std::string(name), fmt::format("{} must be a list", name));
}

Body Body::Element(std::string_view name, size_t place,
                   std::initializer_list<std::string_view> known) const {
  return Body(Member(name)[place], name, known);
}

std::vector<CameraId> Body::Cameras() const {
  const Json& value = Member("cameras");
  std::vector<CameraId> cameras;
  const bool texts = value.is_array() && std::all_of(value.begin(), value.end(),
                                                     [](const Json& v) { return v.is_string(); });
  if (!texts) throw FieldProblem("bad-field", "cameras", "cameras must be a list of camera ids");
  for (const Json& id : value) cameras.push_back(ReadCameraId(id.get<std::string>(), "cameras"));
  return CheckCameras(std::move(cameras), "cameras");
}

}  // namespace lookback::api
