/** What a run tells whoever shows progress. Times are seconds, losses nats a token. */
export type TrainingEvent =
  | ResumeReport
  | ({ readonly type: 'step' } & StepReport)
  | ({ readonly type: 'skipped' } & SkippedReport)
  | ({ readonly type: 'evaluation' } & EvaluationReport)
  | ({ readonly type: 'saved' } & SaveReport)
  | { readonly type: 'stopped'; readonly step: number }
  | { readonly type: 'finished'; readonly step: number };

export interface ResumeReport {
  readonly type: 'resumed';
  readonly step: number;
  readonly position: number;
  /** Newer states that were left out, with what is wrong with them. */
  readonly damaged: readonly { readonly folder: string; readonly reason: string }[];
}

export interface SaveReport {
  /** The step that is saved; later ones may be done. */
  readonly step: number;
  readonly folder: string;
  /** Seconds that the training stood still for it: the copy, and the wait for the state before it. */
  readonly seconds: number;
  /** States that it replaces but that could not be removed, and why. */
  readonly notRemoved: readonly { readonly folder: string; readonly reason: string }[];
}

export interface StepReport {
  /** Updates done, this one included. */
  readonly step: number;
  readonly totalSteps: number;
  /** Mean over the tokens that count. */
  readonly loss: number;
  readonly learningRate: number;
  /** Global norm of the mean gradient, before clipping. */
  readonly gradientNorm: number;
  /** Factor the gradient was multiplied with to keep its norm in bounds; 1 where it was. */
  readonly clipFactor: number;
  /** Tokens of this step, and of the run so far. */
  readonly tokens: number;
  readonly totalTokens: number;
  readonly seconds: number;
  readonly tokensPerSecond: number;
  /** Floating-point operations a second that the model's mathematics needs: tokensPerSecond · flopsPerToken. */
  readonly flopsPerSecond: number;
}

export interface SkippedReport {
  readonly step: number;
  readonly loss: number;
  readonly gradientNorm: number;
  readonly reason: string;
}

export interface EvaluationReport {
  readonly step: number;
  readonly loss: number;
  readonly tokens: number;
  readonly seconds: number;
}
