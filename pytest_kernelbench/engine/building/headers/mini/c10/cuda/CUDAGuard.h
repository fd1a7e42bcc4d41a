#pragma once
#include <c10/cuda/CUDAStream.h>

extern "C" {
void* kb_guard(int8_t type, int8_t index);
void kb_guard_set(void*, int8_t type, int8_t index);
void kb_guard_end(void*);
}

namespace c10 {
namespace cuda {
inline namespace kb {

struct CUDAGuard {
  explicit CUDAGuard() = delete;
  explicit CUDAGuard(DeviceIndex index) : CUDAGuard(Device(DeviceType::CUDA, index)) {}
  explicit CUDAGuard(Device device)
      : guard_(kb_guard(static_cast<int8_t>(device.type()), device.index())) {}
  CUDAGuard(const CUDAGuard&) = delete;
  CUDAGuard& operator=(const CUDAGuard&) = delete;
  ~CUDAGuard() { kb_guard_end(guard_); }
  void set_device(Device device) {
    kb_guard_set(guard_, static_cast<int8_t>(device.type()), device.index());
  }
  void set_index(DeviceIndex index) { set_device(Device(DeviceType::CUDA, index)); }

 private:
  void* guard_;
};

struct OptionalCUDAGuard {
  explicit OptionalCUDAGuard() = default;
  explicit OptionalCUDAGuard(std::optional<Device> device) {
    if (device) guard_.emplace(*device);
  }
  explicit OptionalCUDAGuard(std::optional<DeviceIndex> index) {
    if (index) guard_.emplace(*index);
  }
  OptionalCUDAGuard(const OptionalCUDAGuard&) = delete;
  OptionalCUDAGuard& operator=(const OptionalCUDAGuard&) = delete;

 private:
  std::optional<CUDAGuard> guard_;
};

}  // namespace kb
}  // namespace cuda
}  // namespace c10
