#pragma once
#include <c10/cuda/CUDAException.h>

extern "C" {
int8_t kb_current_device();
int8_t kb_device_count();
}

namespace c10 {
namespace cuda {
inline namespace kb {
inline DeviceIndex current_device() { return kb_current_device(); }
inline DeviceIndex device_count() noexcept { return kb_device_count(); }
}  // namespace kb
}  // namespace cuda
}  // namespace c10
