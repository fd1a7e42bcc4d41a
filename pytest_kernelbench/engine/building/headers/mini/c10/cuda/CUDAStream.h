#pragma once
#include <c10/cuda/CUDAFunctions.h>

extern "C" {
void* kb_current_stream(int8_t device, int8_t* found);
void* kb_default_stream(int8_t device, int8_t* found);
void kb_stream_synchronize(void*);
}

namespace c10 {
namespace cuda {
inline namespace kb {

class CUDAStream {
 public:
  operator cudaStream_t() const { return stream_; }
  cudaStream_t stream() const { return stream_; }
  DeviceIndex device_index() const { return index_; }
  Device device() const { return Device(DeviceType::CUDA, index_); }
  void synchronize() const { kb_stream_synchronize(stream_); }
  bool operator==(const CUDAStream& other) const noexcept {
    return stream_ == other.stream_ && index_ == other.index_;
  }
  bool operator!=(const CUDAStream& other) const noexcept { return !(*this == other); }

 private:
  friend CUDAStream getCurrentCUDAStream(DeviceIndex);
  friend CUDAStream getDefaultCUDAStream(DeviceIndex);
  CUDAStream(void* (*find)(int8_t, int8_t*), DeviceIndex device)
      : stream_(static_cast<cudaStream_t>(find(device, &index_))) {}
  DeviceIndex index_;
  cudaStream_t stream_;
};

inline CUDAStream getCurrentCUDAStream(DeviceIndex device = -1) {
  return CUDAStream(kb_current_stream, device);
}
inline CUDAStream getDefaultCUDAStream(DeviceIndex device = -1) {
  return CUDAStream(kb_default_stream, device);
}

}  // namespace kb
}  // namespace cuda
}  // namespace c10
