#include "apps/lookback/settings.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "api/webhook.h"
#include "storage/data_directory.h"

namespace lookback::app {
namespace {

template <typename Parse>
Status Checked(Parse parse, const std::string& value) {
  auto parsed = parse(value);
  return parsed ? Ok() : Status(tl::unexpected<Error>(parsed.error()));
}

Status CheckListen(const std::string& value) { return Checked(ParseListen, value); }
Status CheckUdpPorts(const std::string& value) { return Checked(ParseUdpPorts, value); }

const Setting kSettings[] = {
    {.table = "",
     .name = "data",
     .option = "--data",
     .meaning = "the store",
     .when_unset = "the directory in STATE_DIRECTORY, as systemd names a service's; else "
                   "$XDG_DATA_HOME/lookback or ~/.local/share/lookback",
     .example = R"("/var/lib/lookback")",
     .value = &Settings::data,
     .path = true},
    {.table = "",
     .name = "volumes",
     .option = "--volume",
     .meaning = "directories for footage, each on a disk of its own",
     .when_unset = "those that the store knows; at the first start DATA/volume",
     .example = R"(["/srv/footage1", "/srv/footage2"])",
     .value = &Settings::volumes,
     .path = true},
    {.table = "",
     .name = "token_file",
     .option = "--token-file",
     .meaning = "where the first start writes an admin's token",
     .when_unset = "DATA/secrets/admin-token",
     .example = R"("/etc/lookback/admin-token")",
     .value = &Settings::token_file,
     .path = true},
    {.table = "http",
     .name = "listen",
     .option = "--listen",
     .meaning = "HOST:PORT; port 0 takes any free one",
     .when_unset = "",
     .example = R"("0.0.0.0:8686")",
     .value = &Settings::listen,
     .check = &CheckListen},
    {.table = "http",
     .name = "tls_certificate",
     .option = "--tls-certificate",
     .meaning = "PEM file of the certificate and its chain: answers by https alone",
     .when_unset = "no TLS",
     .example = R"("/etc/lookback/tls.crt")",
     .value = &Settings::tls_certificate,
     .path = true,
     .reloads = true,
     .needs = "tls_key"},
    {.table = "http",
     .name = "tls_key",
     .option = "--tls-key",
     .meaning = "PEM file of its key, without a password",
     .when_unset = "no TLS",
     .example = R"("/etc/lookback/tls.key")",
     .value = &Settings::tls_key,
     .path = true,
     .reloads = true,
     .needs = "tls_certificate"},
    {.table = "http",
     .name = "stop_grace_s",
     .option = "--stop-grace",
     .meaning = "seconds that running downloads get to finish at a stop",
     .when_unset = "",
     .example = "30",
     .value = &Settings::stop_grace_s,
     .reloads = true,
     .min = 0,
     .max = 3600},
    {.table = "http",
     .name = "max_import_gib",
     .option = "--max-import-gib",
     .meaning = "the largest file that import takes, in GiB",
     .when_unset = "",
     .example = "200",
     .value = &Settings::max_import_gib,
     .reloads = true,
     .min = 1,
     .max = 4096},
    {.table = "cameras",
     .name = "udp_ports",
     .option = "--udp-ports",
     .meaning = "FIRST-LAST: where cameras send RTP over UDP to",
     .when_unset = "any free ones",
     .example = R"("20000-20999")",
     .value = &Settings::udp_ports,
     .check = &CheckUdpPorts},
    {.table = "cameras",
     .name = "max_container_cameras",
     .option = "--max-container-cameras",
     .meaning = "streams of cameras over rtmp, http or https, which take a thread each",
     .when_unset = "",
     .example = "16",
     .value = &Settings::max_container_cameras,
     .min = 0,
     .max = 4096},
    {.table = "alarms",
     .name = "webhook",
     .option = "--webhook",
     .meaning = "URL that is told of alarms, by POST",
     .when_unset = "nobody is told",
     .example = R"("https://alarms.example/lookback")",
     .value = &Settings::webhook,
     .secret = true,
     .reloads = true,
     .check = &api::Webhook::CheckUrl},
    {.table = "alarms",
     .name = "webhook_secret_file",
     .option = "--webhook-secret-file",
     .meaning = "a file whose first line signs what is sent",
     .when_unset = "it is not signed",
     .example = R"("/etc/lookback/webhook-secret")",
     .value = &Settings::webhook_secret_file,
     .path = true,
     .reloads = true,
     .needs = "webhook"},
    {.table = "scrub",
     .name = "interval_days",
     .option = "--scrub-interval-days",
     .meaning = "every byte is held against its checksum once in so many days; 0: only when asked",
     .when_unset = "",
     .example = "60",
     .value = &Settings::scrub_interval_days,
     .reloads = true,
     .min = 0,
     .max = 3650},
    {.table = "scrub",
     .name = "mib_per_second",
     .option = "--scrub-rate",
     .meaning = "MiB a second that this reads of each volume at most",
     .when_unset = "",
     .example = "50",
     .value = &Settings::scrub_mib_per_second,
     .reloads = true,
     .min = 1,
     .max = 100'000}};

const Setting& Sibling(const Setting& setting) {
  for (const Setting& other : kSettings) {
    if (other.table == setting.table && other.name == setting.needs) return other;
  }
  LB_CHECK(false);
  return setting;
}

// A basic string of TOML 1.0.
std::string Quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) {
      out += fmt::format("\\u{:04x}", static_cast<unsigned>(c));
      continue;
    }
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

bool IsSet(const Setting& setting, const Settings& settings) {
  return !(settings.*std::get<std::string Settings::*>(setting.value)).empty();
}

void CheckPath(const Setting& setting, const std::string& path, std::optional<size_t> element,
               std::vector<SettingProblem>& problems) {
  if (!setting.path || !path.starts_with('~')) return;
  problems.push_back(
      {&setting, fmt::format("\"{}\": no shell makes a home of ~ here; write the whole path", path),
       element});
}

void CheckList(const Setting& setting, const std::vector<std::string>& list,
               std::vector<SettingProblem>& problems) {
  std::vector<std::string> before;
  for (size_t i = 0; i < list.size(); ++i) {
    CheckPath(setting, list[i], i, problems);
    const std::string path = storage::AbsolutePath(list[i]);
    const auto same = std::find(before.begin(), before.end(), path);
    if (same != before.end()) {
      problems.push_back({&setting,
                          fmt::format("\"{}\" is named before, as \"{}\": each has to be another "
                                      "one",
                                      list[i], list[static_cast<size_t>(same - before.begin())]),
                          i});
    }
    before.push_back(path);
  }
}

}  // namespace

std::string Setting::key() const {
  return table.empty() ? std::string(name) : fmt::format("{}.{}", table, name);
}

std::span<const Setting> AllSettings() { return kSettings; }

std::string WrittenValue(const Setting& setting, const Settings& settings) {
  if (const auto* number = std::get_if<int64_t Settings::*>(&setting.value)) {
    return fmt::format("{}", settings.**number);
  }
  if (const auto* text = std::get_if<std::string Settings::*>(&setting.value)) {
    return Quoted(settings.**text);
  }
  std::string list;
  for (const std::string& one :
       settings.*std::get<std::vector<std::string> Settings::*>(setting.value)) {
    list += (list.empty() ? "" : ", ") + Quoted(one);
  }
  return "[" + list + "]";
}

std::string ShownValue(const Setting& setting, const Settings& settings) {
  std::string value = WrittenValue(setting, settings);
  const size_t query = setting.secret ? value.find('?') : std::string::npos;
  return query == std::string::npos ? value : value.substr(0, query) + "?...\"";
}

std::string AllowedValues(const Setting& setting) {
  if (std::holds_alternative<int64_t Settings::*>(setting.value)) {
    return fmt::format("a whole number, {} to {}", setting.min, setting.max);
  }
  return std::holds_alternative<std::string Settings::*>(setting.value)
             ? "a text in quotes"
             : "a list of texts in quotes";
}

std::vector<SettingProblem> Problems(const Settings& settings) {
  std::vector<SettingProblem> problems;
  for (const Setting& setting : kSettings) {
    if (const auto* number = std::get_if<int64_t Settings::*>(&setting.value)) {
      const int64_t value = settings.**number;
      if (value < setting.min || value > setting.max) {
        problems.push_back({&setting, fmt::format("{} is not {}", value, AllowedValues(setting))});
      }
      continue;
    }
    if (const auto* list = std::get_if<std::vector<std::string> Settings::*>(&setting.value)) {
      CheckList(setting, settings.**list, problems);
      continue;
    }
    if (!IsSet(setting, settings) && setting.when_unset != "") continue;
    CheckPath(setting, settings.*std::get<std::string Settings::*>(setting.value), {}, problems);
    if (setting.check != nullptr) {
      const Status status =
          setting.check(settings.*std::get<std::string Settings::*>(setting.value));
      if (!status) problems.push_back({&setting, status.message()});
    }
    if (!setting.needs.empty() && !IsSet(Sibling(setting), settings)) {
      problems.push_back({&setting, fmt::format("needs {} beside it", Sibling(setting).key())});
    }
  }
  return problems;
}

Result<net::HttpServer::Options> ParseListen(const std::string& text) {
  net::HttpServer::Options options;
  const size_t colon = text.rfind(':');
  const std::string port = colon == std::string::npos ? "" : text.substr(colon + 1);
  options.host = text.substr(0, colon == std::string::npos ? 0 : colon);
  const bool bracketed =
      options.host.size() > 2 && options.host.front() == '[' && options.host.back() == ']';
  if (bracketed) options.host = options.host.substr(1, options.host.size() - 2);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), options.port);
  const bool good_host =
      !options.host.empty() && (bracketed || options.host.find(':') == std::string::npos);
  if (!good_host || port.empty() || error != std::errc() || end != port.data() + port.size()) {
    return Fail(Code::kInvalid,
                fmt::format("\"{}\" is not HOST:PORT, such as 127.0.0.1:8686 or [::1]:8686, with "
                            "a port of 0 (any free one) to 65535",
                            text));
  }
  return options;
}

Result<net::PortRange> ParseUdpPorts(const std::string& text) {
  net::PortRange range;
  if (text.empty()) return range;
  const char* end = text.data() + text.size();
  const auto [dash, first] = std::from_chars(text.data(), end, range.first);
  const bool has_dash = first == std::errc() && dash != end && *dash == '-';
  const auto [rest, last] = std::from_chars(has_dash ? dash + 1 : end, end, range.last);
  // A camera takes an even port and the next one.
  const int first_even = range.first + range.first % 2;
  if (has_dash && last == std::errc() && rest == end && range.first > 0 &&
      first_even < range.last) {
    return range;
  }
  return Fail(Code::kInvalid, fmt::format("\"{}\" is not FIRST-LAST, such as 20000-20999, with "
                                          "room for an even port and the next",
                                          text));
}

}  // namespace lookback::app
