#!/usr/bin/env node
// Plain JavaScript on purpose: it must still parse on a Node that cannot run the rest.
import { INDEXER_NODE_FLAGS, NODE_ENVIRONMENT, NODE_FLAGS } from './node-settings.js';

const major = Number(process.versions.node.split('.')[0]);
const flags = process.argv[2] === 'indexer' ? INDEXER_NODE_FLAGS : NODE_FLAGS;
const isSet = flags.every((flag) => process.execArgv.includes(flag));
if (major < 24) {
  process.stderr.write(
    `trailpush needs Node 24 and this is ${process.versions.node}. ` +
      'Start it with "npx trailpush" (npm ci brings Node 24 along) or install Node 24.\n',
  );
  process.exitCode = 2;
} else if (isSet || process.platform !== 'linux' || process.execve === undefined) {
  await import('../src/main.ts');
} else {
  // Both can only be set at the start. The process is replaced, so its number stays.
  const args = [process.execPath, ...process.execArgv, ...flags, ...process.argv.slice(1)];
  process.execve(process.execPath, args, { ...NODE_ENVIRONMENT, ...process.env });
}
