/** Looking at a running application: what it tells of itself, and over which doors. */
export type {
  KnowsReadiness,
  Phase,
  ProcessReport,
  ServiceReport,
} from './report.ts';
