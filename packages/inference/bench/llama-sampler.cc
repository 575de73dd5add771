// Time of llama.cpp's own chains of samplers over rows of logits, for bench/sample.ts.
//   llama-sampler LIBLLAMA.so ROWS.f32 vocabulary rounds chain    prints milliseconds a token, the median of the rounds
// Chains: greedy, temperature, top-p, top-k, all, penalties. One row after another, as its server does; candidates are
// made from the logits each time, which is part of the work.
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

namespace {

struct Candidate {
  int32_t id;
  float logit, p;
};
struct Candidates {
  Candidate* data;
  size_t size;
  int64_t selected;
  bool sorted;
};
struct Sampler;
struct ChainOptions {
  bool withoutTimes;
};

void* library;
template <class F>
F find(const char* name) {
  void* found = dlsym(library, name);
  if (found == nullptr) fprintf(stderr, "no %s\n", name), exit(1);
  return reinterpret_cast<F>(found);
}

Sampler* chainOf(const std::string& name, int32_t vocabulary, const std::vector<int32_t>& history) {
  const auto chain = find<Sampler* (*)(ChainOptions)>("llama_sampler_chain_init")({true});
  const auto add = [chain](Sampler* part) {
    find<void (*)(Sampler*, Sampler*)>("llama_sampler_chain_add")(chain, part);
  };
  using Share = Sampler* (*)(float, size_t);
  const bool all = name == "all";
  if (name == "greedy") {
    add(find<Sampler* (*)()>("llama_sampler_init_greedy")());
    return chain;
  }
  if (name == "penalties") {
    using Penalties = Sampler* (*)(int32_t, int32_t, float, float, float);
    add(find<Penalties>("llama_sampler_init_penalties")(
        vocabulary, static_cast<int32_t>(history.size()), 1.1f, 0, 0));
    for (const int32_t id : history)
      find<void (*)(Sampler*, int32_t)>("llama_sampler_accept")(chain, id);
  }
  if (all || name == "top-k") add(find<Sampler* (*)(int32_t)>("llama_sampler_init_top_k")(40));
  if (all || name == "top-p") add(find<Share>("llama_sampler_init_top_p")(0.95f, 0));
  if (all) add(find<Share>("llama_sampler_init_min_p")(0.05f, 0));
  if (all || name == "temperature")
    add(find<Sampler* (*)(float)>("llama_sampler_init_temp")(0.8f));
  add(find<Sampler* (*)(uint32_t)>("llama_sampler_init_dist")(1));
  return chain;
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 6) return 1;
  library = dlopen(arguments[1], RTLD_NOW);
  if (library == nullptr) return fprintf(stderr, "%s\n", dlerror()), 1;
  const int32_t vocabulary = atoi(arguments[3]), rounds = atoi(arguments[4]);
  std::vector<float> logits;
  FILE* file = fopen(arguments[2], "rb");
  for (float x; file != nullptr && fread(&x, sizeof x, 1, file) == 1;) logits.push_back(x);
  const int32_t rows = static_cast<int32_t>(logits.size()) / vocabulary;
  std::vector<int32_t> history(2000);
  for (int32_t i = 0; i < 2000; i++) history[i] = i * 7919 % vocabulary;
  Sampler* chain = chainOf(arguments[5], vocabulary, history);
  const auto apply = find<void (*)(Sampler*, Candidates*)>("llama_sampler_apply");
  std::vector<Candidate> candidates(vocabulary);
  std::vector<double> times;
  for (int32_t round = 0; round < rounds; round++) {
    const auto start = std::chrono::steady_clock::now();
    for (int32_t row = 0; row < rows; row++) {
      for (int32_t id = 0; id < vocabulary; id++)
        candidates[id] = {id, logits[static_cast<size_t>(row) * vocabulary + id], 0};
      Candidates all = {candidates.data(), candidates.size(), -1, false};
      apply(chain, &all);
      if (all.selected < 0) return 1;
    }
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    times.push_back(took.count() / rows);
  }
  std::sort(times.begin(), times.end());
  printf("%.6f\n", times[times.size() / 2]);
  return 0;
}
