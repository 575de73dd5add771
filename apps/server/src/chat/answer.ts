import { newId } from '../http/request-id.ts';
import type { Piece } from './pieces.ts';

/** A call of a tool in an answer. */
export interface AnswerCall {
  readonly id: string;
  readonly name: string;
  arguments: string;
}

/** A whole answer, put together from its pieces. */
export class Answer {
  content = '';
  reasoning = '';
  readonly calls: AnswerCall[] = [];

  add(piece: Piece): void {
    if (piece.kind === 'content') this.content += piece.text;
    else if (piece.kind === 'reasoning') this.reasoning += piece.text;
    else if (piece.kind === 'call') this.calls.push({ id: newId('call_'), name: piece.name, arguments: '' });
    else {
      const call = this.calls[piece.call];
      if (call) call.arguments += piece.text;
    }
  }
}
