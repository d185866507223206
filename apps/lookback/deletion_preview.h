// apps/lookback/deletion_preview.h: what a change of settings would delete and thin,
// shown before it is made.
//
// Threads:   one.
// Errors:    of the server's answers.
#pragma once

#include <string>

#include "apps/lookback/command.h"

namespace lookback::app {

// A preview of the server's (docs/api.md, "retention/preview"), in hours and bytes of each camera.
Result<std::string> PreviewText(Client& client, const Json& preview);

// Whether more goes, or is thinned, than would without the change.
bool DeletesMore(const Json& preview);

// Asks the server what `change` deletes, shows it on standard error, and asks, unless `yes`. Where
// nothing more goes there is no question; where there is no terminal the answer is kInvalid, which
// says what to do.
Result<bool> AgreedToDeletion(Client& client, const Json& change, bool yes);

}  // namespace lookback::app
