// What a web app does with the AppServer and the vendor's OSS client, as the vendor's web SDK does it: it gets an address
// and a credential, decodes them, uploads in parts, renews the credential in the middle, and publishes.
'use strict';

const app = {
  api: new URLSearchParams(location.search).get('api'),
  token: '',

  // One call: the envelope's data, or its refusal as an error. The token travels in the header, or where asked in the query.
  async call(method, path, params = {}, where = 'header') {
    const init = { method, headers: {} };
    const all = new URLSearchParams(params);
    if (app.token && where === 'header') init.headers.Authorization = `Bearer ${app.token}`;
    if (app.token && where === 'query') all.set('token', app.token);
    let url = app.api + path;
    if (method === 'GET') url += `?${all}`;
    else init.body = all;
    const res = await fetch(url, init);
    const answer = await res.json();
    if (answer.result !== 'true' || answer.code !== '200') {
      throw Object.assign(new Error(answer.message), { code: answer.code, http: res.status, envelope: answer });
    }
    return answer.data;
  },

  // The two are base64 of JSON.
  decode(text) {
    return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(text), (c) => c.charCodeAt(0))));
  },

  client(ticket, more = {}) {
    const at = app.decode(ticket.uploadAddress);
    const auth = app.decode(ticket.uploadAuth);
    const store = new OSS({
      endpoint: at.Endpoint, bucket: at.Bucket, region: `oss-${auth.Region}`, accessKeyId: auth.AccessKeyId, accessKeySecret: auth.AccessKeySecret,
      stsToken: auth.SecurityToken, secure: at.Endpoint.startsWith('https'), timeout: 20000, retryMax: 0, refreshSTSTokenInterval: 1e9,
      refreshSTSToken: async () => ({ accessKeyId: auth.AccessKeyId, accessKeySecret: auth.AccessKeySecret, stsToken: auth.SecurityToken }), ...more,
    });
    return { at, auth, store };
  },

  async signIn(username, password) {
    await app.call('POST', '/user/register', { username, password });
    const who = await app.call('POST', '/user/login', { username, password });
    app.token = who.token;
    return who;
  },

  file() { return document.getElementById('file').files[0]; },

  // A video in parts. When its credential has ended the upload goes on from its checkpoint with a new one. With a hold, which
  // is waited for in the middle, parts go one after the other.
  async uploadVideo(title, more = {}, hold = null) {
    const file = app.file();
    const ticket = await app.call('GET', '/vod/getVideoUploadAuth', { title, fileName: file.name, fileSize: String(file.size) }, 'query');
    let { at, auth, store } = app.client(ticket, more);
    let checkpoint;
    let renewed = 0;
    const steps = [];
    const parallel = hold ? 1 : 2;
    const progress = async (p, c) => {
      if (c) checkpoint = c;
      steps.push(p);
      if (hold && p >= 0.5) { const f = hold; hold = null; await f(auth); }
    };
    for (;;) {
      try {
        const done = await store.multipartUpload(at.FileName, file, { partSize: 256 * 1024, parallel, progress, checkpoint });
        document.getElementById('state').textContent = 'uploaded';
        return { videoId: ticket.videoId, bucket: at.Bucket, key: at.FileName, etag: done.etag, renewed, steps, parts: checkpoint.doneParts.length, expires: auth.ExpireUTCTime };
      } catch (e) {
        if (e.code !== 'SecurityTokenExpired' || renewed > 0) throw e;
        renewed++;
        const again = await app.call('GET', '/vod/refreshVideoUploadAuth', { videoId: ticket.videoId });
        const before = auth.SecurityToken;
        ({ at, auth, store } = app.client(again, more));
        if (auth.SecurityToken === before) throw new Error('the refresh gave the credential that had ended');
      }
    }
  },

  async uploadImage(title, more = {}) {
    const file = app.file();
    const ticket = await app.call('GET', '/vod/getImageUploadAuth', { imageType: 'cover', imageExt: 'png', title });
    const { at, store } = app.client(ticket, more);
    const done = await store.put(at.FileName, file);
    return { imageId: ticket.imageId, imageURL: ticket.imageURL, bucket: at.Bucket, key: at.FileName, status: done.res.status };
  },

  // What happened, for whoever drives the page: a refusal is a value here.
  async refusal(f) {
    try {
      await f();
      return { code: 'none' };
    } catch (e) {
      return { code: String(e.code), status: e.status, http: e.http, name: e.name, message: e.message, envelope: e.envelope };
    }
  },
};
