// What mini/kb/aten.h asks, answered by ATen: built once per torch, against its headers.
//
// A kernel built with the mini headers and this library share objects by their layout:
// a tensor is one pointer, options and scalars are the plain data checked below. Operators
// are called as their inline functions call them, whose headers take longer to read.
#include <ATen/core/LegacyTypeDispatch.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/bmm_ops.h>
#include <ATen/ops/empty_ops.h>
#include <ATen/ops/empty_like_ops.h>
#include <ATen/ops/full_ops.h>
#include <ATen/ops/full_like_ops.h>
#include <ATen/ops/matmul_ops.h>
#include <ATen/ops/mean_ops.h>
#include <ATen/ops/mm_ops.h>
#include <ATen/ops/ones_ops.h>
#include <ATen/ops/ones_like_ops.h>
#include <ATen/ops/sum_ops.h>
#include <ATen/ops/zeros_ops.h>
#include <ATen/ops/zeros_like_ops.h>
#include <c10/core/DefaultDtype.h>
#include <c10/util/ParallelGuard.h>

#include <memory>
#include <sstream>

#define KB extern "C" __attribute__((visibility("default")))

using at::Tensor;
using Format = std::optional<at::MemoryFormat>;

namespace {

struct OptionsData {
  int8_t dtype, layout, device, index, requires_grad, pinned, memory_format;
};
struct ScalarData {
  char kind;
  union {
    int64_t integer;
    double real;
  };
};

#define KB_SAME(name, value) static_assert(static_cast<int>(at::name) == value)
KB_SAME(ScalarType::Byte, 0);
KB_SAME(ScalarType::Char, 1);
KB_SAME(ScalarType::Short, 2);
KB_SAME(ScalarType::Int, 3);
KB_SAME(ScalarType::Long, 4);
KB_SAME(ScalarType::Half, 5);
KB_SAME(ScalarType::Float, 6);
KB_SAME(ScalarType::Double, 7);
KB_SAME(ScalarType::Bool, 11);
KB_SAME(ScalarType::BFloat16, 15);
KB_SAME(DeviceType::CPU, 0);
KB_SAME(DeviceType::CUDA, 1);
KB_SAME(DeviceType::Meta, 14);
KB_SAME(Layout::Strided, 0);
KB_SAME(MemoryFormat::Contiguous, 0);
KB_SAME(MemoryFormat::Preserve, 1);
KB_SAME(MemoryFormat::ChannelsLast, 2);
KB_SAME(MemoryFormat::ChannelsLast3d, 3);
static_assert(sizeof(Tensor) == sizeof(void*));
static_assert(sizeof(std::optional<Tensor>) == 2 * sizeof(void*));

at::TensorOptions options_of(const OptionsData* data) {
  at::TensorOptions made;
  if (data->dtype != -1) made = made.dtype(static_cast<at::ScalarType>(data->dtype));
  if (data->layout != -1) made = made.layout(static_cast<at::Layout>(data->layout));
  if (data->device != -128) {
    made = made.device(at::Device(static_cast<at::DeviceType>(data->device), data->index));
  }
  if (data->requires_grad != -1) made = made.requires_grad(data->requires_grad == 1);
  if (data->pinned != -1) made = made.pinned_memory(data->pinned == 1);
  if (data->memory_format != -1) {
    made = made.memory_format(static_cast<at::MemoryFormat>(data->memory_format));
  }
  return made;
}

at::Scalar scalar_of(const ScalarData* data) {
  if (data->kind == 'd') return at::Scalar(data->real);
  if (data->kind == 'b') return at::Scalar(data->integer != 0);
  return at::Scalar(data->integer);
}

Format format_of(int8_t format) {
  if (format == -1) return std::nullopt;
  return static_cast<at::MemoryFormat>(format);
}

// As torch's own factories do (torch/csrc/autograd/generated/variable_factories.h).
template <typename Make>
void make(void* out, const OptionsData* data, Make&& factory) {
  at::AutoDispatchBelowADInplaceOrView guard;
  const at::TensorOptions options = options_of(data);
  auto* made = new (out) Tensor(factory(options));
  if (options.requires_grad()) made->set_requires_grad(true);
}

std::ostringstream& stream(void* message) {
  return *static_cast<std::ostringstream*>(message);
}

std::string taken(void* message) {
  std::unique_ptr<std::ostringstream> owned(static_cast<std::ostringstream*>(message));
  return owned->str();
}

}  // namespace

KB void kb_check_fail(const char* function, const char* file, uint32_t line, void* text) {
  c10::detail::torchCheckFail(function, file, line, taken(text));
}
KB void kb_not_implemented(const char* function, const char* file, uint32_t line,
                           void* text) {
  throw c10::NotImplementedError({function, file, line}, taken(text));
}
KB void* kb_message() { return new std::ostringstream; }
KB void kb_message_text(void* m, const char* text) {
  if (text != nullptr) stream(m) << text;
}
KB void kb_message_string(void* m, const char* text, size_t size) {
  stream(m) << std::string(text, size);
}
KB void kb_message_character(void* m, char value) { stream(m) << value; }
KB void kb_message_integer(void* m, long long value) { stream(m) << value; }
KB void kb_message_natural(void* m, unsigned long long value) { stream(m) << value; }
KB void kb_message_real(void* m, double value) { stream(m) << value; }
KB void kb_message_sizes(void* m, const int64_t* sizes, size_t count) {
  stream(m) << at::IntArrayRef(sizes, count);
}
KB void kb_message_scalar_type(void* m, int8_t type) {
  stream(m) << static_cast<at::ScalarType>(type);
}
KB void kb_message_type_meta(void* m, int8_t type) {
  stream(m) << c10::scalarTypeToTypeMeta(static_cast<at::ScalarType>(type));
}
KB void kb_message_device_type(void* m, int8_t type) {
  stream(m) << static_cast<at::DeviceType>(type);
}
KB void kb_message_device(void* m, int8_t type, int8_t index) {
  stream(m) << at::Device(static_cast<at::DeviceType>(type), index);
}

KB void kb_device(const char* text, size_t size, int8_t* type, int8_t* index) {
  at::Device device(std::string(text, size));
  *type = static_cast<int8_t>(device.type());
  *index = device.index();
}
KB int8_t kb_default_dtype() {
  return static_cast<int8_t>(c10::get_default_dtype_as_scalartype());
}
KB void* kb_undefined() { return c10::UndefinedTensorImpl::singleton(); }
KB bool kb_defined(const Tensor* t) { return t->defined(); }
KB void kb_retain(void* impl) {
  auto* real = static_cast<c10::TensorImpl*>(impl);
  if (real != c10::UndefinedTensorImpl::singleton()) c10::raw::intrusive_ptr::incref(real);
}
KB void kb_release(void* impl) {
  auto* real = static_cast<c10::TensorImpl*>(impl);
  if (real != c10::UndefinedTensorImpl::singleton()) c10::raw::intrusive_ptr::decref(real);
}
KB int64_t kb_numel(const Tensor* t) { return t->numel(); }
KB int64_t kb_dim(const Tensor* t) { return t->dim(); }
KB int64_t kb_size(const Tensor* t, int64_t dim) { return t->size(dim); }
KB int64_t kb_stride(const Tensor* t, int64_t dim) { return t->stride(dim); }
KB const int64_t* kb_sizes(const Tensor* t, size_t* count) {
  at::IntArrayRef sizes = t->sizes();
  *count = sizes.size();
  return sizes.data();
}
KB const int64_t* kb_strides(const Tensor* t, size_t* count) {
  at::IntArrayRef strides = t->strides();
  *count = strides.size();
  return strides.data();
}
KB int64_t kb_storage_offset(const Tensor* t) { return t->storage_offset(); }
KB size_t kb_itemsize(const Tensor* t) { return t->itemsize(); }
KB size_t kb_nbytes(const Tensor* t) { return t->nbytes(); }
KB bool kb_is_contiguous(const Tensor* t, int8_t format) {
  return t->is_contiguous(static_cast<at::MemoryFormat>(format));
}
KB bool kb_requires_grad(const Tensor* t) { return t->requires_grad(); }
KB int8_t kb_scalar_type(const Tensor* t) { return static_cast<int8_t>(t->scalar_type()); }
KB void kb_device_of(const Tensor* t, int8_t* type, int8_t* index) {
  at::Device device = t->device();
  *type = static_cast<int8_t>(device.type());
  *index = device.index();
}
KB int8_t kb_get_device(const Tensor* t) { return t->get_device(); }
KB bool kb_is_same(const Tensor* t, const Tensor* other) { return t->is_same(*other); }
KB void kb_options(const Tensor* t, OptionsData* out) {
  at::TensorOptions options = t->options();
  out->dtype = static_cast<int8_t>(c10::typeMetaToScalarType(options.dtype()));
  out->layout = static_cast<int8_t>(options.layout());
  out->device = static_cast<int8_t>(options.device().type());
  out->index = options.device().index();
}

KB void* kb_data(const Tensor* t) { return t->data_ptr(); }
KB const void* kb_const_data(const Tensor* t) { return t->const_data_ptr(); }
KB void* kb_mutable_data(const Tensor* t) { return t->mutable_data_ptr(); }
#define KB_OF_TYPE(expression)                        \
  switch (static_cast<at::ScalarType>(dtype)) {       \
    KB_CASE(uint8_t, Byte, expression)                \
    KB_CASE(int8_t, Char, expression)                 \
    KB_CASE(int16_t, Short, expression)               \
    KB_CASE(int, Int, expression)                     \
    KB_CASE(int64_t, Long, expression)                \
    KB_CASE(at::Half, Half, expression)               \
    KB_CASE(float, Float, expression)                 \
    KB_CASE(double, Double, expression)               \
    KB_CASE(bool, Bool, expression)                   \
    KB_CASE(at::BFloat16, BFloat16, expression)       \
    default:                                          \
      TORCH_CHECK(false, "not an element type");      \
  }
#define KB_CASE(T, name, expression) \
  case at::ScalarType::name: {       \
    using type = T;                  \
    expression;                      \
  }
KB void* kb_data_as(const Tensor* t, int8_t dtype) {
  KB_OF_TYPE(return t->data_ptr<type>())
}
KB const void* kb_const_data_as(const Tensor* t, int8_t dtype) {
  KB_OF_TYPE(return t->const_data_ptr<type>())
}
KB void* kb_mutable_data_as(const Tensor* t, int8_t dtype) {
  KB_OF_TYPE(return t->mutable_data_ptr<type>())
}
KB void kb_item(const Tensor* t, int8_t dtype, void* out) {
  KB_OF_TYPE(*static_cast<type*>(out) = t->item<type>(); return)
}

// What torch's inline functions do with options.
#define KB_UNPACKED                                                        \
  c10::optTypeMetaToScalarType(options.dtype_opt()), options.layout_opt(), \
      options.device_opt(), options.pinned_memory_opt()
#define KB_FORMAT                                            \
  c10::impl::check_tensor_options_and_extract_memory_format( \
      options.requires_grad(std::nullopt), format_of(format))
KB void kb_empty(void* out, const int64_t* sizes, size_t count, const OptionsData* data,
                 int8_t format) {
  make(out, data, [&](const at::TensorOptions& options) {
    return at::_ops::empty_memory_format::call(c10::fromIntArrayRefSlow({sizes, count}),
                                               KB_UNPACKED, KB_FORMAT);
  });
}
KB void kb_zeros(void* out, const int64_t* sizes, size_t count, const OptionsData* data) {
  make(out, data, [&](const at::TensorOptions& options) {
    return at::_ops::zeros::call(c10::fromIntArrayRefSlow({sizes, count}), KB_UNPACKED);
  });
}
KB void kb_ones(void* out, const int64_t* sizes, size_t count, const OptionsData* data) {
  make(out, data, [&](const at::TensorOptions& options) {
    return at::_ops::ones::call(c10::fromIntArrayRefSlow({sizes, count}), KB_UNPACKED);
  });
}
KB void kb_full(void* out, const int64_t* sizes, size_t count, const ScalarData* value,
                const OptionsData* data) {
  make(out, data, [&](const at::TensorOptions& options) {
    return at::_ops::full::call(c10::fromIntArrayRefSlow({sizes, count}),
                                scalar_of(value), KB_UNPACKED);
  });
}
KB void kb_empty_like(void* out, const Tensor* t, const OptionsData* data, int8_t format) {
  make(out, data, [&](const at::TensorOptions& options) {
    return at::_ops::empty_like::call(*t, KB_UNPACKED, KB_FORMAT);
  });
}
KB void kb_zeros_like(void* out, const Tensor* t, const OptionsData* data, int8_t format) {
  make(out, data, [&](const at::TensorOptions& options) {
    return at::_ops::zeros_like::call(*t, KB_UNPACKED, KB_FORMAT);
  });
}
KB void kb_ones_like(void* out, const Tensor* t, const OptionsData* data, int8_t format) {
  make(out, data, [&](const at::TensorOptions& options) {
    return at::_ops::ones_like::call(*t, KB_UNPACKED, KB_FORMAT);
  });
}
KB void kb_full_like(void* out, const Tensor* t, const ScalarData* value,
                     const OptionsData* data, int8_t format) {
  make(out, data, [&](const at::TensorOptions& options) {
    return at::_ops::full_like::call(*t, scalar_of(value), KB_UNPACKED, KB_FORMAT);
  });
}

KB void kb_contiguous(void* out, const Tensor* t, int8_t format) {
  new (out) Tensor(t->contiguous(static_cast<at::MemoryFormat>(format)));
}
KB void kb_clone(void* out, const Tensor* t, int8_t format) {
  new (out) Tensor(t->clone(format_of(format)));
}
KB void kb_to_options(void* out, const Tensor* t, const OptionsData* data,
                      bool non_blocking, bool copy, int8_t format) {
  new (out) Tensor(t->to(options_of(data), non_blocking, copy, format_of(format)));
}
KB void kb_to_dtype(void* out, const Tensor* t, int8_t dtype, bool non_blocking, bool copy,
                    int8_t format) {
  new (out) Tensor(t->to(static_cast<at::ScalarType>(dtype), non_blocking, copy,
                         format_of(format)));
}
#define KB_RESULT(expression) { new (out) Tensor(expression); }
KB void kb_detach(void* out, const Tensor* t) KB_RESULT(t->detach())
KB void kb_cpu(void* out, const Tensor* t) KB_RESULT(t->cpu())
KB void kb_cuda(void* out, const Tensor* t) KB_RESULT(t->cuda())
KB void kb_t(void* out, const Tensor* t) KB_RESULT(t->t())
#define KB_SIZES const int64_t *sizes, size_t count
KB void kb_view(void* out, const Tensor* t, KB_SIZES)
    KB_RESULT(t->view(at::IntArrayRef(sizes, count)))
KB void kb_reshape(void* out, const Tensor* t, KB_SIZES)
    KB_RESULT(t->reshape(at::IntArrayRef(sizes, count)))
KB void kb_expand(void* out, const Tensor* t, KB_SIZES)
    KB_RESULT(t->expand(at::IntArrayRef(sizes, count)))
KB void kb_permute(void* out, const Tensor* t, KB_SIZES)
    KB_RESULT(t->permute(at::IntArrayRef(sizes, count)))
KB void kb_repeat(void* out, const Tensor* t, KB_SIZES)
    KB_RESULT(t->repeat(at::IntArrayRef(sizes, count)))
KB void kb_view_as(void* out, const Tensor* t, const Tensor* other)
    KB_RESULT(t->view_as(*other))
KB void kb_expand_as(void* out, const Tensor* t, const Tensor* other)
    KB_RESULT(t->expand_as(*other))
KB void kb_transpose(void* out, const Tensor* t, int64_t a, int64_t b)
    KB_RESULT(t->transpose(a, b))
KB void kb_unsqueeze(void* out, const Tensor* t, int64_t dim) KB_RESULT(t->unsqueeze(dim))
KB void kb_squeeze(void* out, const Tensor* t) KB_RESULT(t->squeeze())
KB void kb_squeeze_dim(void* out, const Tensor* t, int64_t dim) KB_RESULT(t->squeeze(dim))
KB void kb_select(void* out, const Tensor* t, int64_t dim, int64_t index)
    KB_RESULT(t->select(dim, index))
KB void kb_narrow(void* out, const Tensor* t, int64_t dim, int64_t start, int64_t length)
    KB_RESULT(t->narrow(dim, start, length))
KB void kb_flatten(void* out, const Tensor* t, int64_t start, int64_t end)
    KB_RESULT(t->flatten(start, end))
KB void kb_matmul(void* out, const Tensor* t, const Tensor* other)
    KB_RESULT(at::_ops::matmul::call(*t, *other))
KB void kb_mm(void* out, const Tensor* t, const Tensor* other)
    KB_RESULT(at::_ops::mm::call(*t, *other))
KB void kb_bmm(void* out, const Tensor* t, const Tensor* other)
    KB_RESULT(at::_ops::bmm::call(*t, *other))
std::optional<at::ScalarType> dtype_of(int8_t dtype) {
  if (dtype == -1) return std::nullopt;
  return static_cast<at::ScalarType>(dtype);
}
KB void kb_sum(void* out, const Tensor* t, int8_t dtype)
    KB_RESULT(at::_ops::sum::call(*t, dtype_of(dtype)))
KB void kb_mean(void* out, const Tensor* t, int8_t dtype)
    KB_RESULT(at::_ops::mean::call(*t, dtype_of(dtype)))
KB void kb_copy(const Tensor* t, const Tensor* source, bool non_blocking) {
  t->copy_(*source, non_blocking);
}
KB void kb_zero(const Tensor* t) { t->zero_(); }
KB void kb_fill(const Tensor* t, const ScalarData* value) { t->fill_(scalar_of(value)); }

// One thread only: what ATen/Parallel.h does where OpenMP is off.
KB void* kb_parallel_enter() { return new c10::ParallelGuard(true); }
KB void kb_parallel_leave(void* guard) { delete static_cast<c10::ParallelGuard*>(guard); }
