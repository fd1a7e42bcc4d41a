// at::parallel_for where OpenMP is off, which runs everything in the calling thread.
#pragma once
#include <kb/aten.h>
#ifdef _OPENMP
#error "with OpenMP, ATen's own header is needed"
#endif

extern "C" {
void* kb_parallel_enter();
void kb_parallel_leave(void*);
}

namespace at {
inline namespace kb {

struct KbParallelRegion {
  void* guard = kb_parallel_enter();
  ~KbParallelRegion() { kb_parallel_leave(guard); }
};

template <class F>
inline void parallel_for(const int64_t begin, const int64_t end, const int64_t grain_size,
                         const F& f) {
  (void)grain_size;
  if (begin >= end) return;
  KbParallelRegion region;
  f(begin, end);
}

}  // namespace kb
}  // namespace at
