// The door to JavaScript: plain functions over numbers, no pointer and no object of ours. Arguments
// were checked by the device.
#include <node_api.h>
#include <string.h>

#include <set>
#include <string>

#include "isa.h"
#include "pool.h"
#include "storage.h"

namespace {

constexpr size_t MOST_ARGUMENTS = 6;

struct Call {
  napi_env env;
  napi_value arguments[MOST_ARGUMENTS] = {};

  Call(napi_env environment, napi_callback_info info) : env(environment) {
    size_t count = MOST_ARGUMENTS;
    napi_get_cb_info(env, info, &count, arguments, nullptr, nullptr);
  }
  double number(size_t i) const {
    double value = 0;
    napi_get_value_double(env, arguments[i], &value);
    return value;
  }
  int32_t integer(size_t i) const { return static_cast<int32_t>(number(i)); }
  /** Address and length in bytes of a typed array. */
  void* bytes(size_t i, size_t& length) const {
    napi_typedarray_type type = napi_uint8_array;
    void* data = nullptr;
    length = 0;
    if (napi_get_typedarray_info(env, arguments[i], &type, &length, &data, nullptr, nullptr) !=
        napi_ok)
      return nullptr;
    if (type == napi_float64_array) length *= sizeof(double);
    return data;
  }
  std::string text(size_t i) const {
    size_t length = 0;
    napi_get_value_string_utf8(env, arguments[i], nullptr, 0, &length);
    std::string value(length + 1, '\0');
    napi_get_value_string_utf8(env, arguments[i], &value[0], length + 1, &length);
    value.resize(length);
    return value;
  }
  napi_value give(double value) const {
    napi_value result = nullptr;
    napi_create_double(env, value, &result);
    return result;
  }
};

const cria::LoadedIsa& isaAt(int32_t index) {
  int32_t count = 0;
  const cria::LoadedIsa* all = cria::instructionSets(count);
  return all[index >= 0 && index < count && all[index].available ? index : count - 1];
}

/**
 * Pools that devices of one JavaScript thread have open: a worker may end without disposing of its
 * devices.
 */
std::set<int32_t>& openPools(napi_env env) {
  void* data = nullptr;
  napi_get_instance_data(env, &data);
  return *static_cast<std::set<int32_t>*>(data);
}

void closePools(napi_env, void* data, void*) {
  std::set<int32_t>* open = static_cast<std::set<int32_t>*>(data);
  for (const int32_t pool : *open) cria::closePool(pool);
  delete open;
}

/** alloc(bytes) → storage, 0 where there is no memory */
napi_value alloc(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  return call.give(cria::allocateStorage(static_cast<uint64_t>(call.number(0))));
}

/** free(storage) */
napi_value release(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  cria::freeStorage(call.integer(0));
  return nullptr;
}

/** map(path, offset, bytes) → storage, or a negative error number */
napi_value map(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  return call.give(cria::mapStorage(call.text(0).c_str(), static_cast<uint64_t>(call.number(1)),
                                    static_cast<uint64_t>(call.number(2))));
}

/** write(storage, offset, bytes: Uint8Array) */
napi_value write(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  size_t length = 0;
  const void* from = call.bytes(2, length);
  if (length > 0)
    memcpy(cria::storages[call.integer(0)] + static_cast<int64_t>(call.number(1)), from, length);
  return nullptr;
}

/** read(storage, offset, bytes: Uint8Array) */
napi_value read(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  size_t length = 0;
  void* to = call.bytes(2, length);
  if (length > 0)
    memcpy(to, cria::storages[call.integer(0)] + static_cast<int64_t>(call.number(1)), length);
  return nullptr;
}

/**
 * openPool() → number of a pool, for `run`; `closePool(pool)` gives it back, and so does the end of
 * this JavaScript thread.
 */
napi_value openPool(napi_env env, napi_callback_info info) {
  const int32_t pool = cria::openPool();
  openPools(env).insert(pool);
  return Call(env, info).give(pool);
}

napi_value closePool(napi_env env, napi_callback_info info) {
  const int32_t pool = Call(env, info).integer(0);
  if (openPools(env).erase(pool) > 0) cria::closePool(pool);
  return nullptr;
}

/** run(list: Float64Array, length, threads, isa, pool?) → how it ended, as `asNumber` has it */
napi_value run(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  size_t bytes = 0;
  const double* list = static_cast<const double*>(call.bytes(0, bytes));
  const int32_t pool = call.integer(4);
  const cria::LoadedIsa& isa = isaAt(call.integer(3));
  return call.give(cria::asNumber(cria::run(pool, cria::takeTurn(pool), list,
                                            static_cast<int64_t>(call.number(1)), call.integer(2),
                                            isa.kernels)));
}

struct Job {
  napi_async_work work;
  napi_deferred promise;
  napi_ref list;
  const double* numbers;
  int64_t length;
  int32_t threads;
  const cria::LoadedIsa* isa;
  int32_t pool;
  uint64_t turn;
  cria::Outcome outcome;
};

void execute(napi_env, void* data) {
  Job& job = *static_cast<Job*>(data);
  job.outcome =
      cria::run(job.pool, job.turn, job.numbers, job.length, job.threads, job.isa->kernels);
}

void complete(napi_env env, napi_status, void* data) {
  Job* job = static_cast<Job*>(data);
  napi_value result = nullptr;
  napi_create_double(env, cria::asNumber(job->outcome), &result);
  napi_resolve_deferred(env, job->promise, result);
  napi_delete_reference(env, job->list);
  napi_delete_async_work(env, job->work);
  delete job;
}

/**
 * runAsync(list, length, threads, isa, pool?) → Promise of what `run` gives; the list must not be
 * written to before that
 */
napi_value runAsync(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  size_t bytes = 0;
  Job* job = new Job{};
  job->numbers = static_cast<const double*>(call.bytes(0, bytes));
  job->length = static_cast<int64_t>(call.number(1));
  job->threads = call.integer(2);
  job->isa = &isaAt(call.integer(3));
  napi_value promise = nullptr, name = nullptr;
  napi_create_promise(env, &job->promise, &promise);
  napi_create_reference(env, call.arguments[0], 1, &job->list);
  napi_create_string_utf8(env, "cria.run", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, nullptr, name, execute, complete, job, &job->work);
  job->pool = call.integer(4);
  job->turn = cria::takeTurn(job->pool);
  napi_queue_async_work(env, job->work);
  return promise;
}

struct FileRead {
  napi_async_work work;
  napi_deferred promise;
  std::string path;
  uint64_t from;
  uint64_t bytes;
  char* to;
  int32_t failure;
};

void executeRead(napi_env, void* data) {
  FileRead& read = *static_cast<FileRead*>(data);
  read.failure = cria::readIntoStorage(read.path.c_str(), read.from, read.bytes, read.to);
}

void completeRead(napi_env env, napi_status, void* data) {
  FileRead* read = static_cast<FileRead*>(data);
  napi_value result = nullptr;
  napi_create_double(env, read->failure, &result);
  napi_resolve_deferred(env, read->promise, result);
  napi_delete_async_work(env, read->work);
  delete read;
}

/**
 * readFile(path, from, bytes, storage, offset) → Promise of an error number, 0 for none; the
 * storage must stay until then
 */
napi_value readFile(napi_env env, napi_callback_info info) {
  const Call call(env, info);
  const int32_t storage = call.integer(3);
  const uint64_t offset = static_cast<uint64_t>(call.number(4)),
                 bytes = static_cast<uint64_t>(call.number(2));
  if (offset + bytes > cria::storageBytes(storage)) {
    napi_throw_range_error(env, nullptr, "a file would be read past the end of a storage");
    return nullptr;
  }
  FileRead* read = new FileRead{nullptr,
                                nullptr,
                                call.text(0),
                                static_cast<uint64_t>(call.number(1)),
                                bytes,
                                cria::storages[storage] + offset,
                                0};
  napi_value promise = nullptr, name = nullptr;
  napi_create_promise(env, &read->promise, &promise);
  napi_create_string_utf8(env, "cria.readFile", NAPI_AUTO_LENGTH, &name);
  napi_create_async_work(env, nullptr, name, executeRead, completeRead, read, &read->work);
  napi_queue_async_work(env, read->work);
  return promise;
}

/** liveBytes() → bytes of all storages of the process */
napi_value liveBytes(napi_env env, napi_callback_info info) {
  return Call(env, info).give(static_cast<double>(cria::liveBytes()));
}

napi_value textOf(napi_env env, const char* text) {
  napi_value value = nullptr;
  napi_create_string_utf8(env, text, NAPI_AUTO_LENGTH, &value);
  return value;
}

/** operations: string[], in the order of their codes */
napi_value operationNames(napi_env env) {
  static const char* const names[] = {
#define X(name) #name,
      CRIA_OPERATIONS(X)
#undef X
  };
  napi_value list = nullptr;
  napi_create_array(env, &list);
  for (uint32_t i = 0; i < static_cast<uint32_t>(cria::OPERATIONS); i++)
    napi_set_element(env, list, i, textOf(env, names[i]));
  return list;
}

/** isas: { name, available, missing?, panel }[], fastest first */
napi_value isaList(napi_env env) {
  int32_t count = 0;
  const cria::LoadedIsa* all = cria::instructionSets(count);
  napi_value list = nullptr;
  napi_create_array(env, &list);
  for (int32_t i = 0; i < count; i++) {
    napi_value entry = nullptr, available = nullptr, panel = nullptr;
    napi_create_object(env, &entry);
    napi_get_boolean(env, all[i].available, &available);
    napi_create_int32(env, all[i].panel, &panel);
    napi_set_named_property(env, entry, "name", textOf(env, all[i].name));
    napi_set_named_property(env, entry, "available", available);
    napi_set_named_property(env, entry, "panel", panel);
    if (!all[i].available)
      napi_set_named_property(env, entry, "missing", textOf(env, all[i].missing));
    napi_set_element(env, list, static_cast<uint32_t>(i), entry);
  }
  return list;
}

}  // namespace

NAPI_MODULE_INIT() {
  napi_set_instance_data(env, new std::set<int32_t>, closePools, nullptr);
  const struct {
    const char* name;
    napi_callback function;
  } functions[] = {{"alloc", alloc},       {"free", release},        {"map", map},
                   {"write", write},       {"read", read},           {"run", run},
                   {"runAsync", runAsync}, {"liveBytes", liveBytes}, {"readFile", readFile},
                   {"openPool", openPool}, {"closePool", closePool}};
  for (const auto& entry : functions) {
    napi_value function = nullptr;
    napi_create_function(env, entry.name, NAPI_AUTO_LENGTH, entry.function, nullptr, &function);
    napi_set_named_property(env, exports, entry.name, function);
  }
  napi_set_named_property(env, exports, "sources", textOf(env, CRIA_SOURCES));
  napi_set_named_property(env, exports, "layout", textOf(env, CRIA_LAYOUT));
  napi_set_named_property(env, exports, "operations", operationNames(env));
  napi_set_named_property(env, exports, "isas", isaList(env));
  return exports;
}
