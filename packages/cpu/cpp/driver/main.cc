// Random commands without Node, for the sanitizers: every operation at random small shapes, on
// every instruction set of this machine, with 1 to 4 threads.
//   driver [lists] [seed]      driver serve: see serve.cc
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vector>

#include "by-hand.h"
#include "pool.h"
#include "pools.h"
#include "serve.h"

namespace {

/** Some kernels are there with some instruction sets only; freeing and calls are none. */
bool available(const cria::LoadedIsa& isa, int64_t op) {
  return op == static_cast<int64_t>(Op::free_) || op == static_cast<int64_t>(Op::call_) ||
         isa.kernels[op].run != nullptr;
}

std::vector<const cria::LoadedIsa*> instructionSetsHere() {
  int32_t count = 0;
  const cria::LoadedIsa* all = cria::instructionSets(count);
  std::vector<const cria::LoadedIsa*> here;
  for (int32_t i = 0; i < count; i++) {
    if (all[i].available) here.push_back(all + i);
  }
  return here;
}

}  // namespace

int main(int count, char** arguments) {
  if (count > 1 && strcmp(arguments[1], "serve") == 0) return serve();
  if (count > 1 && strcmp(arguments[1], "pools") == 0) return checkPools();
  const int64_t lists = count > 1 ? atoll(arguments[1]) : 2000;
  randomState = count > 2 ? static_cast<uint64_t>(atoll(arguments[2])) : 1;
  const std::vector<const cria::LoadedIsa*> isas = instructionSetsHere();
  int64_t commands = 0;
  for (int64_t i = 0; i < lists; i++) {
    const cria::LoadedIsa& isa = *isas[static_cast<size_t>(i) % isas.size()];
    List list;
    const int64_t length = 1 + below(6);
    for (int64_t c = 0; c < length; c++) {
      const int64_t op = below(cria::OPERATIONS);
      if (available(isa, op)) randomCall(list, static_cast<Op>(op), isa.panel);
    }
    const int32_t threads = static_cast<int32_t>(1 + below(4));
    const cria::Outcome outcome =
        cria::run(0, cria::takeTurn(0), list.numbers.data(),
                  static_cast<int64_t>(list.numbers.size()), threads, isa.kernels);
    if (outcome.position >= 0) {
      printf("list %lld on %s: command at %lld was refused\n", static_cast<long long>(i), isa.name,
             static_cast<long long>(outcome.position));
      return 1;
    }
    commands += length;
    for (const int32_t id : list.owned) cria::freeStorage(id);
  }
  printf("%lld commands, %llu bytes left\n", static_cast<long long>(commands),
         static_cast<unsigned long long>(cria::liveBytes()));
  return cria::liveBytes() == 0 ? 0 : 1;
}
