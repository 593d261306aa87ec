#!/usr/bin/env node
import { start } from './src/service/twistd/start.ts';

process.exit(await start(process.argv.slice(2)));
