import { getRoute } from '../http/route.ts';
import { engineOf, type ServerState } from '../http/state.ts';
import { prometheusText } from '../observe/prometheus.ts';

/** Counters and gauges for Prometheus. */
export const metrics = getRoute({
  path: '/metrics',
  summary: 'counters and gauges in the text format of Prometheus',
  produces: 'text/plain; version=0.0.4; charset=utf-8',
  answer({ state, reply }) {
    const { facts } = engineOf(state);
    void reply
      .type('text/plain; version=0.0.4; charset=utf-8')
      .send(prometheusText(state.metrics, { model: facts.id, ...gaugesOf(state) }));
  },
});

/** The engine makes as many texts together as it may; the others wait. */
export function gaugesOf(state: ServerState): { running: number; waiting: number } {
  const { active, facts } = engineOf(state);
  const running = Math.min(active, facts.maxSequences);
  return { running, waiting: active - running };
}
