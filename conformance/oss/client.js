// Drives the fake OSS and the fake STS with the vendor's Node client: put, multipart, range get, list parts, wrong
// secret, expired token, in V1 and V4, by virtual host and by path. Usage: node client.js PLACE-AS-JSON
'use strict';
const assert = require('node:assert/strict');
const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const OSS = require('ali-oss');

// On an IP address this client names the bucket in Host (virtual host); path style it has only for a name.
require('node:dns').setDefaultResultOrder('ipv4first');

const place = JSON.parse(process.argv[2]);
const byName = place.oss.replace('127.0.0.1', 'localhost');
const root = { id: place.id, secret: place.secret };

function client(key, more) {
  return new OSS({
    region: place.region, endpoint: place.oss, bucket: place.bucket, timeout: 20000,
    accessKeyId: key.id, accessKeySecret: key.secret, stsToken: key.token,
    refreshSTSToken: key.token ? async () => ({ accessKeyId: key.id, accessKeySecret: key.secret, stsToken: key.token }) : undefined,
    ...more,
  });
}

async function refused(code, status, f) {
  await assert.rejects(f, (e) => {
    assert.equal(e.code, code);
    assert.equal(e.status, status);
    return true;
  });
}

async function round(c, name) {
  const key = `sv/a b 视频 ${name}.mp4`;
  const small = crypto.randomBytes(1000);
  const put = await c.put(key, small, { headers: { 'x-oss-meta-who': 'me' } });
  assert.equal(put.res.headers.etag, `"${crypto.createHash('md5').update(small).digest('hex').toUpperCase()}"`);
  const range = await c.get(key, { headers: { Range: 'bytes=10-19' } });
  assert.equal(range.res.status, 206);
  assert.deepEqual(range.content, small.subarray(10, 20));
  const head = await c.head(key);
  assert.equal(head.meta.who, 'me');

  // Its own multipart upload, stopped half way and resumed from its checkpoint.
  const big = crypto.randomBytes(550 * 1024);
  const file = path.join(os.tmpdir(), `vodlift-oss-${process.pid}-${crypto.randomUUID()}`);
  fs.writeFileSync(file, big);
  try {
    let saved;
    const stop = new Error('stopped on purpose');
    await assert.rejects(c.multipartUpload(key, file, { partSize: 100 * 1024, parallel: 1, progress: (p, checkpoint) => {
      if (p > 0.5 && p < 1) { saved = JSON.parse(JSON.stringify(checkpoint)); throw stop; }
    } }));
    assert.ok(saved && saved.uploadId);
    const listed = await c.listParts(key, saved.uploadId, { 'max-parts': 2 });
    assert.equal(listed.parts.length, 2);
    assert.equal(String(listed.isTruncated), 'true');
    const open = await c.listUploads({ prefix: 'sv/' });
    assert.ok(open.uploads.some((u) => u.uploadId === saved.uploadId));
    const done = await c.multipartUpload(key, file, { checkpoint: { ...saved, file }, parallel: 3 });
    assert.match(done.etag, /-6"$/);
    assert.equal(done.res.status, 200);
  } finally {
    fs.rmSync(file, { force: true });
  }
  const back = await c.get(key);
  assert.ok(back.content.equals(big), 'the bytes differ');
  const across = await c.get(key, { headers: { Range: 'bytes=102390-204810' } });
  assert.ok(across.content.equals(big.subarray(102390, 204811)));

  // Parts by hand, out of order, then given up.
  const { uploadId } = await c.initMultipartUpload('other');
  await c.abortMultipartUpload('other', uploadId);
  await refused('NoSuchUpload', 404, () => c.listParts('other', uploadId));
  const list = await c.listV2({ prefix: 'sv/', 'max-keys': 1000 });
  assert.ok(list.objects.some((o) => o.name === key));
  await c.delete(key);
  await refused('NoSuchKey', 404, () => c.get(key));
}

async function refusals(more) {
  const x = Buffer.from('x');
  await refused('SignatureDoesNotMatch', 403, () => client({ ...root, secret: 'wrong' }, more).put('k', x));
  await refused('InvalidAccessKeyId', 403, () => client({ ...root, id: 'nobody' }, more).put('k', x));
  await refused('SecurityTokenExpired', 403, () => client(place.expired, more).put('k', x));
  await refused('InvalidSecurityToken', 403, () => client({ ...place.temporary, token: 'made-up' }, more).put('k', x));
  await refused('AccessKeyIdAndSecurityTokenNotMatch', 403, () => client({ ...place.temporary, token: place.readOnly.token }, more).put('k', x));
  await refused('AccessDenied', 403, () => client(place.readOnly, more).put('k', x));
}

async function assumed() {
  const sts = new OSS.STS({ endpoint: place.sts, accessKeyId: place.id, accessKeySecret: place.secret });
  const policy = { Version: '1', Statement: [{ Effect: 'Allow', Action: ['oss:PutObject'], Resource: [`acs:oss:*:*:${place.bucket}/in/*`] }] };
  const { credentials: k } = await sts.assumeRole(place.role, policy, 900, 'conformance');
  const c = client({ id: k.AccessKeyId, secret: k.AccessKeySecret, token: k.SecurityToken }, { authorizationV4: true });
  await c.put('in/a', Buffer.from('x'));
  await refused('AccessDenied', 403, () => c.put('out/a', Buffer.from('x')));
  await refused('AccessDenied', 403, () => c.get('in/a'));
  await refused('EntityNotExist.Role', 404, () => sts.assumeRole(place.role + 'x', null, 900, 'conformance'));
  await refused('InvalidParameter.DurationSeconds', 400, () => sts.assumeRole(place.role, null, 899, 'conformance'));
  const wrong = new OSS.STS({ endpoint: place.sts, accessKeyId: place.id, accessKeySecret: 'wrong' });
  await refused('SignatureDoesNotMatch', 400, () => wrong.assumeRole(place.role, null, 900, 'conformance'));
}

async function signedURL(more) {
  await client(root, more).put('link', Buffer.from('hello'));
  const forPublic = client(root, { ...more, endpoint: null }); // signs for the region's own name, and sends nothing
  const url = new URL(more.authorizationV4 ? await forPublic.signatureUrlV4('GET', 60, undefined, 'link') : forPublic.signatureUrl('link', { expires: 60 }));
  const res = await new Promise((resolve, reject) => {
    http.get(place.oss + url.pathname + url.search, { headers: { Host: url.host } }, resolve).on('error', reject);
  });
  let body = '';
  for await (const piece of res) body += piece;
  assert.equal(body, 'hello');
}

(async () => {
  for (const authorizationV4 of [false, true]) {
    for (const style of [{}, { sldEnable: true, endpoint: byName }]) {
      const more = { authorizationV4, ...style };
      const name = `${authorizationV4 ? 'V4' : 'V1'} ${style.sldEnable ? 'path' : 'host'}`;
      await round(client(root, more), name);
      await refusals(more);
      console.log(`ok   ${name}`);
    }
    await signedURL({ authorizationV4 });
    console.log(`ok   signed URL ${authorizationV4 ? 'V4' : 'V1'}`);
  }
  await assumed();
  console.log('ok   STS');
})().catch((e) => { console.error(e); process.exit(1); });
