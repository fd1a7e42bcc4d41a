// What the mini headers of c10/cuda ask, answered by c10_cuda. Built where torch has CUDA.
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>
#include <c10/cuda/CUDAStream.h>

#define KB extern "C" __attribute__((visibility("default")))

KB void kb_cuda_check(int32_t error, const char* file, const char* function,
                      uint32_t line) {
  c10::cuda::c10_cuda_check_implementation(error, file, function, line, true);
}
KB void* kb_current_stream(int8_t device, int8_t* found) {
  auto stream = c10::cuda::getCurrentCUDAStream(device);
  *found = stream.device_index();
  return stream.stream();
}
KB void* kb_default_stream(int8_t device, int8_t* found) {
  auto stream = c10::cuda::getDefaultCUDAStream(device);
  *found = stream.device_index();
  return stream.stream();
}
KB void kb_stream_synchronize(void* stream) {
  c10::cuda::stream_synchronize(static_cast<cudaStream_t>(stream));
}
KB void* kb_guard(int8_t type, int8_t index) {
  return new c10::cuda::CUDAGuard(c10::Device(static_cast<c10::DeviceType>(type), index));
}
KB void kb_guard_set(void* guard, int8_t type, int8_t index) {
  static_cast<c10::cuda::CUDAGuard*>(guard)->set_device(
      c10::Device(static_cast<c10::DeviceType>(type), index));
}
KB void kb_guard_end(void* guard) { delete static_cast<c10::cuda::CUDAGuard*>(guard); }
KB int8_t kb_current_device() { return c10::cuda::current_device(); }
KB int8_t kb_device_count() { return c10::cuda::device_count(); }
