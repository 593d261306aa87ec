/** Numbers in the text format of Prometheus, through prom-client, an optional dependency that is loaded when the first of them are asked for. */
import { createRequire } from 'node:module';
import type { Measurement } from '../../reactor/index.ts';
import { StartError } from '../errors.ts';
import { Logger } from '../logging/logger.ts';
import type { ProcessReport } from './report.ts';

const log = new Logger('admin');

type Client = typeof import('prom-client');

/** What V8 and Node tell of themselves, in prom-client's own shape, which goes between processes. */
export type RuntimeMetrics = readonly object[];

/** Collects what V8 and Node tell of a process: event loop delay, memory, collections of garbage, processor time. */
export class RuntimeCollector {
  readonly #client: Client;
  readonly #registry: InstanceType<Client['Registry']>;

  /** @throws {StartError} when prom-client is not there */
  constructor() {
    this.#client = client();
    this.#registry = new this.#client.Registry();
    this.#client.collectDefaultMetrics({ register: this.#registry });
  }

  async metrics(): Promise<RuntimeMetrics> {
    return await this.#registry.getMetricsAsJSON();
  }

  /** Ends what it does by itself. */
  close(): void {
    this.#registry.clear();
  }
}

/** What a process tells: its own numbers, and those of its runtime. */
export interface ProcessMetrics {
  readonly report: ProcessReport;
  readonly runtime: RuntimeMetrics;
}

/** The media type of `prometheusText`. */
export const PROMETHEUS_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** All numbers of all processes, in the text format. Those of workers have a label that tells which. @throws {StartError} */
export async function prometheusText(processes: readonly ProcessMetrics[]): Promise<string> {
  const { AggregatorRegistry, Registry } = client();
  const all: object[][] = [];
  for (const { report, runtime } of processes) {
    const label = report.worker === null ? {} : { worker: String(report.worker) };
    all.push(runtime.map((metric) => labelled(metric, label)));
    const own = new Registry();
    own.setDefaultLabels(label);
    for (const [name, group] of byName([...report.measurements, ...overview(report)])) {
      try {
        add(own, name, group);
      } catch (error) {
        // One that is not as it should be does not keep the others from being told.
        own.removeSingleMetric(name);
        log.warn('Cannot tell of {name}: {reason}', { name, reason: error });
      }
    }
    all.push(await own.getMetricsAsJSON());
  }
  // It asks for arrays of what `getMetricsAsJSON` gives, which is what these are.
  return await AggregatorRegistry.aggregate(
    all as Parameters<Client['AggregatorRegistry']['aggregate']>[0],
  ).metrics();
}

function client(): Client {
  try {
    // What require returns has no type; this is the package's own.
    return createRequire(import.meta.url)('prom-client') as Client;
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
    throw new StartError(
      `Cannot load 'prom-client', which makes metrics; 'npm install prom-client' installs it: ${reason}`,
      { cause },
    );
  }
}

function overview({ uptime, phase }: ProcessReport): Measurement[] {
  return [
    {
      ...{ name: 'strand_ready', type: 'gauge' },
      ...{ help: 'Whether the application can serve: 1 or 0.', value: phase === 'ready' ? 1 : 0 },
    },
    {
      ...{ name: 'strand_uptime_seconds', type: 'gauge' },
      ...{ help: 'How long the application has been hosted.', value: uptime },
    },
  ];
}

function byName(all: readonly Measurement[]): Map<string, Measurement[]> {
  const groups = new Map<string, Measurement[]>();
  for (const each of all) {
    const group = groups.get(each.name);
    if (group === undefined) groups.set(each.name, [each]);
    else group.push(each);
  }
  return groups;
}

/** Measurements of one name, as one metric. Labels that only some of them have are empty for the others. */
function add(registry: InstanceType<Client['Registry']>, name: string, group: Measurement[]): void {
  const { Counter, Gauge } = client();
  const [first] = group;
  if (first === undefined) return;
  const labelNames = [...new Set(group.flatMap(({ labels = {} }) => Object.keys(labels)))];
  const Metric = first.type === 'counter' ? Counter : Gauge;
  const metric = new Metric({ name, help: first.help, labelNames, registers: [registry] });
  for (const { labels = {}, value } of group) metric.inc({ ...labels }, value);
}

function labelled(metric: object, label: Readonly<Record<string, string>>): object {
  const { values } = metric as { values?: Array<{ labels?: object }> }; // a metric of prom-client's
  if (values === undefined) return metric;
  return {
    ...metric,
    values: values.map((value) => ({ ...value, labels: { ...value.labels, ...label } })),
  };
}
