/** How a model writes a call of a tool, as its template shows it. */
export type CallStyle =
  /** `<tool_call>{"name": …, "arguments": …}</tool_call>`, as Hermes, Qwen and SmolLM2 do. */
  | 'hermes'
  /** The whole answer is `{"name": …, "parameters": …}`, as Llama 3.1 and later do. */
  | 'llama3';

export interface Family {
  /** Undefined: the template has no place for tools, or its calls are not known here. */
  readonly calls: CallStyle | undefined;
  /** Whether the model thinks in `<think>…</think>` before it answers. */
  readonly thinks: boolean;
  /** Whether `developer` is a role of its own. */
  readonly developer: boolean;
}

/** What a template's text says of its model's answers. */
export function familyOf(template: string): Family {
  return {
    calls: callStyleOf(template),
    thinks: /<\/?think>/.test(template),
    developer: /['"]developer['"]/.test(template),
  };
}

function callStyleOf(template: string): CallStyle | undefined {
  if (!/\btools\b/.test(template)) return undefined;
  // Some families put XML inside the same tag.
  if (template.includes('<tool_call>')) return template.includes('<function=') ? undefined : 'hermes';
  return /ipython|python_tag/.test(template) && template.includes('"parameters"') ? 'llama3' : undefined;
}
