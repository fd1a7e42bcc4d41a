// Functions of a kernel as Python functions: what PYBIND11_MODULE and m.def() do, with
// pybind11's and torch's own converters, for functions whose types are known at run time.
#include <torch/csrc/Exceptions.h>
#include <torch/csrc/utils/pybind.h>

#include <memory>
#include <new>
#include <string>
#include <vector>

#define KB extern "C" __attribute__((visibility("default")))

namespace py = pybind11;

extern "C" {
struct KbArgument {
  const char* name;
  int kind;
  const void* value;
};
struct KbFunction {
  void (*call)(void* function, void** arguments, void* sink);
  void* function;
  const int* kinds;
  int count;
  const int* results;
  int result_count;
  bool wrapped;
};
}

namespace {

constexpr size_t kSlotBytes = 96;
constexpr size_t kInlineSlots = 16;

// Room for a converter of any kind; made when an argument is loaded.
struct alignas(std::max_align_t) Slot {
  std::byte bytes[kSlotBytes];
};

struct Kind {
  bool (*load)(Slot&, py::handle, bool convert, void** place);
  void (*destroy)(Slot&);
  py::handle (*cast)(void*, py::return_value_policy, py::handle parent);
  std::string argument_text;
  std::string result_text;
  std::vector<const std::type_info*> types;
};

template <typename T>
Kind kind_of() {
  using Caster = py::detail::make_caster<T>;
  static_assert(sizeof(Caster) <= kSlotBytes);
  Kind kind;
  kind.load = [](Slot& slot, py::handle source, bool convert, void** place) {
    auto* caster = new (slot.bytes) Caster();
    if (!caster->load(source, convert)) return false;
    *place = &py::detail::cast_op<T&>(*caster);
    return true;
  };
  kind.destroy = [](Slot& slot) {
    std::launder(reinterpret_cast<Caster*>(slot.bytes))->~Caster();
  };
  kind.cast = [](void* value, py::return_value_policy, py::handle parent) {
    return Caster::cast(std::move(*static_cast<T*>(value)), py::return_value_policy::move,
                        parent);
  };
  using Arguments = py::detail::argument_loader<T>;
  kind.argument_text = Arguments::arg_names.text;
  kind.result_text = Caster::name.text;
  const auto types = Arguments::arg_names.types();
  kind.types.assign(types.begin(), types.end() - 1);  // ends with a null
  return kind;
}

const Kind& kind_numbered(int number) {
  static const std::vector<Kind> kinds = [] {
    std::vector<Kind> made(1);
    made.push_back(kind_of<at::Tensor>());
    made.push_back(kind_of<bool>());
    made.push_back(kind_of<short>());
    made.push_back(kind_of<unsigned short>());
    made.push_back(kind_of<int>());
    made.push_back(kind_of<unsigned>());
    made.push_back(kind_of<long>());
    made.push_back(kind_of<unsigned long>());
    made.push_back(kind_of<long long>());
    made.push_back(kind_of<unsigned long long>());
    made.push_back(kind_of<float>());
    made.push_back(kind_of<double>());
    made.push_back(kind_of<std::string>());
    made.push_back(kind_of<std::vector<at::Tensor>>());
    made.push_back(kind_of<std::vector<int64_t>>());
    made.push_back(kind_of<std::vector<int>>());
    made.push_back(kind_of<std::vector<float>>());
    made.push_back(kind_of<std::vector<double>>());
    made.push_back(kind_of<std::optional<at::Tensor>>());
    made.push_back(kind_of<std::optional<int64_t>>());
    made.push_back(kind_of<std::optional<double>>());
    made.push_back(kind_of<at::IntArrayRef>());
    return made;
  }();
  return kinds.at(number);
}

// A function as registered, with the kinds of its arguments looked up.
struct Known {
  KbFunction given;
  std::vector<const Kind*> kinds;
};

// Where a call leaves its results, already converted.
struct Sink {
  const KbFunction& function;
  py::handle parent;
  py::object single;
  std::vector<py::object> several;
};

py::object result_of(Sink& sink) {
  if (sink.function.result_count < 0) return std::move(sink.single);
  py::tuple made(sink.several.size());
  for (size_t i = 0; i < sink.several.size(); ++i) made[i] = std::move(sink.several[i]);
  return std::move(made);
}

void call_wrapped(const KbFunction& function, void** places, Sink* sink) {
  HANDLE_TH_ERRORS
  return function.call(function.function, places, sink);
  END_HANDLE_TH_ERRORS_PYBIND
}

// The converters of one call, destroyed in the end as far as they were made.
struct Converters {
  explicit Converters(const Known& known) : known(known) {
    if (known.kinds.size() > kInlineSlots) {
      more.reset(slots = new Slot[known.kinds.size()]);
      more_places.reset(places = new void*[known.kinds.size()]);
    }
  }
  ~Converters() {
    for (size_t i = 0; i < made; ++i) known.kinds[i]->destroy(slots[i]);
  }
  bool load(const py::detail::function_call& call) {
    bool loaded = true;  // all are tried, as pybind11 does
    for (; made < known.kinds.size();) {
      const size_t i = made++;
      loaded &= known.kinds[i]->load(slots[i], call.args[i], call.args_convert[i],
                                     &places[i]);
    }
    return loaded;
  }

  const Known& known;
  size_t made = 0;
  Slot inline_slots[kInlineSlots];
  void* inline_places[kInlineSlots];
  Slot* slots = inline_slots;
  void** places = inline_places;
  std::unique_ptr<Slot[]> more;
  std::unique_ptr<void*[]> more_places;
};

py::handle dispatch(py::detail::function_call& call) {
  const auto& known = *static_cast<const Known*>(call.func.data[0]);
  Converters converters(known);
  if (!converters.load(call)) return PYBIND11_TRY_NEXT_OVERLOAD;
  const KbFunction& function = known.given;
  Sink sink{function, call.parent, {}, {}};
  if (function.wrapped) {
    call_wrapped(function, converters.places, &sink);
  } else {
    function.call(function.function, converters.places, &sink);
  }
  return result_of(sink).release();
}

class Function : public py::cpp_function {
 public:
  Function(py::module_& scope, const char* name, const char* doc, const KbFunction& given,
           const KbArgument* arguments, int argument_count) {
    auto record = make_function_record();
    auto* known = new Known{given, {}};
    for (int i = 0; i < given.count; ++i) {
      known->kinds.push_back(&kind_numbered(given.kinds[i]));
    }
    record->data[0] = known;
    record->free_data = [](py::detail::function_record* r) {
      delete static_cast<Known*>(r->data[0]);
    };
    record->impl = dispatch;
    record->nargs_pos = static_cast<std::uint16_t>(given.count);
    record->has_args = record->has_kwargs = false;
    record->name = const_cast<char*>(name);
    record->scope = scope;
    py::object sibling = py::getattr(scope, name, py::none());
    record->sibling = sibling;
    if (doc != nullptr) record->doc = const_cast<char*>(doc);
    for (int i = 0; i < argument_count; ++i) add(arguments[i], record.get());
    std::string text = "(";
    std::vector<const std::type_info*> types;
    for (const Kind* kind : known->kinds) {
      text += (text.size() == 1 ? "" : ", ") + kind->argument_text;
      types.insert(types.end(), kind->types.begin(), kind->types.end());
    }
    text += ") -> " + result_text(given);
    types.push_back(nullptr);
    initialize_generic(std::move(record), text.c_str(), types.data(), given.count);
  }

 private:
  static void add(const KbArgument& argument, py::detail::function_record* record) {
    if (argument.kind == 0) {
      py::detail::process_attribute<py::arg>::init(py::arg(argument.name), record);
      return;
    }
    py::detail::process_attribute<py::arg_v>::init(
        py::arg(argument.name) = default_value(argument), record);
  }
  static py::object default_value(const KbArgument& argument) {
    switch (argument.kind) {
      case 2: return py::bool_(*static_cast<const bool*>(argument.value));
      case 5: return py::int_(*static_cast<const int*>(argument.value));
      case 7: return py::int_(*static_cast<const int64_t*>(argument.value));
      default: return py::float_(*static_cast<const double*>(argument.value));
    }
  }
  static std::string result_text(const KbFunction& given) {
    if (given.result_count < 0) {
      return given.results[0] == 0 ? "None" : kind_numbered(given.results[0]).result_text;
    }
    std::string text = "tuple[";
    for (int i = 0; i < given.result_count; ++i) {
      text += (i == 0 ? "" : ", ") + kind_numbered(given.results[i]).result_text;
    }
    return text + "]";
  }
};

}  // namespace

KB void kb_return(void* sink, int kind, void* value) {
  auto* into = static_cast<Sink*>(sink);
  py::handle made =
      kind_numbered(kind).cast(value, py::return_value_policy::move, into->parent);
  if (!made) throw py::error_already_set();
  auto object = py::reinterpret_steal<py::object>(made);
  if (into->function.result_count < 0) {
    into->single = std::move(object);
  } else {
    into->several.push_back(std::move(object));
  }
}

KB void kb_return_nothing(void* sink) {
  static_cast<Sink*>(sink)->single = py::none();
}

KB void kb_define(void* module, const char* name, const char* doc, const KbFunction* given,
                  const KbArgument* arguments, int count) {
  auto scope = py::reinterpret_borrow<py::module_>(static_cast<PyObject*>(module));
  Function function(scope, name, doc, *given, arguments, count);
  scope.add_object(name, function, true);
}

KB void* kb_module(const char* name, void (*fill)(void*)) {
  PYBIND11_ENSURE_INTERNALS_READY
  try {
    auto made = py::module_::create_extension_module(name, nullptr, new PyModuleDef());
    fill(made.ptr());
    return made.release().ptr();
  }
  PYBIND11_CATCH_INIT_EXCEPTIONS
  return nullptr;
}
