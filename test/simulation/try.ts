Error.stackTraceLimit = process.argv[4]==='t'?20:0;
import { createBatcher } from '@trailpush/batcher';
import { simulate } from './simulation.ts';
import { scenarioOf } from './scenario.ts';
const first=Number(process.argv[2]??1), n=Number(process.argv[3]??1); const tr=process.argv[4]==='t';
const t=performance.now(); let ev=0, st=0, vm=0; let bad=0;
for(let s=first;s<first+n;s++){ const t1=performance.now(); const o=await simulate(scenarioOf(s), createBatcher, tr?console.log:undefined); ev+=o.events; st+=o.steps; vm+=o.virtualMs; const ms=performance.now()-t1;
 if(o.violations.length) {bad++; console.log(s, ms|0, JSON.stringify(o.violations[0]));} if (n===1) console.log(o); }
console.log({n,bad, msPerSeed:(performance.now()-t)/n, events:ev/n, steps:st/n, virtualMs: vm/n});
process.exit(0);
