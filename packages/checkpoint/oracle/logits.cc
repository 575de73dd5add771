// Logits of a GGUF by llama.cpp: logits MODEL.gguf OUT id id id …  writes float32 [T, V]. Weights stay as stored, everything else is f32.
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "llama.h"

int main(int count, char** words) {
  llama_log_set([](ggml_log_level level, const char* text, void*) { if (level >= GGML_LOG_LEVEL_ERROR) fputs(text, stderr); }, nullptr);
  llama_backend_init();
  llama_model* model = llama_model_load_from_file(words[1], llama_model_default_params());
  if (model == nullptr) return 1;
  llama_context_params params = llama_context_default_params();
  const int tokens = count - 3;
  params.n_ctx = 512;
  params.n_batch = params.n_ubatch = 512;
  params.type_k = params.type_v = GGML_TYPE_F32;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  llama_context* context = llama_init_from_model(model, params);
  if (context == nullptr) return 2;
  llama_batch batch = llama_batch_init(tokens, 0, 1);
  for (int i = 0; i < tokens; i++) {
    batch.token[i] = atoi(words[3 + i]);
    batch.pos[i] = i;
    batch.n_seq_id[i] = 1;
    batch.seq_id[i][0] = 0;
    batch.logits[i] = 1;
  }
  batch.n_tokens = tokens;
  if (llama_decode(context, batch) != 0) return 3;
  FILE* out = fopen(words[2], "wb");
  const int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
  for (int i = 0; i < tokens; i++) fwrite(llama_get_logits_ith(context, i), sizeof(float), vocabulary, out);
  fclose(out);
  return 0;
}
