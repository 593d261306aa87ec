#!/usr/bin/env node
import { main } from './src/service/twistd/index.ts';

process.exit(await main(process.argv.slice(2)));
