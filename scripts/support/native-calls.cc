// Functions for tests of `abilities.call`: what another engine would bring. JavaScript gets their addresses.
#include <node_api.h>
#include <stdint.h>

#include <atomic>
#include <thread>

namespace {

template <class T>
T* at(double storage, double offset, char* const* storages) {
  return reinterpret_cast<T*>(storages[static_cast<int32_t>(storage)] + static_cast<int64_t>(offset));
}

/** x *= factor.                                                             numbers: storage, offset, count, factor */
int scale(void*, const double* numbers, char* const* storages) {
  float* x = at<float>(numbers[0], numbers[1], storages);
  for (int64_t i = 0; i < static_cast<int64_t>(numbers[2]); i++) x[i] *= static_cast<float>(numbers[3]);
  return 0;
}

/** numbers: status */
int answer(void*, const double* numbers, char* const*) { return static_cast<int>(numbers[0]); }

/** Ranks of one process that meet; one for the life of the process. */
struct Group {
  int32_t size;
  std::atomic<int32_t> arrived{0};
  std::atomic<int32_t> generation{0};
  /** Where each rank's numbers lie in the reduction that goes on. */
  float* parts[8] = {};

  void meet() {
    const int32_t now = generation.load();
    if (arrived.fetch_add(1) + 1 == size) {
      arrived.store(0);
      generation.fetch_add(1);
    }
    while (generation.load() == now) std::this_thread::yield();
  }
};

/** x = Σ (or max) of all ranks' x in the order of ranks; each rank makes its slice.       numbers: rank, storage, offset, count, max? */
int allReduce(void* context, const double* numbers, char* const* storages) {
  Group& group = *static_cast<Group*>(context);
  const int32_t rank = static_cast<int32_t>(numbers[0]);
  const int64_t count = static_cast<int64_t>(numbers[3]);
  const bool max = numbers[4] != 0;
  group.parts[rank] = at<float>(numbers[1], numbers[2], storages);
  group.meet();
  for (int64_t i = count * rank / group.size; i < count * (rank + 1) / group.size; i++) {
    float sum = group.parts[0][i];
    for (int32_t other = 1; other < group.size; other++) {
      const float x = group.parts[other][i];
      sum = max ? (x > sum ? x : sum) : sum + x;
    }
    for (int32_t other = 0; other < group.size; other++) group.parts[other][i] = sum;
  }
  group.meet();
  return 0;
}

/** group(size) → its address */
napi_value group(napi_env env, napi_callback_info info) {
  size_t count = 1;
  napi_value argument = nullptr, result = nullptr;
  napi_get_cb_info(env, info, &count, &argument, nullptr, nullptr);
  Group* made = new Group;
  napi_get_value_int32(env, argument, &made->size);
  napi_create_double(env, static_cast<double>(reinterpret_cast<uintptr_t>(made)), &result);
  return result;
}

}  // namespace

NAPI_MODULE_INIT() {
  const struct {
    const char* name;
    int (*function)(void*, const double*, char* const*);
  } functions[] = {{"scale", scale}, {"answer", answer}, {"allReduce", allReduce}};
  for (const auto& each : functions) {
    napi_value address = nullptr;
    napi_create_double(env, static_cast<double>(reinterpret_cast<uintptr_t>(each.function)), &address);
    napi_set_named_property(env, exports, each.name, address);
  }
  napi_value make = nullptr;
  napi_create_function(env, "group", NAPI_AUTO_LENGTH, group, nullptr, &make);
  napi_set_named_property(env, exports, "group", make);
  return exports;
}
