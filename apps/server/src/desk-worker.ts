import { openModel } from '@cria/checkpoint';
import { serveDesk } from './chat/desk-thread.ts';

// The file that the thread with the tokenizer and the chat template starts with.
await serveDesk(({ model, tokenizer }) => openModel(model, tokenizer === undefined ? {} : { tokenizer }));
