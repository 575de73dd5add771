// The device's native interface (src/native.ts) over a pair of pipes, so that the tests of one
// machine's Node run kernels of another machine: NEON under qemu, tiles in emulation, any of them
// under a sanitizer.
//   request: 6 doubles (what, a, b, c, d, bytes that follow), then the bytes
//   answer: 2 doubles (result, bytes that follow), then the bytes
#include "serve.h"

#include <stdio.h>

#include <string>
#include <vector>

#include "isa.h"
#include "pool.h"
#include "storage.h"

namespace {

enum class Request { describe, alloc, free, write, read, run, liveBytes, map };

bool get(void* to, size_t bytes) { return bytes == 0 || fread(to, 1, bytes, stdin) == bytes; }

bool answer(double result, const void* data = nullptr, size_t bytes = 0) {
  const double head[2] = {result, static_cast<double>(bytes)};
  return fwrite(head, sizeof head, 1, stdout) == 1 &&
         (bytes == 0 || fwrite(data, 1, bytes, stdout) == bytes) && fflush(stdout) == 0;
}

/** A line of operations, then a line an instruction set: name, panel, and why it is missing. */
std::string description() {
  std::string text;
#define X(name) text += #name " ";
  CRIA_OPERATIONS(X)
#undef X
  int32_t count = 0;
  const cria::LoadedIsa* all = cria::instructionSets(count);
  for (int32_t i = 0; i < count; i++) {
    text += std::string("\n") + all[i].name + " " + std::to_string(all[i].panel);
    if (!all[i].available) text += std::string(" ") + all[i].missing;
  }
  return text;
}

double runList(const std::vector<char>& data, int32_t threads, int32_t isa) {
  int32_t count = 0;
  const cria::LoadedIsa* all = cria::instructionSets(count);
  const double* numbers = reinterpret_cast<const double*>(data.data());
  return cria::asNumber(cria::run(0, cria::takeTurn(0), numbers,
                                  static_cast<int64_t>(data.size() / sizeof(double)), threads,
                                  all[isa].kernels));
}

}  // namespace

int serve() {
  double head[6];
  std::vector<char> data;
  while (get(head, sizeof head)) {
    data.resize(static_cast<size_t>(head[5]));
    if (!get(data.data(), data.size())) return 1;
    const int32_t id = static_cast<int32_t>(head[1]);
    bool fine = false;
    switch (static_cast<Request>(static_cast<int>(head[0]))) {
      case Request::describe: {
        const std::string text = description();
        fine = answer(0, text.data(), text.size());
        break;
      }
      case Request::alloc:
        fine = answer(cria::allocateStorage(static_cast<uint64_t>(head[1])));
        break;
      case Request::free:
        cria::freeStorage(id);
        fine = answer(0);
        break;
      case Request::write:
        if (!data.empty())
          __builtin_memcpy(cria::storages[id] + static_cast<int64_t>(head[2]), data.data(),
                           data.size());
        fine = answer(0);
        break;
      case Request::read:
        fine = answer(0, cria::storages[id] + static_cast<int64_t>(head[2]),
                      static_cast<size_t>(head[3]));
        break;
      case Request::run:
        fine = answer(runList(data, static_cast<int32_t>(head[1]), static_cast<int32_t>(head[2])));
        break;
      case Request::liveBytes: fine = answer(static_cast<double>(cria::liveBytes())); break;
      case Request::map: {
        const std::string path(data.data(), data.size());
        fine = answer(cria::mapStorage(path.c_str(), static_cast<uint64_t>(head[1]),
                                       static_cast<uint64_t>(head[2])));
        break;
      }
    }
    if (!fine) return 1;
  }
  return 0;
}
