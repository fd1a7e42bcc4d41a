// PYBIND11_MODULE and m.def() for plain functions. Conversions of arguments and results,
// overloads, messages and docstrings are pybind11's own, at work in bridge.cpp: here a
// function is only taken apart into the kinds of its arguments and a call through them.
#pragma once
#pragma GCC system_header
#include <kb/torch.h>

extern "C" {
struct KbArgument {
  const char* name;
  int kind;  // of the default value, 0 where there is none
  const void* value;
};
struct KbFunction {
  void (*call)(void* function, void** arguments, void* sink);
  void* function;
  const int* kinds;
  int count;
  const int* results;
  int result_count;  // -1 for a single value, otherwise the length of a tuple
  bool wrapped;
};
void kb_return(void* sink, int kind, void* value);
void kb_return_nothing(void* sink);
void kb_define(void* module, const char* name, const char* doc, const KbFunction*,
               const KbArgument*, int count);
void* kb_module(const char* name, void (*fill)(void*));
}

namespace kb_bind {

template <typename T>
struct Kind;
#define KB_KIND(T, number)                   \
  template <>                                \
  struct Kind<T> {                           \
    static constexpr int value = number;     \
  };
KB_KIND(at::Tensor, 1)
KB_KIND(bool, 2)
KB_KIND(short, 3)
KB_KIND(unsigned short, 4)
KB_KIND(int, 5)
KB_KIND(unsigned, 6)
KB_KIND(long, 7)
KB_KIND(unsigned long, 8)
KB_KIND(long long, 9)
KB_KIND(unsigned long long, 10)
KB_KIND(float, 11)
KB_KIND(double, 12)
KB_KIND(std::string, 13)
KB_KIND(std::vector<at::Tensor>, 14)
KB_KIND(std::vector<int64_t>, 15)
KB_KIND(std::vector<int>, 16)
KB_KIND(std::vector<float>, 17)
KB_KIND(std::vector<double>, 18)
KB_KIND(std::optional<at::Tensor>, 19)
KB_KIND(std::optional<int64_t>, 20)
KB_KIND(std::optional<double>, 21)
KB_KIND(at::IntArrayRef, 22)
#undef KB_KIND
template <typename T>
constexpr int kind = Kind<std::remove_cv_t<std::remove_reference_t<T>>>::value;

template <typename T>
struct Result {
  static constexpr int kinds[] = {kind<T>};
  static constexpr int count = -1;
  static void give(void* sink, T& value) { kb_return(sink, kind<T>, &value); }
};
template <>
struct Result<void> {
  static constexpr int kinds[] = {0};
  static constexpr int count = -1;
};
template <typename... T>
struct Result<std::tuple<T...>> {
  static constexpr int kinds[] = {kind<T>...};
  static constexpr int count = sizeof...(T);
  static void give(void* sink, std::tuple<T...>& values) {
    std::apply([&](T&... value) { (kb_return(sink, kind<T>, &value), ...); }, values);
  }
};
template <typename A, typename B>
struct Result<std::pair<A, B>> {
  static constexpr int kinds[] = {kind<A>, kind<B>};
  static constexpr int count = 2;
  static void give(void* sink, std::pair<A, B>& values) {
    kb_return(sink, kind<A>, &values.first);
    kb_return(sink, kind<B>, &values.second);
  }
};

// An argument as the function takes it: by value it is taken out of its place.
template <typename T>
T argument(void* place) {
  using Plain = std::remove_cv_t<std::remove_reference_t<T>>;
  static_assert(!std::is_rvalue_reference_v<T>);
  static_assert(!(std::is_lvalue_reference_v<T> && !std::is_const_v<std::remove_reference_t<T>>
                  && !std::is_same_v<Plain, at::Tensor>));
  if constexpr (std::is_reference_v<T>) {
    return *static_cast<Plain*>(place);
  } else {
    return std::move(*static_cast<Plain*>(place));
  }
}

template <typename R, typename... A>
struct Call {
  static constexpr int kinds[] = {kind<A>..., 0};
  template <size_t... I>
  static void with(void* function, void** places, void* sink, std::index_sequence<I...>) {
    auto called = reinterpret_cast<R (*)(A...)>(function);
    (void)places;
    if constexpr (std::is_void_v<R>) {
      called(argument<A>(places[I])...);
      kb_return_nothing(sink);
    } else {
      std::remove_cv_t<std::remove_reference_t<R>> result =
          called(argument<A>(places[I])...);
      Result<std::remove_cv_t<std::remove_reference_t<R>>>::give(sink, result);
    }
  }
  static void call(void* function, void** places, void* sink) {
    with(function, places, sink, std::index_sequence_for<A...>{});
  }
};

template <typename R, typename... A>
KbFunction taken_apart(R (*function)(A...), bool wrapped) {
  using Plain = std::remove_cv_t<std::remove_reference_t<R>>;
  return {&Call<R, A...>::call,   reinterpret_cast<void*>(function),
          Call<R, A...>::kinds,   static_cast<int>(sizeof...(A)),
          Result<Plain>::kinds,   Result<Plain>::count,
          wrapped};
}

template <typename F>
struct Wrapped {
  F* function;
};
template <typename R, typename... A>
KbFunction taken_apart(Wrapped<R(A...)> wrapped) {
  return taken_apart(wrapped.function, true);
}
template <typename R, typename... A>
KbFunction taken_apart(R (*function)(A...)) {
  return taken_apart(function, false);
}

}  // namespace kb_bind

namespace torch {
template <typename R, typename... A>
kb_bind::Wrapped<R(A...)> wrap_pybind_function(R (*function)(A...)) {
  return {function};
}
}  // namespace torch

namespace pybind11 {
inline namespace kb {

struct arg_v {
  const char* name;
  int kind;
  union {
    bool flag;
    int integer;
    int64_t wide;
    double real;
  };
};
struct arg {
  explicit arg(const char* name) : name(name) {}
  arg_v operator=(bool value) const { arg_v made{name, 2, {}}; made.flag = value; return made; }
  arg_v operator=(int value) const { arg_v made{name, 5, {}}; made.integer = value; return made; }
  arg_v operator=(long value) const { arg_v made{name, 7, {}}; made.wide = value; return made; }
  arg_v operator=(double value) const { arg_v made{name, 12, {}}; made.real = value; return made; }
  template <typename T>
  arg_v operator=(T) const = delete;
  const char* name;
};

class module_ {
 public:
  explicit module_(void* module) : module_handle_(module) {}
  template <typename F, typename... Extra>
  module_& def(const char* name, F&& function, const Extra&... extra) {
    const char* doc = nullptr;
    KbArgument arguments[sizeof...(Extra) + 1];
    int count = 0;
    (add(doc, arguments, count, extra), ...);
    KbFunction made = kb_bind::taken_apart(function);
    if (count != 0 && count != made.count) throw std::logic_error("py::arg");
    kb_define(module_handle_, name, doc, &made, arguments, count);
    return *this;
  }

 private:
  static void add(const char*& doc, KbArgument*, int&, const char* text) { doc = text; }
  static void add(const char*&, KbArgument* all, int& count, const arg& one) {
    all[count++] = {one.name, 0, nullptr};
  }
  static void add(const char*&, KbArgument* all, int& count, const arg_v& one) {
    all[count++] = {one.name, one.kind, &one.flag};
  }
  void* module_handle_;
};
using module = module_;

}  // namespace kb
}  // namespace pybind11
namespace py = pybind11;

#define KB_TEXT_(x) #x
#define KB_TEXT(x) KB_TEXT_(x)
#define KB_JOIN_(a, b) a##b
#define KB_JOIN(a, b) KB_JOIN_(a, b)
#define PYBIND11_MODULE(name, variable)                                              \
  static void KB_JOIN(kb_fill_, name)(::pybind11::module_&);                          \
  extern "C" __attribute__((visibility("default"))) void* KB_JOIN(PyInit_, name)();   \
  extern "C" void* KB_JOIN(PyInit_, name)() {                                         \
    return kb_module(KB_TEXT(name), [](void* handle) {                                \
      ::pybind11::module_ made(handle);                                               \
      KB_JOIN(kb_fill_, name)(made);                                                  \
    });                                                                               \
  }                                                                                   \
  void KB_JOIN(kb_fill_, name)([[maybe_unused]] ::pybind11::module_& variable)
