// doctor/finding.h: what is wrong with the machine, the disks and the settings that a store depends
// on, and what cures it.
//
// Invariant: a finding has a check of kChecks, a sentence, and a cure. A check without a finding
//            was looked at, and is well: what could not be looked at is a finding `unknown`.
// Threads:   values.
// Errors:    none.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace lookback::doctor {

// In the order in which they are told.
enum class Severity : uint8_t {
  kError,    // Footage is lost, or will be, or the next start fails.
  kWarning,  // It will be, if something else goes wrong too.
  kUnknown,  // It could not be looked at; the sentence says why.
  kNote,     // Worth to know; nothing has to be done.
  kOk,       // Of a check: nothing of the above.
};
inline constexpr size_t kSeverities = 5;
std::string_view SeverityName(Severity severity);

// docs/cli.md has a line about each.
inline constexpr std::array<std::string_view, 21> kChecks = {
    "clock",       "volume-mount",   "volume-own-disk", "mount-at-boot", "file-system",
    "shared-disk", "data-directory", "space",           "inodes",        "promises",
    "disk-speed",  "disk-health",    "open-files",      "certificate",   "secrets",
    "file-access", "backup",         "libraries",       "cameras",       "memory",
    "service-user"};

struct Finding {
  std::string_view check;  // One of kChecks.
  Severity severity = Severity::kNote;
  std::string about;     // A volume's root, a camera's id, a file; empty: the machine.
  std::string sentence;  // What is wrong.
  std::string cure;      // What to do; `commands` stand in backquotes.

  friend bool operator==(const Finding&, const Finding&) = default;
};

// A library, by the headers that this program was built with, and as it is loaded.
struct Library {
  std::string name;
  std::string built;
  std::string running;
};

struct Report {
  TimeUs at_us = 0;               // 0: nobody has looked yet.
  std::vector<Finding> findings;  // The worst first.
  std::vector<Library> libraries;

  size_t CountOf(Severity severity) const;
  Severity StateOf(std::string_view check) const;  // The worst of its findings.
  // No error and no warning.
  bool sound() const { return CountOf(Severity::kError) + CountOf(Severity::kWarning) == 0; }
};

}  // namespace lookback::doctor
