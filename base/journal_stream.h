// base/journal_stream.h: whether lines on standard error go to systemd's journal, and what tells
// it how grave each is (sd-daemon(3)), so that `journalctl -p warning` finds those that matter.
//
// Invariant: without systemd, or where standard error was led elsewhere since, nothing is added.
// Threads:   any.
// Errors:    none; what cannot be found out is no journal.
#pragma once

#include <string_view>

#include "base/log.h"

namespace lookback {

// Whether `descriptor` is what JOURNAL_STREAM names: "DEVICE:INODE" (systemd.exec(5)).
bool IsStream(std::string_view device_and_inode, int descriptor);

// Looks once.
bool StandardErrorIsJournal();

// "<4>" for a warning; "" when standard error is no journal.
std::string_view JournalPrefix(LogLevel level);

}  // namespace lookback
