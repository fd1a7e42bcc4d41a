#pragma once
#include <cuda.h>
#include <cuda_runtime_api.h>
#include <kb/aten.h>

extern "C" void kb_cuda_check(int32_t error, const char* file, const char* function,
                              uint32_t line);

#define C10_CUDA_CHECK(EXPR)                                                \
  do {                                                                      \
    const cudaError_t __err = EXPR;                                         \
    ::kb_cuda_check(static_cast<int32_t>(__err), __FILE__, __func__,        \
                    static_cast<uint32_t>(__LINE__));                       \
  } while (0)
#define C10_CUDA_KERNEL_LAUNCH_CHECK() C10_CUDA_CHECK(cudaGetLastError())
