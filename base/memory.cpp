#include "base/memory.h"

#include <malloc.h>

namespace lookback {

void GiveBackFreeMemory() { (void)::malloc_trim(0); }

}  // namespace lookback
