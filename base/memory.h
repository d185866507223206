// base/memory.h: what the allocator does with memory that was freed.
#pragma once

namespace lookback {

// Gives the pages that the allocator keeps for later back to the kernel (malloc_trim(3)). Left to
// itself it keeps the peak of every thread: one full queue or one long purge, and the process stays
// that large for weeks. Takes milliseconds, in which other threads may wait for memory; any thread.
void GiveBackFreeMemory();

}  // namespace lookback
