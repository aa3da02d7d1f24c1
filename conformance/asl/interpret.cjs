// Runs scripts in npm's aws-local-stepfunctions: node interpret.cjs DEFINITION SCRIPTS. Prints a JSON list of traces,
// as asl_test.go reads them. NODE_PATH says where the package is.
'use strict';
const fs = require('fs');

// Node 20 has no Promise.withResolvers, which the package wants.
if (!Promise.withResolvers) {
  Promise.withResolvers = function () {
    let resolve, reject;
    const promise = new this((a, b) => { resolve = a; reject = b; });
    return { promise, resolve, reject };
  };
}
const { StateMachine } = require('aws-local-stepfunctions');

const definition = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const machine = new StateMachine(definition);
const scripts = JSON.parse(fs.readFileSync(process.argv[3], 'utf8'));

// every state of a type, those in the body of a Map included
function named(states, type) {
  return Object.entries(states).flatMap(([name, s]) => [
    ...(s.Type === type ? [name] : []), ...(s.ItemProcessor ? named(s.ItemProcessor.States, type) : []),
  ]);
}

// key is the call's name in the script.
function key(fn, p) {
  const name = fn.replace(/^\$\{|FunctionArn\}$/g, '').toLowerCase();
  if (name === 'finalize') return p.step;
  if (name === 'park') return `park/${p.for}`;
  return name === 'uploadpart' ? `uploadpart/${p.range}` : name;
}

async function play(script) {
  const trace = { name: script.name, lines: {}, calls: {}, status: 'SUCCEEDED', output: null, error: '' };
  const left = structuredClone(script.answers);
  const note = (map, line, text) => (map[line] ??= []).push(text);
  const handler = (input) => {
    const p = input.Payload;
    const k = key(input.FunctionName, p);
    note(trace.calls, k, p);
    const list = left[k] ?? [];
    const answer = list.length > 1 ? list.shift() : list[0] ?? (p.range ? { done: true, wait: 0 } : {});
    if (answer.error) {
      const e = new Error('scripted');
      e.name = answer.error;
      throw e;
    }
    return answer.wake ? {} : { Payload: answer };
  };
  const each = (type, value) => Object.fromEntries(named(definition.States, type).map((n) => [n, value]));
  const run = machine.run(structuredClone(script.input), {
    context: { Task: { Token: 'TOKEN' } },
    overrides: { taskResourceLocalHandlers: each('Task', handler), retryIntervalOverrides: each('Task', 0), waitTimeOverrides: each('Wait', 0) },
  });
  const logs = (async () => {
    for await (const e of run.eventLogs) {
      if (e.type !== 'StateEntered') continue;
      const text = e.state.type === 'Wait' ? `${e.state.name} ${e.state.input.step.wait}` : e.state.name;
      note(trace.lines, e.index ?? 'top', text);
    }
  })();
  try {
    trace.output = await run.result;
  } catch (e) {
    trace.status = 'FAILED';
    trace.error = e.cause?.name ?? e.name;
  }
  await logs;
  return trace;
}

(async () => {
  const traces = [];
  for (const s of scripts) traces.push(await play(s));
  process.stdout.write(JSON.stringify(traces));
})().catch((e) => { console.error(e); process.exit(1); });
