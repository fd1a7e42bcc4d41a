// A strict subset of ATen: the same names, overloads and results, nothing of its own.
//
// A tensor is its handle, exactly as in ATen (one pointer to a TensorImpl), and whatever
// is asked of it is answered by the real ATen in bridge.cpp. So no header of torch is
// parsed here. What is missing does not compile, and the build falls back to torch's own
// headers; what compiles here must compile there and do the same.
//
// Standard headers beyond those of this file are included when the kernel names them
// (KB_WANTS_x, set by lean.py), as torch's headers bring them all.
#pragma once
#pragma GCC system_header
#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>
#ifdef KB_WANTS_climits
#include <climits>
#endif
#ifdef KB_WANTS_cstdio
#include <cstdio>
#endif
#ifdef KB_WANTS_cstdlib
#include <cstdlib>
#endif
#ifdef KB_WANTS_cstring
#include <cstring>
#endif
#ifdef KB_WANTS_functional
#include <functional>
#endif
#ifdef KB_WANTS_iostream
#include <iostream>
#endif
#ifdef KB_WANTS_map
#include <map>
#endif
#ifdef KB_WANTS_memory
#include <memory>
#endif
#ifdef KB_WANTS_mutex
#include <mutex>
#endif
#ifdef KB_WANTS_numeric
#include <numeric>
#endif
#ifdef KB_WANTS_sstream
#include <sstream>
#endif
#ifdef KB_WANTS_unordered_map
#include <unordered_map>
#endif
#if defined(KB_WANTS_cuda_half) && defined(__CUDACC__)
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#endif
#ifdef KB_WANTS_half
#include <c10/util/BFloat16.h>
#include <c10/util/Half.h>
#endif

// inline namespaces: a kernel that declares one of these names itself gets an error
// here instead of another meaning.
namespace c10 {
namespace cuda {}
using std::make_optional;
using std::nullopt;
using std::optional;
inline namespace kb {

enum class ScalarType : int8_t {
  Byte = 0, Char = 1, Short = 2, Int = 3, Long = 4, Half = 5, Float = 6, Double = 7,
  Bool = 11, BFloat16 = 15
};
constexpr ScalarType kByte = ScalarType::Byte, kChar = ScalarType::Char,
                     kShort = ScalarType::Short, kInt = ScalarType::Int,
                     kLong = ScalarType::Long, kHalf = ScalarType::Half,
                     kFloat = ScalarType::Float, kDouble = ScalarType::Double,
                     kBool = ScalarType::Bool, kBFloat16 = ScalarType::BFloat16;
enum class DeviceType : int8_t { CPU = 0, CUDA = 1, Meta = 14 };
constexpr DeviceType kCPU = DeviceType::CPU, kCUDA = DeviceType::CUDA,
                     kMeta = DeviceType::Meta;
enum class Layout : int8_t { Strided };
constexpr Layout kStrided = Layout::Strided;
enum class MemoryFormat : int8_t { Contiguous, Preserve, ChannelsLast, ChannelsLast3d };
using DeviceIndex = int8_t;
struct Device;
class Scalar;

// As data, for the bridge; absent fields are -1, and -128 for an absent device.
struct OptionsData {
  int8_t dtype = -1, layout = -1, device = -128, index = -1;
  int8_t requires_grad = -1, pinned = -1, memory_format = -1;
};

}  // namespace kb
}  // namespace c10

namespace caffe2 {
inline namespace kb {

// Which element type, as Tensor::dtype() says it.
class TypeMeta {
 public:
  c10::ScalarType toScalarType() const { return type_; }
  friend bool operator==(TypeMeta a, TypeMeta b) { return a.type_ == b.type_; }
  friend bool operator!=(TypeMeta a, TypeMeta b) { return a.type_ != b.type_; }

 private:
  friend struct Access;
  explicit TypeMeta(c10::ScalarType type) : type_(type) {}
  c10::ScalarType type_;
};
struct Access {
  static TypeMeta meta(c10::ScalarType type) { return TypeMeta(type); }
};

}  // namespace kb
}  // namespace caffe2

namespace at {
namespace cuda { using namespace c10::cuda; }
using namespace c10;
inline namespace kb { class Tensor; }
}  // namespace at

// What bridge.cpp answers. Results are made in place at `out`, as real tensors.
extern "C" {
[[noreturn]] void kb_check_fail(const char* function, const char* file, uint32_t line,
                                void* message);
[[noreturn]] void kb_not_implemented(const char* function, const char* file,
                                     uint32_t line, void* message);
void* kb_message();
void kb_message_text(void*, const char*);
void kb_message_string(void*, const char*, size_t);
void kb_message_character(void*, char);
void kb_message_integer(void*, long long);
void kb_message_natural(void*, unsigned long long);
void kb_message_real(void*, double);
void kb_message_sizes(void*, const int64_t*, size_t);
void kb_message_scalar_type(void*, int8_t);
void kb_message_type_meta(void*, int8_t);
void kb_message_device_type(void*, int8_t);
void kb_message_device(void*, int8_t, int8_t);

void kb_device(const char*, size_t, int8_t* type, int8_t* index);
int8_t kb_default_dtype();
void* kb_undefined();
bool kb_defined(const at::Tensor*);
void kb_retain(void*);
void kb_release(void*);
int64_t kb_numel(const at::Tensor*);
int64_t kb_dim(const at::Tensor*);
int64_t kb_size(const at::Tensor*, int64_t);
int64_t kb_stride(const at::Tensor*, int64_t);
const int64_t* kb_sizes(const at::Tensor*, size_t*);
const int64_t* kb_strides(const at::Tensor*, size_t*);
int64_t kb_storage_offset(const at::Tensor*);
size_t kb_itemsize(const at::Tensor*);
size_t kb_nbytes(const at::Tensor*);
bool kb_is_contiguous(const at::Tensor*, int8_t memory_format);
bool kb_requires_grad(const at::Tensor*);
int8_t kb_scalar_type(const at::Tensor*);
void kb_device_of(const at::Tensor*, int8_t* type, int8_t* index);
int8_t kb_get_device(const at::Tensor*);
bool kb_is_same(const at::Tensor*, const at::Tensor*);
void kb_options(const at::Tensor*, c10::OptionsData*);
void* kb_data(const at::Tensor*);
const void* kb_const_data(const at::Tensor*);
void* kb_mutable_data(const at::Tensor*);
void* kb_data_as(const at::Tensor*, int8_t dtype);
const void* kb_const_data_as(const at::Tensor*, int8_t dtype);
void* kb_mutable_data_as(const at::Tensor*, int8_t dtype);
void kb_item(const at::Tensor*, int8_t dtype, void* out);

void kb_empty(void* out, const int64_t*, size_t, const c10::OptionsData*, int8_t format);
void kb_zeros(void* out, const int64_t*, size_t, const c10::OptionsData*);
void kb_ones(void* out, const int64_t*, size_t, const c10::OptionsData*);
void kb_full(void* out, const int64_t*, size_t, const c10::Scalar*,
             const c10::OptionsData*);
void kb_empty_like(void* out, const at::Tensor*, const c10::OptionsData*, int8_t format);
void kb_zeros_like(void* out, const at::Tensor*, const c10::OptionsData*, int8_t format);
void kb_ones_like(void* out, const at::Tensor*, const c10::OptionsData*, int8_t format);
void kb_full_like(void* out, const at::Tensor*, const c10::Scalar*,
                  const c10::OptionsData*, int8_t format);

void kb_contiguous(void* out, const at::Tensor*, int8_t memory_format);
void kb_clone(void* out, const at::Tensor*, int8_t memory_format);
void kb_detach(void* out, const at::Tensor*);
void kb_cpu(void* out, const at::Tensor*);
void kb_cuda(void* out, const at::Tensor*);
void kb_t(void* out, const at::Tensor*);
void kb_view(void* out, const at::Tensor*, const int64_t*, size_t);
void kb_reshape(void* out, const at::Tensor*, const int64_t*, size_t);
void kb_expand(void* out, const at::Tensor*, const int64_t*, size_t);
void kb_permute(void* out, const at::Tensor*, const int64_t*, size_t);
void kb_repeat(void* out, const at::Tensor*, const int64_t*, size_t);
void kb_view_as(void* out, const at::Tensor*, const at::Tensor*);
void kb_expand_as(void* out, const at::Tensor*, const at::Tensor*);
void kb_transpose(void* out, const at::Tensor*, int64_t, int64_t);
void kb_unsqueeze(void* out, const at::Tensor*, int64_t);
void kb_squeeze(void* out, const at::Tensor*);
void kb_squeeze_dim(void* out, const at::Tensor*, int64_t);
void kb_select(void* out, const at::Tensor*, int64_t, int64_t);
void kb_narrow(void* out, const at::Tensor*, int64_t, int64_t, int64_t);
void kb_flatten(void* out, const at::Tensor*, int64_t, int64_t);
void kb_to_options(void* out, const at::Tensor*, const c10::OptionsData*, bool, bool,
                   int8_t format);
void kb_to_dtype(void* out, const at::Tensor*, int8_t, bool, bool, int8_t format);
void kb_copy(const at::Tensor*, const at::Tensor*, bool);
void kb_zero(const at::Tensor*);
void kb_fill(const at::Tensor*, const c10::Scalar*);
void kb_matmul(void* out, const at::Tensor*, const at::Tensor*);
void kb_mm(void* out, const at::Tensor*, const at::Tensor*);
void kb_bmm(void* out, const at::Tensor*, const at::Tensor*);
void kb_sum(void* out, const at::Tensor*, int8_t dtype);
void kb_mean(void* out, const at::Tensor*, int8_t dtype);
}

namespace c10 {
inline namespace kb {

template <typename T>
class ArrayRef {
 public:
  using iterator = const T*;
  using const_iterator = const T*;
  using size_type = size_t;
  using value_type = T;

  constexpr ArrayRef() : data_(nullptr), size_(0) {}
  constexpr ArrayRef(const T& one) : data_(&one), size_(1) {}
  constexpr ArrayRef(const T* data, size_t size) : data_(data), size_(size) {}
  constexpr ArrayRef(const T* begin, const T* end) : data_(begin), size_(end - begin) {}
  template <typename A>
  ArrayRef(const std::vector<T, A>& vector) : data_(vector.data()), size_(vector.size()) {
    static_assert(!std::is_same_v<T, bool>);
  }
  template <size_t N>
  constexpr ArrayRef(const std::array<T, N>& array) : data_(array.data()), size_(N) {}
  template <size_t N>
  constexpr ArrayRef(const T (&array)[N]) : data_(array), size_(N) {}
  constexpr ArrayRef(const std::initializer_list<T>& list)
      : data_(list.begin() == list.end() ? nullptr : list.begin()), size_(list.size()) {}

  constexpr iterator begin() const { return data_; }
  constexpr iterator end() const { return data_ + size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr const T* data() const { return data_; }
  constexpr size_t size() const { return size_; }
  constexpr const T& operator[](size_t index) const { return data_[index]; }
  constexpr bool equals(ArrayRef other) const {
    return size_ == other.size_ && std::equal(begin(), end(), other.begin());
  }
  std::vector<T> vec() const { return std::vector<T>(data_, data_ + size_); }
  friend bool operator==(ArrayRef a, ArrayRef b) { return a.equals(b); }
  friend bool operator!=(ArrayRef a, ArrayRef b) { return !a.equals(b); }

  template <typename U>
  std::enable_if_t<std::is_same_v<U, T>, ArrayRef<T>>& operator=(U&&) = delete;
  template <typename U>
  std::enable_if_t<std::is_same_v<U, T>, ArrayRef<T>>& operator=(
      std::initializer_list<U>) = delete;

 private:
  const T* data_;
  size_t size_;
};
using IntArrayRef = ArrayRef<int64_t>;

struct Device final {
  using Type = DeviceType;
  Device(DeviceType type, DeviceIndex index = -1) : type_(type), index_(index) {}
  Device(const std::string& text) {
    int8_t type;
    kb_device(text.data(), text.size(), &type, &index_);
    type_ = static_cast<DeviceType>(type);
  }
  bool operator==(const Device& other) const noexcept {
    return type_ == other.type_ && index_ == other.index_;
  }
  bool operator!=(const Device& other) const noexcept { return !(*this == other); }
  DeviceType type() const noexcept { return type_; }
  DeviceIndex index() const noexcept { return index_; }
  bool has_index() const noexcept { return index_ != -1; }
  bool is_cuda() const noexcept { return type_ == DeviceType::CUDA; }
  bool is_cpu() const noexcept { return type_ == DeviceType::CPU; }

 private:
  DeviceType type_;
  DeviceIndex index_;
};

// The text of a failed check, streamed in the bridge as c10::str would.
namespace kb_detail {
struct Message {
  void* text = kb_message();
  void add(const char* value) { kb_message_text(text, value); }
  void add(const std::string& value) {
    kb_message_string(text, value.data(), value.size());
  }
  void add(char value) { kb_message_character(text, value); }
  void add(bool value) { kb_message_integer(text, value); }
  void add(short value) { kb_message_integer(text, value); }
  void add(int value) { kb_message_integer(text, value); }
  void add(long value) { kb_message_integer(text, value); }
  void add(long long value) { kb_message_integer(text, value); }
  void add(unsigned short value) { kb_message_natural(text, value); }
  void add(unsigned value) { kb_message_natural(text, value); }
  void add(unsigned long value) { kb_message_natural(text, value); }
  void add(unsigned long long value) { kb_message_natural(text, value); }
  void add(float value) { kb_message_real(text, value); }
  void add(double value) { kb_message_real(text, value); }
  void add(IntArrayRef value) { kb_message_sizes(text, value.data(), value.size()); }
  void add(ScalarType value) { kb_message_scalar_type(text, static_cast<int8_t>(value)); }
  void add(caffe2::TypeMeta value) {
    kb_message_type_meta(text, static_cast<int8_t>(value.toScalarType()));
  }
  void add(DeviceType value) { kb_message_device_type(text, static_cast<int8_t>(value)); }
  void add(Device value) {
    kb_message_device(text, static_cast<int8_t>(value.type()), value.index());
  }
  template <typename T>
  void add(const T&) = delete;
};
template <typename... Pieces>
void* message(const char*, const Pieces&... pieces) {
  Message made;
  (made.add(pieces), ...);
  return made.text;
}
inline void* message(const char* unsaid) {
  Message made;
  made.add(unsaid);
  return made.text;
}
}  // namespace kb_detail
}  // namespace kb
}  // namespace c10

#define KB_MESSAGE(cond, ...)                                                   \
  ::c10::kb_detail::message("Expected " #cond                                      \
                         " to be true, but got false.  "                        \
                         "(Could this error message be improved?  If so, "      \
                         "please report an enhancement request to PyTorch.)",   \
                         ##__VA_ARGS__)
#define TORCH_CHECK(cond, ...)                                                  \
  if (__builtin_expect(static_cast<bool>(!(cond)), 0)) {                        \
    ::kb_check_fail(__func__, __FILE__, static_cast<uint32_t>(__LINE__),        \
                    KB_MESSAGE(cond, ##__VA_ARGS__));                           \
  }
#define AT_ERROR(...)                                                           \
  do {                                                                          \
    ::kb_check_fail(__func__, __FILE__, static_cast<uint32_t>(__LINE__),        \
                    ::c10::kb_detail::message(nullptr, __VA_ARGS__));              \
  } while (false)

namespace c10 {
inline namespace kb {

inline bool operator==(ScalarType a, caffe2::TypeMeta b) { return b.toScalarType() == a; }
inline bool operator==(caffe2::TypeMeta a, ScalarType b) { return a.toScalarType() == b; }
inline bool operator!=(ScalarType a, caffe2::TypeMeta b) { return !(a == b); }
inline bool operator!=(caffe2::TypeMeta a, ScalarType b) { return !(a == b); }
inline ScalarType typeMetaToScalarType(caffe2::TypeMeta type) {
  return type.toScalarType();
}
inline caffe2::TypeMeta scalarTypeToTypeMeta(ScalarType type) {
  return caffe2::Access::meta(type);
}

// The element types whose data a tensor hands out; no others are defined in torch.
template <typename T>
struct ElementType;
#define KB_ELEMENT(T, name)                                   \
  template <>                                                 \
  struct ElementType<T> {                                     \
    static constexpr ScalarType value = ScalarType::name;     \
  };
KB_ELEMENT(uint8_t, Byte)
KB_ELEMENT(int8_t, Char)
KB_ELEMENT(int16_t, Short)
KB_ELEMENT(int, Int)
KB_ELEMENT(int64_t, Long)
KB_ELEMENT(float, Float)
KB_ELEMENT(double, Double)
KB_ELEMENT(bool, Bool)
#ifdef KB_WANTS_half
KB_ELEMENT(Half, Half)
KB_ELEMENT(BFloat16, BFloat16)
#endif
#undef KB_ELEMENT

// A number and its kind, as data for the bridge.
class Scalar {
 public:
  Scalar(uint8_t value) : Scalar('i', value) {}
  Scalar(int8_t value) : Scalar('i', value) {}
  Scalar(int16_t value) : Scalar('i', value) {}
  Scalar(int value) : Scalar('i', value) {}
  Scalar(int64_t value) : Scalar('i', value) {}
  Scalar(long long value) : Scalar('i', static_cast<int64_t>(value)) {}
  Scalar(uint16_t value) : Scalar('i', value) {}
  Scalar(uint32_t value) : Scalar('i', value) {}
  Scalar(float value) : kind_('d'), real_(value) {}
  Scalar(double value) : kind_('d'), real_(value) {}
#ifdef KB_WANTS_half
  Scalar(Half value) : kind_('d'), real_(static_cast<float>(value)) {}
  Scalar(BFloat16 value) : kind_('d'), real_(static_cast<float>(value)) {}
#endif
  template <typename T, typename std::enable_if_t<std::is_same_v<T, bool>, bool>* = nullptr>
  Scalar(T value) : Scalar('b', value) {}

 private:
  Scalar(char kind, int64_t value) : kind_(kind), integer_(value) {}
  char kind_;
  union {
    int64_t integer_;
    double real_;
  };
};

struct TensorOptions {
  TensorOptions() = default;
  TensorOptions(Layout layout) { data.layout = static_cast<int8_t>(layout); }
  template <typename T,
            typename = std::enable_if_t<std::is_same_v<std::decay_t<T>, Device>>>
  TensorOptions(T&& device) {
    set(device);
  }
  template <typename... Args,
            typename = std::enable_if_t<std::is_constructible_v<Device, Args&&...>>>
  TensorOptions(Args&&... args) : TensorOptions(Device(std::forward<Args>(args)...)) {}
  TensorOptions(caffe2::TypeMeta dtype) : TensorOptions(dtype.toScalarType()) {}
  TensorOptions(ScalarType dtype) { data.dtype = static_cast<int8_t>(dtype); }

  [[nodiscard]] TensorOptions device(std::optional<Device> device) const noexcept {
    TensorOptions made = *this;
    made.data.device = -128;
    if (device) made.set(*device);
    return made;
  }
  template <typename... Args>
  [[nodiscard]] TensorOptions device(Args&&... args) const noexcept {
    return device(std::optional<Device>(std::in_place, std::forward<Args>(args)...));
  }
  [[nodiscard]] TensorOptions dtype(std::optional<caffe2::TypeMeta> dtype) const noexcept {
    TensorOptions made = *this;
    made.data.dtype = dtype ? static_cast<int8_t>(dtype->toScalarType()) : -1;
    return made;
  }
  [[nodiscard]] TensorOptions dtype(std::optional<ScalarType> dtype) const noexcept {
    TensorOptions made = *this;
    made.data.dtype = dtype ? static_cast<int8_t>(*dtype) : -1;
    return made;
  }
  [[nodiscard]] TensorOptions layout(std::optional<Layout> layout) const noexcept {
    TensorOptions made = *this;
    made.data.layout = layout ? static_cast<int8_t>(*layout) : -1;
    return made;
  }
  [[nodiscard]] TensorOptions requires_grad(std::optional<bool> wanted) const noexcept {
    TensorOptions made = *this;
    made.data.requires_grad = wanted ? *wanted : -1;
    return made;
  }
  [[nodiscard]] TensorOptions pinned_memory(std::optional<bool> wanted) const noexcept {
    TensorOptions made = *this;
    made.data.pinned = wanted ? *wanted : -1;
    return made;
  }
  Device device() const noexcept {
    if (data.device == -128) return Device(DeviceType::CPU);
    return Device(static_cast<DeviceType>(data.device), data.index);
  }
  caffe2::TypeMeta dtype() const noexcept {
    return scalarTypeToTypeMeta(
        static_cast<ScalarType>(data.dtype == -1 ? kb_default_dtype() : data.dtype));
  }

  OptionsData data;

 private:
  void set(const Device& device) {
    data.device = static_cast<int8_t>(device.type());
    data.index = device.index();
  }
};

inline TensorOptions dtype(caffe2::TypeMeta dtype) { return TensorOptions().dtype(dtype); }
inline TensorOptions dtype(ScalarType dtype) { return TensorOptions().dtype(dtype); }
inline TensorOptions layout(Layout layout) { return TensorOptions().layout(layout); }
inline TensorOptions device(Device device) { return TensorOptions().device(device); }
inline TensorOptions requires_grad(bool wanted = true) {
  return TensorOptions().requires_grad(wanted);
}

}  // namespace kb
}  // namespace c10

namespace at {
inline namespace kb {

#define KB_MAKE(call)            \
  Tensor made{Tensor::Unmade{}}; \
  call;                          \
  return made;

using KbFormat = std::optional<MemoryFormat>;
inline int8_t kb_format(KbFormat format) {
  return format ? static_cast<int8_t>(*format) : -1;
}

class Tensor {
 public:
  struct Unmade {};
  explicit Tensor(Unmade) {}
  Tensor() : impl_(kb_undefined()) {}
  Tensor(const Tensor& other) : impl_(other.impl_) { kb_retain(impl_); }
  Tensor(Tensor&& other) noexcept : impl_(other.impl_) { other.impl_ = kb_undefined(); }
  Tensor& operator=(const Tensor& other) & {
    Tensor copy(other);
    std::swap(impl_, copy.impl_);
    return *this;
  }
  Tensor& operator=(Tensor&& other) & noexcept {
    Tensor taken(std::move(other));
    std::swap(impl_, taken.impl_);
    return *this;
  }
  ~Tensor() { kb_release(impl_); }

  bool defined() const { return kb_defined(this); }
  int64_t numel() const { return kb_numel(this); }
  int64_t dim() const { return kb_dim(this); }
  int64_t ndimension() const { return dim(); }
  int64_t size(int64_t dim) const { return kb_size(this, dim); }
  int64_t stride(int64_t dim) const { return kb_stride(this, dim); }
  IntArrayRef sizes() const {
    size_t count;
    const int64_t* sizes = kb_sizes(this, &count);
    return IntArrayRef(sizes, count);
  }
  IntArrayRef strides() const {
    size_t count;
    const int64_t* strides = kb_strides(this, &count);
    return IntArrayRef(strides, count);
  }
  int64_t storage_offset() const { return kb_storage_offset(this); }
  size_t itemsize() const { return kb_itemsize(this); }
  int64_t element_size() const { return static_cast<int64_t>(itemsize()); }
  size_t nbytes() const { return kb_nbytes(this); }
  bool is_contiguous(MemoryFormat format = MemoryFormat::Contiguous) const {
    return kb_is_contiguous(this, static_cast<int8_t>(format));
  }
  bool is_same(const Tensor& other) const noexcept { return kb_is_same(this, &other); }
  bool requires_grad() const { return kb_requires_grad(this); }
  ScalarType scalar_type() const { return static_cast<ScalarType>(kb_scalar_type(this)); }
  caffe2::TypeMeta dtype() const { return scalarTypeToTypeMeta(scalar_type()); }
  Device device() const {
    int8_t type, index;
    kb_device_of(this, &type, &index);
    return Device(static_cast<DeviceType>(type), index);
  }
  DeviceIndex get_device() const { return kb_get_device(this); }
  bool is_cuda() const { return device().is_cuda(); }
  bool is_cpu() const { return device().is_cpu(); }
  TensorOptions options() const {
    TensorOptions made;
    kb_options(this, &made.data);
    return made;
  }

  void* data_ptr() const { return kb_data(this); }
  const void* const_data_ptr() const { return kb_const_data(this); }
  void* mutable_data_ptr() const { return kb_mutable_data(this); }
  template <typename T>
  T* data_ptr() const {
    return static_cast<T*>(kb_data_as(this, static_cast<int8_t>(ElementType<T>::value)));
  }
  template <typename T, std::enable_if_t<!std::is_const_v<T>, int> = 0>
  const T* const_data_ptr() const {
    return static_cast<const T*>(
        kb_const_data_as(this, static_cast<int8_t>(ElementType<T>::value)));
  }
  template <typename T>
  T* mutable_data_ptr() const {
    return static_cast<T*>(
        kb_mutable_data_as(this, static_cast<int8_t>(ElementType<T>::value)));
  }
  template <typename T>
  T item() const {
    T made;
    kb_item(this, static_cast<int8_t>(ElementType<T>::value), &made);
    return made;
  }

  Tensor contiguous(MemoryFormat format = MemoryFormat::Contiguous) const {
    KB_MAKE(kb_contiguous(&made, this, static_cast<int8_t>(format)))
  }
  Tensor clone(KbFormat format = std::nullopt) const {
    KB_MAKE(kb_clone(&made, this, kb_format(format)))
  }
  Tensor detach() const { KB_MAKE(kb_detach(&made, this)) }
  Tensor cpu() const { KB_MAKE(kb_cpu(&made, this)) }
  Tensor cuda() const { KB_MAKE(kb_cuda(&made, this)) }
  Tensor t() const { KB_MAKE(kb_t(&made, this)) }
  Tensor view(IntArrayRef size) const {
    KB_MAKE(kb_view(&made, this, size.data(), size.size()))
  }
  Tensor view(ScalarType) const = delete;
  Tensor reshape(IntArrayRef size) const {
    KB_MAKE(kb_reshape(&made, this, size.data(), size.size()))
  }
  Tensor expand(IntArrayRef size) const {
    KB_MAKE(kb_expand(&made, this, size.data(), size.size()))
  }
  Tensor permute(IntArrayRef dims) const {
    KB_MAKE(kb_permute(&made, this, dims.data(), dims.size()))
  }
  Tensor repeat(IntArrayRef repeats) const {
    KB_MAKE(kb_repeat(&made, this, repeats.data(), repeats.size()))
  }
  Tensor view_as(const Tensor& other) const { KB_MAKE(kb_view_as(&made, this, &other)) }
  Tensor expand_as(const Tensor& other) const { KB_MAKE(kb_expand_as(&made, this, &other)) }
  Tensor transpose(int64_t dim0, int64_t dim1) const {
    KB_MAKE(kb_transpose(&made, this, dim0, dim1))
  }
  Tensor unsqueeze(int64_t dim) const { KB_MAKE(kb_unsqueeze(&made, this, dim)) }
  Tensor squeeze() const { KB_MAKE(kb_squeeze(&made, this)) }
  Tensor squeeze(int64_t dim) const { KB_MAKE(kb_squeeze_dim(&made, this, dim)) }
  Tensor squeeze(IntArrayRef) const = delete;
  Tensor select(int64_t dim, int64_t index) const {
    KB_MAKE(kb_select(&made, this, dim, index))
  }
  Tensor narrow(int64_t dim, int64_t start, int64_t length) const {
    KB_MAKE(kb_narrow(&made, this, dim, start, length))
  }
  Tensor narrow(int64_t dim, const Tensor& start, int64_t length) const = delete;
  Tensor flatten(int64_t start = 0, int64_t end = -1) const {
    KB_MAKE(kb_flatten(&made, this, start, end))
  }
  Tensor to(TensorOptions options = {}, bool non_blocking = false, bool copy = false,
            KbFormat format = std::nullopt) const {
    KB_MAKE(kb_to_options(&made, this, &options.data, non_blocking, copy,
                          kb_format(format)))
  }
  Tensor to(Device device, ScalarType dtype, bool non_blocking = false, bool copy = false,
            KbFormat format = std::nullopt) const {
    return to(TensorOptions(device).dtype(dtype), non_blocking, copy, format);
  }
  Tensor to(ScalarType dtype, bool non_blocking = false, bool copy = false,
            KbFormat format = std::nullopt) const {
    KB_MAKE(kb_to_dtype(&made, this, static_cast<int8_t>(dtype), non_blocking, copy,
                        kb_format(format)))
  }
  Tensor to(const Tensor& other, bool = false, bool = false,
            KbFormat = std::nullopt) const = delete;

  Tensor& copy_(const Tensor& source, bool non_blocking = false) const {
    kb_copy(this, &source, non_blocking);
    return const_cast<Tensor&>(*this);
  }
  Tensor& zero_() const {
    kb_zero(this);
    return const_cast<Tensor&>(*this);
  }
  Tensor& fill_(const Scalar& value) const {
    kb_fill(this, &value);
    return const_cast<Tensor&>(*this);
  }
  Tensor& fill_(const Tensor&) const = delete;
  Tensor matmul(const Tensor& other) const { KB_MAKE(kb_matmul(&made, this, &other)) }
  Tensor mm(const Tensor& other) const { KB_MAKE(kb_mm(&made, this, &other)) }
  Tensor bmm(const Tensor& other) const { KB_MAKE(kb_bmm(&made, this, &other)) }
  Tensor sum() const { KB_MAKE(kb_sum(&made, this, -1)) }
  Tensor mean() const { KB_MAKE(kb_mean(&made, this, -1)) }

 private:
  void* impl_;
};
using TensorList = ArrayRef<Tensor>;

inline Tensor empty(IntArrayRef size, TensorOptions options = {},
                    KbFormat format = std::nullopt) {
  KB_MAKE(kb_empty(&made, size.data(), size.size(), &options.data, kb_format(format)))
}
inline Tensor zeros(IntArrayRef size, TensorOptions options = {}) {
  KB_MAKE(kb_zeros(&made, size.data(), size.size(), &options.data))
}
inline Tensor ones(IntArrayRef size, TensorOptions options = {}) {
  KB_MAKE(kb_ones(&made, size.data(), size.size(), &options.data))
}
inline Tensor full(IntArrayRef size, const Scalar& value, TensorOptions options = {}) {
  KB_MAKE(kb_full(&made, size.data(), size.size(), &value, &options.data))
}
inline Tensor empty_like(const Tensor& self, TensorOptions options = {},
                         KbFormat format = std::nullopt) {
  KB_MAKE(kb_empty_like(&made, &self, &options.data, kb_format(format)))
}
inline Tensor zeros_like(const Tensor& self, TensorOptions options = {},
                         KbFormat format = std::nullopt) {
  KB_MAKE(kb_zeros_like(&made, &self, &options.data, kb_format(format)))
}
inline Tensor ones_like(const Tensor& self, TensorOptions options = {},
                        KbFormat format = std::nullopt) {
  KB_MAKE(kb_ones_like(&made, &self, &options.data, kb_format(format)))
}
inline Tensor full_like(const Tensor& self, const Scalar& value,
                        TensorOptions options = {}, KbFormat format = std::nullopt) {
  KB_MAKE(kb_full_like(&made, &self, &value, &options.data, kb_format(format)))
}
inline Tensor matmul(const Tensor& self, const Tensor& other) { return self.matmul(other); }
inline Tensor mm(const Tensor& self, const Tensor& other) { return self.mm(other); }
inline Tensor bmm(const Tensor& self, const Tensor& other) { return self.bmm(other); }
inline Tensor sum(const Tensor& self) { return self.sum(); }
inline Tensor mean(const Tensor& self) { return self.mean(); }

inline std::optional<Device> device_of(const Tensor& tensor) {
  if (tensor.defined()) return tensor.device();
  return std::nullopt;
}
#undef KB_MAKE

}  // namespace kb
}  // namespace at

namespace kb_dispatch {
template <at::ScalarType type>
struct Element;
#define KB_ELEMENT(T, name)                 \
  template <>                               \
  struct Element<at::ScalarType::name> {    \
    using type = T;                         \
  };
KB_ELEMENT(uint8_t, Byte)
KB_ELEMENT(int8_t, Char)
KB_ELEMENT(int16_t, Short)
KB_ELEMENT(int, Int)
KB_ELEMENT(int64_t, Long)
KB_ELEMENT(float, Float)
KB_ELEMENT(double, Double)
KB_ELEMENT(bool, Bool)
#ifdef KB_WANTS_half
KB_ELEMENT(at::Half, Half)
KB_ELEMENT(at::BFloat16, BFloat16)
#endif
#undef KB_ELEMENT
}  // namespace kb_dispatch

#define AT_DISPATCH_CASE(enum_type, ...)                                           \
  case enum_type: {                                                                \
    using scalar_t [[maybe_unused]] = typename ::kb_dispatch::Element<enum_type>::type; \
    return __VA_ARGS__();                                                          \
  }
#define AT_DISPATCH_SWITCH(TYPE, NAME, ...)                                        \
  [&] {                                                                            \
    const auto& the_type = TYPE;                                                   \
    constexpr const char* at_dispatch_name = NAME;                                 \
    at::ScalarType _st = the_type;                                                 \
    _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wswitch\"")  \
    switch (_st) {                                                                 \
      __VA_ARGS__                                                                  \
      default:                                                                     \
        ::kb_not_implemented(                                                      \
            __func__, __FILE__, static_cast<uint32_t>(__LINE__),                   \
            ::c10::kb_detail::message(nullptr, '"', at_dispatch_name,                 \
                                   "\" not implemented for '", _st, "'"));         \
    }                                                                              \
    _Pragma("GCC diagnostic pop")                                                  \
  }()
#define AT_DISPATCH_CASE_FLOATING_TYPES(...)            \
  AT_DISPATCH_CASE(at::ScalarType::Double, __VA_ARGS__) \
  AT_DISPATCH_CASE(at::ScalarType::Float, __VA_ARGS__)
#define AT_DISPATCH_FLOATING_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_FLOATING_TYPES(__VA_ARGS__))
#define AT_DISPATCH_FLOATING_TYPES_AND_HALF(TYPE, NAME, ...)      \
  AT_DISPATCH_SWITCH(TYPE, NAME,                                  \
                     AT_DISPATCH_CASE_FLOATING_TYPES(__VA_ARGS__) \
                     AT_DISPATCH_CASE(at::ScalarType::Half, __VA_ARGS__))
#define AT_DISPATCH_FLOATING_TYPES_AND(SCALARTYPE, TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME,                                    \
                     AT_DISPATCH_CASE_FLOATING_TYPES(__VA_ARGS__)   \
                     AT_DISPATCH_CASE(SCALARTYPE, __VA_ARGS__))
#define AT_DISPATCH_FLOATING_TYPES_AND2(TYPE1, TYPE2, TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME,                                       \
                     AT_DISPATCH_CASE_FLOATING_TYPES(__VA_ARGS__)      \
                     AT_DISPATCH_CASE(TYPE1, __VA_ARGS__)              \
                     AT_DISPATCH_CASE(TYPE2, __VA_ARGS__))
#define AT_DISPATCH_CASE_INTEGRAL_TYPES(...)           \
  AT_DISPATCH_CASE(at::ScalarType::Byte, __VA_ARGS__)  \
  AT_DISPATCH_CASE(at::ScalarType::Char, __VA_ARGS__)  \
  AT_DISPATCH_CASE(at::ScalarType::Int, __VA_ARGS__)   \
  AT_DISPATCH_CASE(at::ScalarType::Long, __VA_ARGS__)  \
  AT_DISPATCH_CASE(at::ScalarType::Short, __VA_ARGS__)
#define AT_DISPATCH_INTEGRAL_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_INTEGRAL_TYPES(__VA_ARGS__))
#define AT_DISPATCH_CASE_ALL_TYPES(...)        \
  AT_DISPATCH_CASE_INTEGRAL_TYPES(__VA_ARGS__) \
  AT_DISPATCH_CASE_FLOATING_TYPES(__VA_ARGS__)
#define AT_DISPATCH_ALL_TYPES(TYPE, NAME, ...) \
  AT_DISPATCH_SWITCH(TYPE, NAME, AT_DISPATCH_CASE_ALL_TYPES(__VA_ARGS__))
