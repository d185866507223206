// apps/lookback/settings_check.h: what of settings this machine alone can tell: whether a start
// gets its address, can make its directories, and can read its files.
//
// Invariant: nothing is changed. What a store knows as a volume is not looked at: where its disk is
//            away, a start goes on without it.
// Threads:   any; what asks a resolver or a disk waits for it.
// Errors:    none; what is wrong is told.
#pragma once

#include <string>
#include <vector>

#include "apps/lookback/settings.h"
#include "base/file_system.h"
#include "doctor/service.h"

namespace lookback::app {

struct MachineProblem {
  SettingProblem problem;
  bool note = false;  // A start goes on.
  int exit = 0;       // With which a start would end.
};

// `settings` have passed Problems(), and have a data directory. `service`:
// whom the start is to run as.
std::vector<MachineProblem> ProblemsHere(const Settings& settings, const doctor::Service& service,
                                         doctor::Machine& machine, FileSystem& files);

// Of a "HOST:PORT" that ParseListen() takes: whether a server of this machine can have the host.
Status CheckListenHost(const std::string& listen);

}  // namespace lookback::app
