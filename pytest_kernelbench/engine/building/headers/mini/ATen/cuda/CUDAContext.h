#pragma once
#include <ATen/cuda/Exceptions.h>
#include <c10/cuda/CUDAStream.h>
