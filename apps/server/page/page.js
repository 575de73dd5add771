const $ = (id) => document.getElementById(id);
const [form, prompt, go, more, copy, output, status, error] = [
  'form',
  'prompt',
  'go',
  'more',
  'copy',
  'output',
  'status',
  'error',
].map($);

// Name in the API, label, least, most, step, start, what the value is called where the number says too little.
const sliders = [
  ['temperature', 'Temperature', 0, 2, 0.05, 0.8, (v) => (v === 0 ? 'greedy' : v.toFixed(2))],
  ['top_p', 'Top-p', 0.05, 1, 0.01, 0.95, (v) => (v === 1 ? 'off' : v.toFixed(2))],
  ['top_k', 'Top-k', 0, 200, 1, 0, (v) => (v === 0 ? 'off' : v)],
  ['min_p', 'Min-p', 0, 0.5, 0.01, 0, (v) => (v === 0 ? 'off' : v.toFixed(2))],
  ['max_tokens', 'Max tokens', 1, 512, 1, 200, (v) => v],
];
for (const [name, label, min, max, step, value, show] of sliders) {
  const box = document.createElement('div');
  box.className = 'setting';
  box.innerHTML = `<div><label for="${name}">${label}</label><span id="${name}-value" aria-hidden="true"></span></div>
<input id="${name}" type="range" min="${min}" max="${max}" step="${step}" value="${value}">`;
  $('settings').append(box);
  const input = $(name);
  const update = () => {
    const text = String(show(Number(input.value)));
    $(`${name}-value`).textContent = text;
    input.setAttribute('aria-valuetext', text);
  };
  input.addEventListener('input', update);
  update();
}

let controller; // of the text that is being made
let written = { prompt: '', text: '' };

function showError(message) {
  error.textContent = message;
  error.hidden = !message;
}

function setBusy(busy) {
  go.textContent = busy ? 'Stop' : 'Generate';
  for (const live of [output, status]) live.setAttribute('aria-busy', String(busy)); // read aloud when it is whole
  more.disabled = busy || !written.text;
  copy.disabled = busy || !written.text;
}

function requestBody(text) {
  const body = {
    prompt: text,
    stream: true,
    stream_options: { include_usage: true, continuous_usage_stats: true },
  };
  for (const [name] of sliders) body[name] = Number($(name).value);
  const stop = $('stop').value.replaceAll('\\n', '\n').replaceAll('\\t', '\t');
  if (stop) body.stop = stop;
  const seed = $('seed').value.trim();
  if (seed) body.seed = Number(seed);
  return body;
}

/** The answer to a prompt, which begins to come. */
async function complete(text, signal) {
  const response = await fetch('/v1/completions', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(requestBody(text)),
    signal,
  });
  if (!response.ok) throw new Error((await response.json()).error.message);
  return response;
}

/** The data of each server-sent event. */
async function* events(response) {
  let rest = '';
  const decoder = new TextDecoder();
  for (const reader = response.body.getReader(); ;) {
    const { done, value } = await reader.read();
    if (done) return;
    rest += decoder.decode(value, { stream: true });
    const parts = rest.split('\n\n');
    rest = parts.pop();
    for (const part of parts)
      if (part.startsWith('data: ') && part !== 'data: [DONE]') yield JSON.parse(part.slice(6));
  }
}

/** Tokens, and how many a second come after the first event: what is before it is the prompt's time. */
function speedometer() {
  let [tokens, before, start] = [0, 0, 0];
  return {
    count(total) {
      tokens = total;
      if (!start) [start, before] = [performance.now(), total];
    },
    toString() {
      const speed = ((tokens - before) * 1000) / (performance.now() - start);
      const rate =
        tokens > before && Number.isFinite(speed) ? `, ${speed.toFixed(speed < 10 ? 1 : 0)} tokens/s` : '';
      return `${tokens} tokens${rate}`;
    },
  };
}

/** An empty text node behind the prompt, for what the model writes. */
function beginText(text) {
  written = { prompt: text, text: '' };
  const shown = document.createElement('span');
  shown.className = 'prompt';
  shown.textContent = text;
  const fresh = document.createTextNode('');
  output.replaceChildren(shown, fresh);
  return fresh;
}

/** Appends, and keeps the end in sight where it was. */
function append(node, text) {
  const page = document.documentElement;
  const atEnd = innerHeight + scrollY >= page.scrollHeight - 40;
  written.text += text;
  node.data = written.text;
  if (atEnd) scrollTo(0, page.scrollHeight);
}

async function generate(text) {
  const { signal } = (controller = new AbortController());
  const fresh = beginText(text);
  const speed = speedometer();
  showError('');
  status.textContent = 'reading the prompt…';
  setBusy(true);
  try {
    let reason = 'stopped';
    for await (const event of events(await complete(text, signal))) {
      if (event.error) throw new Error(event.error.message);
      if (event.usage) speed.count(event.usage.completion_tokens);
      const [choice] = event.choices;
      if (!choice) continue;
      append(fresh, choice.text);
      status.textContent = String(speed);
      if (choice.finish_reason)
        reason = choice.finish_reason === 'length' ? 'token limit reached' : 'complete';
    }
    status.textContent = `${speed}, ${reason}`;
  } catch (problem) {
    status.textContent = signal.aborted ? `${speed}, stopped` : '';
    if (!signal.aborted)
      showError(
        problem instanceof TypeError ? 'The server does not answer. Is it still running?' : problem.message,
      );
  }
  controller = undefined;
  setBusy(false);
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  if (controller) controller.abort();
  else if (!go.disabled && $('seed').reportValidity()) generate(prompt.value);
});
more.addEventListener('click', () => {
  prompt.value = written.prompt + written.text;
  generate(prompt.value);
});
copy.addEventListener('click', async () => {
  try {
    await navigator.clipboard.writeText(written.prompt + written.text);
    copy.textContent = 'Copied';
  } catch {
    getSelection().selectAllChildren(output); // without permission: selected, ready for the keyboard
    copy.textContent = 'Selected';
  }
  setTimeout(() => (copy.textContent = 'Copy'), 1500);
});
addEventListener('keydown', (event) => {
  if (event.key === 'Escape') controller?.abort();
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey) && !controller) form.requestSubmit();
});

async function loadFacts() {
  const response = await fetch('/v1/models').catch(() => undefined);
  if (!response?.ok) return void setTimeout(loadFacts, 1000);
  const { id, meta } = (await response.json()).data[0];
  const count = (n) =>
    n >= 1e9
      ? `${(n / 1e9).toPrecision(3)} B`
      : n >= 1e6
        ? `${(n / 1e6).toPrecision(3)} M`
        : `${(n / 1e3).toPrecision(3)} K`;
  const rows = {
    name: id,
    parameters: count(meta.parameters),
    layers: meta.layers,
    width: meta.dim,
    heads: meta.heads === meta.kvHeads ? meta.heads : `${meta.heads} (${meta.kvHeads} key/value)`,
    vocabulary: meta.vocabSize.toLocaleString(),
    context: `${meta.contextLength.toLocaleString()} tokens`,
    format: meta.format,
    device: meta.device,
    ...(meta.fallbackReason && { 'slow because': meta.fallbackReason }),
  };
  $('facts').replaceChildren(
    ...Object.entries(rows).flatMap(([name, value]) => {
      const [dt, dd] = [document.createElement('dt'), document.createElement('dd')];
      [dt.textContent, dd.textContent] = [name, value];
      return [dt, dd];
    }),
  );
  $('model').textContent = `${id}, ${count(meta.parameters)} parameters`;
  document.title = `${id} · Cria`;
  $('max_tokens').max = meta.contextLength;
  $('max_tokens').dispatchEvent(new Event('input'));
  go.disabled = false;
  prompt.focus({ preventScroll: true });
}
loadFacts();
