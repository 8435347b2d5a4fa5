#!/usr/bin/env node
// Plain JavaScript on purpose: it must still parse on a Node that cannot run the rest.
const major = Number(process.versions.node.split('.')[0]);
if (major < 24) {
  process.stderr.write(
    `trailpush needs Node 24 and this is ${process.versions.node}. ` +
      'Start it with "npx trailpush" (npm ci brings Node 24 along) or install Node 24.\n',
  );
  process.exitCode = 2;
} else {
  await import('../src/main.ts');
}
