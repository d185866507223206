// apps/lookback/store_place.h: the data directory that a command without a server works on, and
// what is told where that is not the right one, or not open to who runs it.
//
// Invariant: nothing is made or changed here. Root's own home is no place for a store: whoever is
//            root has to say where one is to be made.
// Threads:   main's.
// Errors:    kNotFound, kInvalid: there is no store, with the place that was
//            meant where it is known.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "base/file_system.h"

namespace lookback::app {

// For --data: an empty one is most often a variable of a script that is not set.
CLI::Validator NamesDirectory();

// What --data said, else the default; a store is there.
Result<std::string> StoreOf(const std::string& said, FileSystem& files);
// The same, where a store is to be made.
Result<std::string> PlaceForStore(const std::string& said, FileSystem& files);

// Refuses root where the store is another user's, who could not read the files
// that root makes there.
Status CheckNotRootsFiles(const std::string& data);

// Tells why nothing became of the work on `data`, and who is permitted to do it; the exit code.
// kInvalid is the directory's fault here, not the command line's.
int StoreFailed(const Error& error, const std::string& data);

}  // namespace lookback::app
