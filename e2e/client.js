// Drives page.js in headless Chromium and checks, at the fakes, what came of it. Usage: node client.js PLACE-AS-JSON CHROMIUM
'use strict';
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { chromium } = require('playwright-core');

const place = JSON.parse(process.argv[2]);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'vodlift-e2e-'));
const began = Date.now();
const figures = [];
const ok = (what) => { figures.push(what); console.log(`ok   ${what}`); };
const sha256 = (b) => crypto.createHash('sha256').update(b).digest('hex');

async function control(method, what) {
  const res = await fetch(`${place.control}/${what}`, { method });
  assert.equal(res.status, 200, what);
  return res.json();
}

async function until(what, is) {
  for (const end = Date.now() + 20000; ;) {
    const v = await is();
    if (v) return v;
    if (Date.now() > end) throw new Error(`never: ${what}`);
    await new Promise((r) => setTimeout(r, 20));
  }
}

function film(size) {
  const b = crypto.randomBytes(size);
  Buffer.from('0000001066747970', 'hex').copy(b);
  return b;
}

async function choose(page, name, bytes) {
  const file = path.join(folder, name);
  fs.writeFileSync(file, bytes);
  await page.setInputFiles('#file', file);
}

async function open(browser, at) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const strange = [];
  page.on('pageerror', (e) => strange.push(e.message));
  await page.goto(`${at}/?api=${encodeURIComponent(place.api)}`);
  assert.equal(await page.evaluate('typeof OSS'), 'function');
  return { page, context, strange };
}

// The object at the fake is the file, and VOD said that it came.
async function arrived(up, bytes, parts) {
  const o = await control('GET', `object?bucket=${up.bucket}&key=${encodeURIComponent(up.key)}`);
  assert.deepEqual({ found: o.found, size: o.size, sha256: o.sha256 }, { found: true, size: bytes.length, sha256: sha256(bytes) });
  if (parts) assert.equal(o.parts, parts);
  return o;
}

const told = (type, id) => until(`${type} of ${id}`, async () => (await control('GET', 'events') || []).find((e) => e.Type === type && e.ID.split(' ').includes(id)));

async function video(page, title, more) {
  const bytes = film(2 * 1024 * 1024 + 12345);
  await choose(page, '夜景 2.mp4', bytes);
  const up = await page.evaluate(([t, m]) => app.uploadVideo(t, m), [title, more]);
  assert.equal(up.renewed, 0);
  await arrived(up, bytes, 9);
  const e = await told('FileUploadComplete', up.videoId);
  assert.equal(e.Size, bytes.length);
  await page.evaluate((id) => app.call('POST', '/vod/videoPublish', { videoId: id, title: '夜景' }), up.videoId);
  const listed = await until('it is recommended', async () => {
    const l = await page.evaluate(() => app.call('GET', '/vod/getRecommendVideoList', { pageIndex: '1', pageSize: '10' }));
    return l.videoList.find((v) => v.videoId === up.videoId);
  });
  assert.equal(listed.title, '夜景');
  return { up, bytes };
}

async function renewed(page) {
  const bytes = film(3 * 1024 * 1024);
  await choose(page, 'long.mp4', bytes);
  await page.exposeFunction('endCredential', (id) => control('POST', `expire?id=${encodeURIComponent(id)}`));
  const before = (await control('GET', 'requests')).length;
  const up = await page.evaluate(() => app.uploadVideo('renewed', {}, (auth) => window.endCredential(auth.AccessKeyId)));
  assert.equal(up.renewed, 1);
  await arrived(up, bytes, 12);
  await told('FileUploadComplete', up.videoId);
  const sent = (await control('GET', 'requests')).slice(before);
  const parts = sent.filter((r) => r.op === 'upload_part');
  const good = parts.filter((r) => r.status === 200).map((r) => new URLSearchParams(r.query).get('partNumber'));
  const refused = parts.filter((r) => r.status === 403).length;
  assert.deepEqual([refused, good.length, new Set(good).size], [1, 12, 12], 'one part meets the credential that ended, none is sent twice');
  assert.equal(sent.filter((r) => r.op === 'initiate' && r.status === 200).length, 1);
  assert.ok(sent.some((r) => r.op === 'options' && r.status === 200), 'the browser never asked');
}

async function image(page, more) {
  const bytes = Buffer.concat([Buffer.from('89504e470d0a1a0a', 'hex'), crypto.randomBytes(40000)]);
  await choose(page, 'cover.png', bytes);
  const up = await page.evaluate((m) => app.uploadImage('封面', m), more);
  assert.equal(up.status, 200);
  const o = await arrived(up, bytes);
  assert.match(o.type, /image\/png/);
  await told('ImageUploadComplete', up.imageId);
}

async function refusals(browser, mine, page) {
  const b = await open(browser, place.page);
  await b.page.evaluate(() => app.signIn('second-user', 'correct horse battery'));
  const foreign = (id) => b.page.evaluate((v) => app.refusal(() => app.call('GET', '/vod/refreshVideoUploadAuth', { videoId: v })), id);
  const r = await foreign(mine.up.videoId);
  assert.deepEqual([r.code, r.http, r.envelope.result, r.envelope.data], ['403', 200, 'false', null]);
  for (const token of ['', 'eyJhbGciOiJIUzI1NiJ9.e30.x']) {
    const bad = await b.page.evaluate((t) => { app.token = t; return app.refusal(() => app.call('GET', '/vod/getSts')); }, token);
    assert.equal(bad.code, '403');
  }
  await b.context.close();

  // Another file's credential, one that was made up, one that has ended.
  await choose(page, 'x.mp4', film(1000));
  const oss = await page.evaluate(async () => {
    const file = app.file();
    const one = await app.call('GET', '/vod/getVideoUploadAuth', { title: 'one', fileName: 'x.mp4' });
    const two = await app.call('GET', '/vod/getVideoUploadAuth', { title: 'two', fileName: 'x.mp4' });
    const a = app.client(one);
    const out = { id: a.auth.AccessKeyId, bucket: a.at.Bucket, keys: [a.at.FileName, app.client(two).at.FileName] };
    out.foreign = await app.refusal(() => a.store.put(app.client(two).at.FileName, file));
    out.madeUp = await app.refusal(() => app.client(one, { stsToken: 'made-up', refreshSTSToken: undefined }).store.put(a.at.FileName, file));
    out.wrong = await app.refusal(() => app.client(one, { accessKeySecret: 'wrong', refreshSTSToken: undefined }).store.put(a.at.FileName, file));
    await window.endCredential(out.id);
    out.ended = await app.refusal(() => a.store.put(a.at.FileName, file));
    return out;
  });
  assert.deepEqual([oss.foreign.code, oss.madeUp.code, oss.wrong.code, oss.ended.code], ['AccessDenied', 'InvalidSecurityToken', 'SignatureDoesNotMatch', 'SecurityTokenExpired']);
  for (const k of oss.keys) assert.equal((await control('GET', `object?bucket=${oss.bucket}&key=${encodeURIComponent(k)}`)).found, false);

  // An origin that neither the bucket nor the AppServer names.
  const o = await open(browser, place.other);
  assert.match((await o.page.evaluate(() => app.refusal(() => app.call('GET', '/music/getRecommendMusic', { pageNo: '1', pageSize: '1' })))).message, /fetch/i);
  await choose(o.page, 'x.mp4', film(1000));
  const ticket = await page.evaluate(() => app.call('GET', '/vod/getVideoUploadAuth', { title: 'three', fileName: 'x.mp4' }));
  const kept = await o.page.evaluate(async (t) => app.refusal(() => app.client(t).store.put(app.client(t).at.FileName, app.file())), ticket);
  assert.ok(kept.status < 200, `another origin got through: ${JSON.stringify(kept)}`);
  await o.context.close();

  // The user's own token, a day later.
  await control('POST', 'ahead?by=25h');
  const late = await page.evaluate(() => app.refusal(() => app.call('GET', '/vod/getVideoUploadAuth', { title: 'late', fileName: 'x.mp4' })));
  assert.deepEqual([late.code, late.http], ['403', 200]);
  await control('POST', 'ahead?by=0s');
}

(async () => {
  // It makes itself a profile of its own, and removes it.
  const browser = await chromium.launch({ executablePath: process.argv[3], headless: true, chromiumSandbox: false, args: [
    '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'] });
  try {
    const { page, strange } = await open(browser, place.page);
    const agent = await page.evaluate('navigator.userAgent');
    await page.evaluate(() => app.signIn('first-user', 'correct horse battery'));
    ok(`signed in by ${agent.match(/(Headless)?Chrome\/\S+/)[0]}`);
    const mine = await video(page, '夜景2', {});
    ok('a video in 9 parts, signature V1: bytes, FileUploadComplete, published, recommended');
    await video(page, 'v4', { authorizationV4: true });
    ok('a video in 9 parts, signature V4');
    await renewed(page);
    ok('a credential that ended in the middle was renewed: one part refused, 12 sent for 12');
    for (const authorizationV4 of [false, true]) await image(page, { authorizationV4 });
    ok('two pictures, V1 and V4: bytes, ImageUploadComplete');
    await refusals(browser, mine, page);
    ok('refused in the page: foreign video, no token, made-up token, ended token; foreign, made-up, wrong and ended credential; another origin');
    assert.deepEqual(strange, [], 'errors in the page');
    console.log(`e2e: ${figures.length} steps in ${((Date.now() - began) / 1000).toFixed(1)} s`);
  } finally {
    await browser.close();
    fs.rmSync(folder, { recursive: true, force: true });
  }
})().catch((e) => { console.error(e); process.exit(1); });
