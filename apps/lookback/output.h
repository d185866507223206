// apps/lookback/output.h: how the command line speaks: one JSON document or aligned text on
// standard output, sentences and progress on standard error, an exit code that scripts count on.
//
// Invariant: what a camera, a server or a disk said is printed without control characters.
// Threads:   the command's own.
// Errors:    none of its own; it is where the others' become sentences.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/json_members.h"
#include "base/bytes.h"
#include "base/result.h"
#include "base/time.h"
#include "base/time_zone.h"

namespace lookback::app {

using api::FlagOf;
using api::Json;
using api::ListOf;
using api::NumberOf;
using api::TextOf;
using api::TimeOf;
using api::WordsOf;

// docs/cli.md and kExitCodesHelp say the same.
enum ExitCode : int {
  kExitOk = 0,
  kExitNegative = 1,  // The answer is no: fsck has findings, a clip is not complete as required.
  kExitUsage = 2,
  kExitNotFound = 3,
  kExitDenied = 4,  // No right or permission, or what is there forbids it.
  kExitUnavailable = 5,
  kExitDisk = 6,           // Full, failing or corrupt.
  kExitNewerFormat = 7,    // And other things that this build does not handle.
  kExitOtherStore = 8,     // `serve`, `fsck`, `rebuild`: the directory is not this store's.
  kExitAddressInUse = 9,   // `serve`.
  kExitInterrupted = 130,  // `export`: what came so far can be gone on with.
};
inline constexpr std::string_view kExitCodesHelp =
    "Exit codes: 0 ok; 1 the answer is negative (findings; incomplete though --require-complete);\n"
    "2 wrong usage; 3 not found; 4 denied; 5 unavailable; 6 disk full, failing or corrupt;\n7 "
    "newer "
    "format or unsupported; 8 not this store's directory; 9 address in use; 130 interrupted.";

int ExitCodeOf(Code code);
// Of its code, except that what the system did not permit is kExitDenied.
int ExitCodeOf(const Error& error);

// Prints "lookback: SENTENCE" on standard error.
void Complain(std::string_view sentence);
// The same for an error; its exit code.
int Failed(const Error& error);

void PrintJson(const Json& json);
void PrintText(std::string_view text);  // As is, on standard output.
Status WriteOut(ByteSpan bytes);        // The same, where nothing may get lost.

// Without control characters, and valid UTF-8.
std::string Printable(std::string_view text);
// Columns on a terminal: East Asian wide characters take two.
size_t DisplayWidth(std::string_view text);

// Of the terminal on standard output; 0: there is none.
size_t ScreenColumns();

class Table {
 public:
  explicit Table(std::vector<std::string> head) { rows_.push_back(std::move(head)); }
  void Add(std::vector<std::string> row);
  bool empty() const { return rows_.size() == 1; }
  std::string Text() const;  // One line a row, columns aligned.
  // The same; a paragraph a row where the last column's heading would not fit (0:
  // there is no limit).
  std::string TextFor(size_t columns) const;

 private:
  std::vector<size_t> Widths() const;
  std::string Paragraphs() const;

  std::vector<std::vector<std::string>> rows_;
};

// "301.0 MB"; "-" where it is not there.
std::string BytesText(const Json& json, const char* name);
// A number of the answer with what it counts: "1 segment". What is not there is 0.
std::string CountOf(const Json& json, const char* name, std::string_view noun,
                    std::string_view plural = {});
// On a screen durations and times always have milliseconds, so that columns stand. Both are
// rounded, so that they go together.
std::string ScreenDuration(int64_t duration_us);                 // "1 h 02 min 03.456 s"
std::string ScreenTime(TimeUs time_us, const TimeZone& zone);    // "2026-05-04T22:00:00.000+08:00"
std::string ScreenRange(TimeRange range, const TimeZone& zone);  // "… to …"

// ScreenTime; `otherwise` when it is absent or null.
std::string LocalTimeOf(const Json& json, const char* name, const TimeZone& zone,
                        std::string_view otherwise = "-");

// How often a line of progress is written anew, and the server asked for what it shows.
inline constexpr int64_t kProgressEveryUs = kUsPerSecond / 10;
inline constexpr std::chrono::milliseconds kPollEvery{250};
// One line on standard error that is written over, when that is a terminal.
class ProgressLine {
 public:
  ProgressLine();
  ~ProgressLine();  // Wipes it.
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  bool shown() const { return shown_; }
  void Update(std::string_view text);

 private:
  const bool shown_;
  size_t width_ = 0;
};

}  // namespace lookback::app
