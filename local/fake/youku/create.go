package youku

import (
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"strconv"
	"time"
)

// create opens an upload (ref. 4). The video_id exists from here on.
func (s *Server) create(c call) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, res := s.admit(c)
	if res.failed() {
		return res
	}
	for _, check := range []func(url.Values) result{s.checkPlain, s.checkTexts} {
		if res := check(c.form); res.failed() {
			return res
		}
	}
	now, sum := s.o.Now(), c.form.Get("file_md5")
	if s.known(sum, func(u *upload) bool { return u.Account == who.acct.Name && s.isDuplicate(u, now) }) {
		return fail(120010111) // ref. 8.6; it carries no id of the earlier video
	}
	if n := s.openUploads(who.acct.Name, now); s.o.Limits.OpenUploads > 0 && n >= s.o.Limits.OpenUploads {
		return fail(120010210)
	}
	u := s.newUpload(who, c.form, now)
	u.Outcome = who.acct.Outcome
	data := object{"video_id": u.VideoID, "upload_token": u.Token}
	if c.form.Get("isnew") != "1" { // ref. 4.3: without OSS, the slice upload's form
		data["upload_server_uri"] = "g01.upload.youku.example"
	} else {
		u.Bucket, u.Object = s.o.Bucket, s.objectKey()
		if res := s.addCredential(data, u, c.shape); res.failed() {
			return res
		}
		data["oss_bucket"], data["oss_object"] = u.Bucket, u.Object
	}
	if s.o.Readings.InstantUpload == "on" && s.known(sum, func(v *upload) bool { return v.Stored.MD5 == sum && v.Stored.Size == u.Size }) {
		u.Instant, data["instant_upload_ok"] = true, "yes" // ref. 4.3
	}
	s.st.add(u)
	return s.saved(result{status: s.o.Readings.CreateStatus, data: data}) // 201 in practice (ref. 2)
}

func (s *Server) newUpload(who caller, form url.Values, now time.Time) *upload {
	u := &upload{Token: s.uploadToken(), VideoID: s.videoID(), Account: who.acct.Name, ClientID: who.app.ClientID,
		MD5: form.Get("file_md5"), Fields: map[string]string{}, Created: now, Expires: now.Add(s.o.Limits.UploadLife), Status: open}
	u.Size, _ = strconv.ParseInt(form.Get("file_size"), 10, 64) // checked before
	for _, key := range createKeys() {
		if form.Has(key) {
			u.Fields[key] = form.Get(key)
		}
	}
	if form.Get("public_type") == "password" {
		sum := sha256.Sum256([]byte(form.Get("watch_password")))
		u.Password = hex.EncodeToString(sum[:])
	}
	return u
}

// createKeys are the parameters of ref. 4.1 but for the secrets.
func createKeys() []string {
	return []string{"file_name", "file_md5", "file_size", "title", "tags", "category", "thumbnail", "copyright_type",
		"public_type", "description", "deshake", "isweb", "isnew"}
}

// known reports whether some upload of this MD5 fits. Called with s.mu held.
func (s *Server) known(sum string, fits func(*upload) bool) bool {
	if sum == "" {
		return false
	}
	for _, u := range s.st.Uploads {
		if u.MD5 == sum && fits(u) {
			return true
		}
	}
	return false
}

// isDuplicate reports whether u stands in the way of another upload of the same file by the same user (ref. 8.6,
// 120010111). A video that failed or was deleted does not; an upload that was never committed only by the reading.
func (s *Server) isDuplicate(u *upload, now time.Time) bool {
	switch {
	case s.o.Readings.DuplicateOf == "none":
		return false
	case u.Status == committed:
		return !u.Deleted && s.stateOf(u, now) != Fail
	}
	return s.o.Readings.DuplicateOf == "created" && u.Status == open && now.Before(u.Expires)
}

// openUploads counts the account's uploads that could still be committed. Called with s.mu held.
func (s *Server) openUploads(name string, now time.Time) int {
	n := 0
	for _, u := range s.st.Uploads {
		if u.Account == name && u.Status == open && now.Before(u.Expires) {
			n++
		}
	}
	return n
}

// addCredential issues a credential for the upload's object and adds its five fields (ref. 5).
func (s *Server) addCredential(data object, u *upload, shape Shape) result {
	life := s.o.Limits.CredentialLife
	if shape.CredentialMS > 0 {
		life = time.Duration(shape.CredentialMS) * time.Millisecond
	}
	c, err := s.o.Storage.Issue(u.Bucket, u.Object, life)
	if err != nil {
		return fail(1002) // the platform keeps its reasons to itself
	}
	data["endpoint"], data["temp_access_id"], data["temp_access_secret"] = s.o.Endpoint, c.AccessKeyID, c.AccessKeySecret
	data["security_token"], data["expire_time"] = c.SecurityToken, c.Expires
	return result{}
}

// getSTSInf renews the credential of an upload (ref. 5). It does not repeat bucket and object; the old credential lives
// on to its own end (ref. 10). That a finished upload gets none, as 120010151, is assumed.
func (s *Server) getSTSInf(c call) result {
	s.mu.Lock()
	defer s.mu.Unlock()
	who, res := s.admit(c)
	if res.failed() {
		return res
	}
	u, res := s.findUpload(c, who)
	if res.failed() {
		return res
	}
	bucket, key := c.form.Get("oss_bucket"), c.form.Get("oss_object")
	switch {
	case u.Object == "" || bucket != u.Bucket || key != u.Object: // ref. 10: all three belong together
		return fail(120010005)
	case u.Status != open:
		return fail(120010151)
	case !s.o.Now().Before(u.Expires): // ref. 5: a new create is needed
		return fail(120010223)
	}
	data := object{"upload_token": u.Token}
	if res := s.addCredential(data, u, c.shape); res.failed() {
		return res
	}
	return ok(data)
}

// findUpload is the caller's upload of upload_token; another account's is as invalid as an invented one. Called with
// s.mu held.
func (s *Server) findUpload(c call, who caller) (*upload, result) {
	u := s.st.byToken[c.form.Get("upload_token")]
	if u == nil || u.Account != who.acct.Name {
		return nil, fail(120010005)
	}
	return u, result{}
}
