// Token ids by llama.cpp: tokens TEXTS VOCABULARY.gguf  prints one line of ids for each line of
// TEXTS, which is a text's bytes in hexadecimal. No special tokens are put before or behind.
#include <cstdio>
#include <string>
#include <vector>

#include "llama.h"

static std::string from_hex(const char* line) {
  std::string text;
  unsigned byte;
  for (; sscanf(line, "%2x", &byte) == 1; line += 2) text.push_back(static_cast<char>(byte));
  return text;
}

int main(int count, char** words) {
  if (count != 3) return 2;
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  llama_backend_init();
  llama_model_params params = llama_model_default_params();
  params.vocab_only = true;
  llama_model* model = llama_model_load_from_file(words[2], params);
  if (model == nullptr) return 1;
  const llama_vocab* vocabulary = llama_model_get_vocab(model);
  FILE* texts = fopen(words[1], "r");
  char* line = nullptr;
  size_t room = 0;
  while (getline(&line, &room, texts) >= 0) {
    const std::string text = from_hex(line);
    std::vector<llama_token> ids(text.size() + 16);
    const int length = static_cast<int>(text.size());
    const int tokens = llama_tokenize(vocabulary, text.data(), length, ids.data(), ids.size(), false, true);
    for (int i = 0; i < tokens; i++) printf(i == 0 ? "%d" : " %d", ids[i]);
    printf("\n");
  }
  llama_model_free(model);
  return 0;
}
