import { ROOT_CONTEXT } from '@opentelemetry/api';
import { SamplingDecision, TraceIdRatioBasedSampler } from '@opentelemetry/sdk-trace';

/** Values of OTEL_TRACES_SAMPLER. */
export type SamplerName =
  | 'always_on'
  | 'always_off'
  | 'traceidratio'
  | 'parentbased_always_on'
  | 'parentbased_always_off'
  | 'parentbased_traceidratio';

/**
 * Whether a request is recorded, from the `traceparent` that it came with. Decided before anything is made for it: what is
 * not recorded costs no more than this.
 */
export function createSampling(
  name: SamplerName,
  ratio: number,
): (traceparent: string | undefined) => boolean {
  const isByParent = name.startsWith('parentbased_');
  const own = isByParent ? name.slice('parentbased_'.length) : name;
  const share = own === 'always_on' ? 1 : own === 'always_off' ? 0 : ratio;
  const byId = new TraceIdRatioBasedSampler(share);
  return (traceparent) => {
    // A trace that begins here has no id yet by which others could decide alike.
    if (traceparent === undefined) return share === 1 || (share > 0 && Math.random() < share);
    if (isByParent) return (Number.parseInt(traceparent.slice(53, 55), 16) & 1) === 1;
    const { decision } = byId.shouldSample(ROOT_CONTEXT, traceparent.slice(3, 35));
    return decision === SamplingDecision.RECORD_AND_SAMPLED;
  };
}
