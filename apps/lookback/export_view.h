// apps/lookback/export_view.h: copies of clips that any player opens, made by the ffmpeg program.
//
// Invariant: a copy is named and labelled as a view; what it was made of stays as it is.
// Threads:   the command's.
// Errors:    kUnsupported when there is no ffmpeg program; kDiskFailed with what it said.
#pragma once

#include <csignal>
#include <string>

#include "base/file_system.h"

namespace lookback::app {

// The one that runs, which who is interrupted ends; 0: none.
extern volatile std::sig_atomic_t view_process;

// Whether it is there, with an encoder for H.264.
Status CheckViewProgram();
// H.264 and AAC. `to` appears whole.
Status MakeView(FileSystem& files, const std::string& from, const std::string& to);

}  // namespace lookback::app
