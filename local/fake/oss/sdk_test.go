package oss_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	sdk "github.com/aliyun/aliyun-oss-go-sdk/oss"

	"github.com/vodlift/vodlift/local/fake"
	"github.com/vodlift/vodlift/local/fake/oss"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
)

// These tests drive the fake with the vendor's own Go SDK.

type vendor struct {
	*testing.T
	s    *oss.Server
	keys *ram.Store
	web  *httptest.Server
	skew atomic.Int64
}

func newVendor(t *testing.T) *vendor {
	t.Helper()
	v := &vendor{T: t}
	now := func() time.Time { return time.Now().Add(time.Duration(v.skew.Load())) }
	var err error
	if v.keys, err = ram.NewStore(ram.StoreOptions{Now: now}); err != nil {
		t.Fatal(err)
	}
	if _, err = v.keys.AddKey("root", "LTAIroot", "SK"); err != nil {
		t.Fatal(err)
	}
	v.s, err = oss.New(oss.Options{Credentials: v.keys, Now: now, Buckets: []oss.Bucket{{Name: "vodlift-in"}}, CNAMEs: map[string]string{"media.example": "vodlift-in"}})
	if err != nil {
		t.Fatal(err)
	}
	v.web = httptest.NewServer(v.s)
	t.Cleanup(func() { v.web.Close(); v.s.Close() })
	return v
}

// client speaks to endpoint, whose name is resolved to the fake whatever it is.
func (v *vendor) client(endpoint string, c ram.Credential, opts ...sdk.ClientOption) *sdk.Bucket {
	v.Helper()
	tr := v.web.Client().Transport.(*http.Transport).Clone()
	dial := tr.DialContext
	tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return dial(ctx, network, v.web.Listener.Addr().String())
	}
	v.Cleanup(tr.CloseIdleConnections)
	opts = append([]sdk.ClientOption{sdk.HTTPClient(&http.Client{Transport: tr}), sdk.SecurityToken(c.Token)}, opts...)
	cl, err := sdk.New(endpoint, c.AccessKeyID, c.Secret, opts...)
	if err != nil {
		v.Fatal(err)
	}
	b, err := cl.Bucket("vodlift-in")
	if err != nil {
		v.Fatal(err)
	}
	return b
}

func (v *vendor) issue(life time.Duration, actions ...string) ram.Credential {
	v.Helper()
	p := ram.ObjectPolicy("vodlift-in", "*", actions...)
	p.Statement[0].Resource = append(p.Statement[0].Resource, ram.ObjectResource("vodlift-in", "")) // lists want the bucket itself
	c, err := v.keys.Issue("user", life, p)
	if err != nil {
		v.Fatal(err)
	}
	return c
}

func versions() map[string][]sdk.ClientOption {
	return map[string][]sdk.ClientOption{"V1": nil, "V4": {sdk.AuthVersion(sdk.AuthV4), sdk.Region("cn-shanghai")},
		"V4 with the host signed": {sdk.AuthVersion(sdk.AuthV4), sdk.Region("cn-shanghai"), sdk.AdditionalHeaders([]string{"host", "user-agent"})}}
}

func data(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i*31 + i/1009)
	}
	return b
}

func code(err error) string {
	var e sdk.ServiceError
	if errors.As(err, &e) {
		return e.Code
	}
	return "no service error"
}

func TestVendorSDKDoesEverythingInEveryStyleAndVersion(t *testing.T) {
	v := newVendor(t)
	root := ram.Credential{AccessKeyID: "LTAIroot", Secret: "SK"}
	for style, endpoint := range map[string]string{"path": v.web.URL, "virtual host": "http://oss-cn-shanghai.aliyuncs.com", "CNAME": "http://media.example"} {
		for version, opts := range versions() {
			t.Run(style+" "+version, func(t *testing.T) {
				if style == "CNAME" {
					opts = append(opts, sdk.UseCname(true))
				}
				for name, c := range map[string]ram.Credential{"permanent": root, "temporary": v.issue(time.Hour, "oss:*")} {
					round(t, v.client(endpoint, c, opts...), name)
				}
			})
		}
	}
}

// round is a life of two objects.
func round(t *testing.T, b *sdk.Bucket, name string) {
	t.Helper()
	ok := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(name, err)
		}
	}
	small, key := data(1000), "sv/a b+c=视频 "+name+".mp4"
	ok(b.PutObject(key, bytes.NewReader(small), sdk.Meta("who", "me"), sdk.ContentType("video/mp4")))
	ok(b.PutObject(key, io.MultiReader(bytes.NewReader(small)))) // chunked
	rc, err := b.GetObject(key, sdk.Range(10, 19))
	ok(err)
	got, err := io.ReadAll(rc)
	ok(err)
	rc.Close()
	if !bytes.Equal(got, small[10:20]) {
		t.Error("range", got)
	}
	big := data(250 * 1024)
	imur, err := b.InitiateMultipartUpload(key)
	ok(err)
	var parts []sdk.UploadPart
	for i, n := range []int{2, 1, 3} {
		off := (n - 1) * 102400
		end := min(off+102400, len(big))
		p, err := b.UploadPart(imur, bytes.NewReader(big[off:]), int64(end-off), n)
		ok(err)
		parts = append(parts, p)
		list, err := b.ListUploadedParts(imur, sdk.MaxParts(1))
		ok(err)
		if len(list.UploadedParts) != 1 || list.IsTruncated != (i > 0) || list.Key != key {
			t.Errorf("list %+v", list)
		}
	}
	ups, err := b.ListMultipartUploads(sdk.Prefix("sv/"))
	ok(err)
	if len(ups.Uploads) != 1 || ups.Uploads[0].Key != key || ups.Uploads[0].UploadID != imur.UploadID {
		t.Errorf("uploads %+v", ups)
	}
	done, err := b.CompleteMultipartUpload(imur, parts)
	ok(err)
	if !strings.HasSuffix(done.ETag, `-3"`) || done.Key != key {
		t.Errorf("%+v", done)
	}
	rc, err = b.GetObject(key)
	ok(err)
	got, err = io.ReadAll(rc) // the SDK compares the CRC at the end
	ok(err)
	rc.Close()
	if !bytes.Equal(got, big) {
		t.Error("bytes differ")
	}
	head, err := b.GetObjectDetailedMeta(key)
	ok(err)
	if head.Get("X-Oss-Object-Type") != "Multipart" || head.Get("Content-Length") != "256000" {
		t.Error(head)
	}
	objects, err := b.ListObjectsV2(sdk.Prefix("sv/"), sdk.MaxKeys(1))
	ok(err)
	if len(objects.Objects) != 1 || objects.Objects[0].Key != key {
		t.Errorf("%+v", objects)
	}
	for _, method := range []sdk.HTTPMethod{sdk.HTTPGet, sdk.HTTPPut} {
		link, err := b.SignURL(key, method, 60)
		ok(err)
		if method == sdk.HTTPPut {
			ok(b.PutObjectWithURL(link, bytes.NewReader(small)))
			continue
		}
		rc, err := b.GetObjectWithURL(link)
		ok(err)
		rc.Close()
	}
	imur, err = b.InitiateMultipartUpload("other")
	ok(err)
	ok(b.AbortMultipartUpload(imur))
	if err := b.AbortMultipartUpload(imur); code(err) != "NoSuchUpload" {
		t.Error(err)
	}
	ok(b.DeleteObject(key))
	if _, err := b.GetObject(key); code(err) != "NoSuchKey" {
		t.Error(err)
	}
	if _, err := b.GetObjectDetailedMeta(key); code(err) != "NoSuchKey" { // out of x-oss-err
		t.Error(err)
	}
}

func TestVendorSDKIsRefused(t *testing.T) {
	for version, opts := range versions() {
		t.Run(version, func(t *testing.T) {
			v := newVendor(t)
			put := func(c ram.Credential, more ...sdk.ClientOption) string {
				return code(v.client(v.web.URL, c, append(opts, more...)...).PutObject("k", strings.NewReader("x")))
			}
			live, other, dead := v.issue(time.Hour, "oss:*"), v.issue(time.Hour, "oss:GetObject"), v.issue(time.Hour, "oss:*")
			if err := v.keys.Expire(dead.AccessKeyID); err != nil {
				t.Fatal(err)
			}
			with := func(c ram.Credential, f func(*ram.Credential)) ram.Credential { f(&c); return c }
			for name, c := range map[string]struct {
				cred ram.Credential
				want string
			}{
				"wrong secret":        {with(live, func(c *ram.Credential) { c.Secret = "x" }), "SignatureDoesNotMatch"},
				"unknown key":         {with(live, func(c *ram.Credential) { c.AccessKeyID = "STS.none" }), "InvalidAccessKeyId"},
				"no token":            {with(live, func(c *ram.Credential) { c.Token = "" }), "InvalidAccessKeyId"},
				"a made-up token":     {with(live, func(c *ram.Credential) { c.Token = "x" }), "InvalidSecurityToken"},
				"another key's token": {with(live, func(c *ram.Credential) { c.Token = other.Token }), "AccessKeyIdAndSecurityTokenNotMatch"},
				"expired":             {dead, "SecurityTokenExpired"},
				"policy":              {other, "AccessDenied"},
			} {
				if got := put(c.cred); got != c.want {
					t.Errorf("%s: got %s, want %s", name, got, c.want)
				}
			}
			if version != "V1" {
				if got := put(live, sdk.Region("cn-beijing")); got != "InvalidArgument" {
					t.Error("another region:", got)
				}
			}
			v.skew.Store(int64(15*time.Minute + 2*time.Second))
			if got := put(live); got != "RequestTimeTooSkewed" {
				t.Error("clock:", got)
			}
		})
	}
}

func TestVendorSDKSeesInjectedFaults(t *testing.T) {
	v := newVendor(t)
	b := v.client(v.web.URL, ram.Credential{AccessKeyID: "LTAIroot", Secret: "SK"})
	for _, f := range []fake.Fault{{Op: "put_object", Name: "ServiceUnavailable"}, {Op: "put_object", Code: 502}, {Op: "put_object", Cut: "after"}} {
		if err := v.s.Inject(f); err != nil {
			t.Fatal(err)
		}
		if f.Name != "" {
			if got := code(b.PutObject("k", strings.NewReader("x"))); got != f.Name {
				t.Error(got)
			}
		} else if err := b.PutObject("k", strings.NewReader("x")); err == nil {
			t.Error("no error for", f)
		}
	}
	if _, ok := v.s.Stat("vodlift-in", "k"); !ok {
		t.Error("cut after the effect, but there is no effect")
	}
}

func TestVendorSDKResumesItsOwnUpload(t *testing.T) {
	for version, opts := range versions() {
		t.Run(version, func(t *testing.T) {
			v := newVendor(t)
			b := v.client(v.web.URL, ram.Credential{AccessKeyID: "LTAIroot", Secret: "SK"}, opts...)
			dir := t.TempDir()
			file, check, want := filepath.Join(dir, "a.mp4"), filepath.Join(dir, "a.cp"), data(1<<20)
			if err := os.WriteFile(file, want, 0o600); err != nil {
				t.Fatal(err)
			}
			upload := func() error {
				return b.UploadFile("a.mp4", file, 100*1024, sdk.Routines(3), sdk.Checkpoint(true, check))
			}
			if err := v.s.Inject(fake.Fault{Op: "upload_part", Nth: 6, Times: 6, Name: "ServiceUnavailable"}); err != nil {
				t.Fatal(err)
			}
			if code(upload()) != "ServiceUnavailable" {
				t.Fatal("the fault did not strike")
			}
			v.s.ClearFaults()
			if err := upload(); err != nil {
				t.Fatal(err)
			}
			rc, err := v.s.OpenObject("vodlift-in", "a.mp4")
			if err != nil {
				t.Fatal(err)
			}
			defer rc.Close()
			got, err := io.ReadAll(rc)
			if err != nil || !bytes.Equal(got, want) {
				t.Error("bytes differ", err)
			}
			if n := v.s.Counters()["initiate"].Requests; n != 1 {
				t.Error("not resumed:", n, "uploads")
			}
			down := filepath.Join(dir, "b.mp4")
			if err := b.DownloadFile("a.mp4", down, 300*1024, sdk.Routines(3), sdk.Checkpoint(true, check)); err != nil {
				t.Fatal(err)
			}
			if back, err := os.ReadFile(down); err != nil || !bytes.Equal(back, want) {
				t.Error("downloaded bytes differ", err)
			}
		})
	}
}

// rotating hands the SDK a credential per request, as a renewing client does.
type rotating struct {
	mu sync.Mutex
	c  ram.Credential
}

func (r *rotating) GetCredentials() sdk.Credentials {
	r.mu.Lock()
	defer r.mu.Unlock()
	return held{r.c}
}
func (r *rotating) set(c ram.Credential) { r.mu.Lock(); defer r.mu.Unlock(); r.c = c }

type held struct{ c ram.Credential }

func (h held) GetAccessKeyID() string     { return h.c.AccessKeyID }
func (h held) GetAccessKeySecret() string { return h.c.Secret }
func (h held) GetSecurityToken() string   { return h.c.Token }

func TestVendorSDKGoesOnWithARenewedCredential(t *testing.T) {
	v := newVendor(t)
	p := &rotating{c: v.issue(2*time.Second, ram.UploadActions()...)}
	b := v.client(v.web.URL, ram.Credential{AccessKeyID: "x", Secret: "x"}, sdk.SetCredentialsProvider(p), sdk.AuthVersion(sdk.AuthV4), sdk.Region("cn-shanghai"))
	imur, err := b.InitiateMultipartUpload("k")
	if err != nil {
		t.Fatal(err)
	}
	body := data(300 * 1024)
	var parts []sdk.UploadPart
	for n := 1; n <= 3; n++ {
		send := func() error {
			p, err := b.UploadPart(imur, bytes.NewReader(body[(n-1)*102400:]), 102400, n)
			if err == nil {
				parts = append(parts, p)
			}
			return err
		}
		v.skew.Add(int64(2 * time.Second))
		if err := send(); code(err) != "SecurityTokenExpired" {
			t.Fatal(err)
		}
		p.set(v.issue(2*time.Second, ram.UploadActions()...))
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.CompleteMultipartUpload(imur, parts); err != nil {
		t.Fatal(err)
	}
	if _, err := b.GetObject("k"); code(err) != "AccessDenied" { // an upload credential cannot read
		t.Error(err)
	}
	if o, _ := v.s.Stat("vodlift-in", "k"); o.Size != 300*1024 || o.Parts != 3 {
		t.Error(o)
	}
}
