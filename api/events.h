// api/events.h: alarms as the API and the webhook tell them.
//
// Threads:   any.
// Errors:    none.
#pragma once

#include <string>

#include "api/alarm_watch.h"
#include "api/problem.h"

namespace lookback::api {

struct Context;

// An Event of docs/api.md.
Json EventToJson(const index::AlarmEvent& event);

// One round: looks at everything, puts on record what began and ended, and tells of it.
void LookAtAlarms(Context& context);

// The body of a webhook's request.
std::string WebhookBody(Context& context, AlarmWatch::What what, const index::AlarmEvent& event);

}  // namespace lookback::api
