// apps/lookback/settings.h: what can be set of `lookback serve`: the one table from which its
// options, its file (apps/lookback/settings_file.h), the manual pages and the file that the
// package installs follow.
//
// Invariant: each setting has a default with which `serve` runs. What Problems() lets through can
//            be used, as far as that can be known without a look at files and network.
// Threads:   values.
// Errors:    a sentence that says what is allowed; whoever shows it says where the value came from.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "net/http_server.h"
#include "net/udp_socket.h"

namespace lookback::app {

struct Settings {
  std::string data;
  std::vector<std::string> volumes;
  std::string token_file;
  std::string listen = "127.0.0.1:8686";
  std::string tls_certificate;
  std::string tls_key;
  int64_t stop_grace_s = 5;
  int64_t max_import_gib = 64;
  std::string udp_ports;
  int64_t max_container_cameras = 64;
  std::string webhook;
  std::string webhook_secret_file;
  int64_t scrub_interval_days = 30;
  int64_t scrub_mib_per_second = 20;
};

struct Setting {
  using Value = std::variant<std::string Settings::*, int64_t Settings::*,
                             std::vector<std::string> Settings::*>;

  std::string_view table;       // Of the file, "http"; "" is what stands above every table.
  std::string_view name;        // In that table, "listen".
  std::string_view option;      // Of the command line, "--listen".
  std::string_view meaning;     // As --help says it.
  std::string_view when_unset;  // What holds then, of a text or list that is empty by default.
  std::string_view example;     // As it stands in a file.
  Value value;
  bool path = false;     // In a file: relative to where the file is.
  bool secret = false;   // Behind its "?" stands what no log and no screen shows.
  bool reloads = false;  // SIGHUP is enough; others take a start.
  int64_t min = 0;       // Of numbers.
  int64_t max = 0;
  std::string_view needs = "";  // Another one of the same table that has to be set with it.
  Status (*check)(const std::string& value) = nullptr;

  std::string key() const;  // "http.listen"
};

// In the order of the file.
std::span<const Setting> AllSettings();

// As a file would have it: a number, a text in quotes, a list of them.
std::string WrittenValue(const Setting& setting, const Settings& settings);
// The same for people: without what is secret.
std::string ShownValue(const Setting& setting, const Settings& settings);
// What is allowed: "0 to 3600", "a text in quotes".
std::string AllowedValues(const Setting& setting);

struct SettingProblem {
  const Setting* setting;
  std::string text;
  std::optional<size_t> element = {};  // Of a list, the one that it is about.
};
std::vector<SettingProblem> Problems(const Settings& settings);

// "127.0.0.1:8686", "[::1]:0"
Result<net::HttpServer::Options> ParseListen(const std::string& text);
// "20000-20999"; empty: any.
Result<net::PortRange> ParseUdpPorts(const std::string& text);

}  // namespace lookback::app
