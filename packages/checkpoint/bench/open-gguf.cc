// Median seconds that llama.cpp takes to open a model by mmap, 21 times after a first one.
//   open-gguf FILE
#include <stdio.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "llama.h"

int main(int count, char** arguments) {
  if (count != 2) return 2;
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  llama_model_params parameters = llama_model_default_params();
  parameters.load_mode = LLAMA_LOAD_MODE_MMAP;
  std::vector<double> seconds;
  for (int i = 0; i < 22; i++) {
    const auto began = std::chrono::steady_clock::now();
    llama_model* model = llama_model_load_from_file(arguments[1], parameters);
    if (model == nullptr) return 1;
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    llama_model_free(model);
    if (i > 0) seconds.push_back(took.count());
  }
  std::sort(seconds.begin(), seconds.end());
  printf("%.9f\n", seconds[seconds.size() / 2]);
}
