package stack

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"os"
	"strings"
	"time"

	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	fakeweb "github.com/vodlift/vodlift/local/fake/douyinweb"
	fakeoss "github.com/vodlift/vodlift/local/fake/oss"
	fakests "github.com/vodlift/vodlift/local/fake/sts"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	faketos "github.com/vodlift/vodlift/local/fake/tos"
	fakevod "github.com/vodlift/vodlift/local/fake/vod"
	fakeyouku "github.com/vodlift/vodlift/local/fake/youku"
	"github.com/vodlift/vodlift/local/gateway"
	"github.com/vodlift/vodlift/shared/appserver/catalogue"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/target/alivod"
	"github.com/vodlift/vodlift/shared/target/douyinweb"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
	"github.com/vodlift/vodlift/shared/wire"
)

// demoPart is the platforms' one-request limit and part size in the demo.
const demoPart = 5 << 20

// fakes starts the demo's platforms, each on a listener of its own, and gives Douyin's address.
func (s *Stack) fakes(run context.Context, o Options) (string, error) {
	if err := s.fakeAliyun(run, o); err != nil {
		return "", err
	}
	if err := s.fakeWeb(run, o); err != nil {
		return "", err
	}
	fo := fakedouyin.Options{
		Dir: s.folder.path("fake", "douyin"), ControlKey: s.Identity.Key, LoopbackHTTP: true,
		// What is over one part and under two cannot be cut, and goes in one request.
		Limits:   fakedouyin.Limits{SingleUpload: 2 * demoPart},
		Readings: fakedouyin.Readings{ShortLastPart: "refuse"}, ListLag: time.Second, // the harder readings
	}
	if o.FakeDouyin != nil {
		o.FakeDouyin(&fo)
	}
	if err := os.MkdirAll(fo.Dir, 0o700); err != nil {
		return "", fault.Wrap("stack.fakes", err)
	}
	var err error
	if s.Douyin, err = fakedouyin.New(fo); err != nil {
		return "", err
	}
	return s.fakeListen(run, s.Douyin)
}

// fakeAliyun starts the storage, Youku and VOD, whose videos go there, and STS. The storage honours the credentials that
// the platforms issue, and lets them expire.
func (s *Stack) fakeAliyun(run context.Context, o Options) error {
	keys, err := ram.NewStore(ram.StoreOptions{Dir: s.fakeDir("ram")})
	if err != nil {
		return err
	}
	if _, err := keys.AddKey("studio", demoKeyID, s.derived("alivod")); err != nil {
		return err
	}
	seen := func(i fakeoss.Info) fakevod.Object {
		return fakevod.Object{Size: i.Size, SHA256: i.SHA256, CRC64: i.CRC64, Modified: i.Modified}
	}
	if s.OSS, err = fakeoss.New(fakeoss.Options{
		Dir: s.fakeDir("oss"), Credentials: keys, ControlKey: s.Identity.Key, Buckets: []fakeoss.Bucket{{Name: youkuBucket}, {Name: fakevod.DefaultBucket, CORS: []fakeoss.CORSRule{{Origins: []string{"*"}, Methods: []string{"GET", "PUT", "POST", "DELETE", "HEAD"}, Headers: []string{"*"}, Expose: []string{"ETag", "x-oss-request-id", "x-oss-hash-crc64ecma"}}}}},
		Created: func(i fakeoss.Info) { s.VOD.ObjectStored(i.Bucket, i.Key, seen(i)) },
	}); err != nil {
		return err
	}
	// VOD has to be there before the first request can reach the storage, and has to know the storage's address.
	l, err := gateway.Listen(run, "127.0.0.1:0")
	if err != nil {
		return err
	}
	s.Running.OSS = "http://" + l.Addr().String()
	vo := fakevod.Options{
		Keys: keys, OSSEndpoint: s.Running.OSS, Dir: s.fakeDir("vod"), ControlKey: s.Identity.Key, DefaultGroup: demoGroup, Groups: []fakevod.TemplateGroup{{ID: demoGroup, Streams: []fakevod.Stream{{Definition: "LD", Format: "mp4", Width: 640, Height: 360, Bitrate: 400}}}},
		Objects: fakevod.ObjectsFunc(func(bucket, key string) (fakevod.Object, bool) { i, ok := s.OSS.Stat(bucket, key); return seen(i), ok }),
		Pace:    fakevod.Pace{Analysis: 500 * time.Millisecond, Transcode: time.Second, Snapshot: time.Second, Audit: time.Second},
	}
	if o.FakeVOD != nil {
		o.FakeVOD(&vo)
	}
	if s.VOD, err = fakevod.New(vo); err != nil {
		return errors.Join(err, l.Close())
	}
	s.listen(run, l, gateway.Guard{Bare: true, MaxBody: 8 << 30}.Wrap(s.OSS))
	if s.Running.VOD, err = s.fakeListen(run, s.VOD); err != nil {
		return err
	}
	if s.STS, err = fakests.New(fakests.Options{Keys: keys, Roles: []fakests.Role{{Arn: DemoRole}}}); err != nil {
		return err
	}
	if s.Running.STS, err = s.fakeListen(run, s.STS); err != nil {
		return err
	}
	yo := fakeyouku.Options{
		Storage: youkuStorage{keys, s.OSS}, Dir: s.fakeDir("youku"), Bucket: youkuBucket, ControlKey: s.Identity.Key,
		Pace: fakeyouku.Pace{Encoding: time.Second, Review: time.Second},
	}
	if o.FakeYouku != nil {
		o.FakeYouku(&yo)
	}
	if s.Youku, err = fakeyouku.New(yo); err != nil {
		return err
	}
	s.Running.Youku, err = s.fakeListen(run, s.Youku)
	return err
}

// fakeWeb starts the creator site, its gateway and their storage.
func (s *Stack) fakeWeb(run context.Context, o Options) error {
	var err error
	if s.TOS, err = faketos.New(faketos.Options{Dir: s.fakeDir("tos"), ControlKey: s.Identity.Key}); err != nil {
		return err
	}
	if s.Running.TOS, err = s.fakeListen(run, s.TOS); err != nil {
		return err
	}
	wo := fakeweb.Options{Storage: s.TOS, StorageHost: strings.TrimPrefix(s.Running.TOS, "http://"), Dir: s.fakeDir("douyinweb"), ControlKey: s.Identity.Key}
	if o.FakeWeb != nil {
		o.FakeWeb(&wo)
	}
	if s.Web, err = fakeweb.New(wo); err != nil {
		return err
	}
	s.Running.Web, err = s.fakeListen(run, s.Web)
	return err
}

const (
	youkuBucket = "yk-source-upload"
	demoGroup   = "demo-ld"
	demoKeyID   = "LTAIvodliftdemo"
)

// DemoRole is the RAM role that the demo's getSts gives sessions of.
const DemoRole = "acs:ram::1234567890123456:role/vodlift-apps"

// derived is a secret of the demo that stays the same for its data folder.
func (s *Stack) derived(what string) string {
	sum := sha256.Sum256([]byte(what + "\x00" + s.Identity.Key))
	return hex.EncodeToString(sum[:15])
}

// fakeDir makes the folder of a fake; one that cannot be made is the fake's own error.
func (s *Stack) fakeDir(name string) string {
	dir := s.folder.path("fake", name)
	_ = os.MkdirAll(dir, 0o700)
	return dir
}

func (s *Stack) fakeListen(run context.Context, h http.Handler) (string, error) {
	l, err := gateway.Listen(run, "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	s.listen(run, l, gateway.Guard{Bare: true, MaxBody: 8 << 30}.Wrap(h))
	return "http://" + l.Addr().String(), nil
}

func (s *Stack) closeFakes() error {
	var errs []error
	if s.Douyin != nil {
		errs = append(errs, s.Douyin.Close())
	}
	if s.Youku != nil {
		errs = append(errs, s.Youku.Close())
	}
	if s.VOD != nil {
		errs = append(errs, s.VOD.Close())
	}
	if s.OSS != nil {
		errs = append(errs, s.OSS.Close())
	}
	if s.Web != nil {
		errs = append(errs, s.Web.Close())
	}
	if s.TOS != nil {
		errs = append(errs, s.TOS.Close())
	}
	return errors.Join(errs...)
}

// youkuStorage joins Youku with its storage: Youku issues credentials for one object, and looks at what arrived.
type youkuStorage struct {
	keys *ram.Store
	oss  *fakeoss.Server
}

// Issue gives a credential for one object.
func (y youkuStorage) Issue(bucket, object string, life time.Duration) (fakeyouku.Credentials, error) {
	c, err := y.keys.Issue("youku", life, ram.ObjectPolicy(bucket, object, ram.UploadActions()...))
	return fakeyouku.Credentials{AccessKeyID: c.AccessKeyID, AccessKeySecret: c.Secret, SecurityToken: c.Token, Expires: c.Expires}, err
}

// Stat tells what the storage holds.
func (y youkuStorage) Stat(bucket, object string) (fakeyouku.Object, bool) {
	i, ok := y.oss.Stat(bucket, object)
	return fakeyouku.Object{Size: i.Size, MD5: i.MD5, SHA256: i.SHA256}, ok
}

// seed gives the demo its accounts, each from a login at its fake platform.
func (s *Stack) seed(ctx context.Context) error {
	if s.Douyin == nil || s.Youku == nil || s.VOD == nil || s.Web == nil {
		return nil
	}
	d, err := s.Douyin.AddAccount("demo-open-id", fakedouyin.AllScopes())
	if err != nil {
		return err
	}
	y, err := s.Youku.AddAccount("demo")
	if err != nil {
		return err
	}
	w, err := s.Web.AddAccount("7001001")
	if err != nil {
		return err
	}
	if cat := s.Console.Catalogue; cat != nil {
		if _, err := cat.Import(ctx, bytes.NewReader(catalogue.Sample())); err != nil {
			return err
		}
	}
	now := time.Now()
	cookies, err := douyinweb.ParseCookies([]byte(w.Netscape()), now)
	if err != nil {
		return err
	}
	cookies.Obtained = now
	ram, err := alivod.ParseLogin([]byte(`{"access_key_id":"` + demoKeyID + `","access_key_secret":"` + s.derived("alivod") + `"}`))
	if err != nil {
		return err
	}
	ram.Obtained = now
	hook := fakevod.MessageCallback{URL: s.Running.Public + "/callbacks/vod", AuthKey: "Cb1" + s.derived("vod-callback")[:24]}
	return errors.Join(
		s.Vault.PutApp(ctx, wire.VODCallbackKey, token.AppKey{ID: hook.URL, Secret: hook.AuthKey}), s.VOD.SetCallback(hook),
		s.login(ctx, DemoVOD, token.AppKey{}, ram), s.login(ctx, DemoWeb, token.AppKey{}, cookies),
		s.login(ctx, DemoAccount, token.AppKey{ID: fakedouyin.DefaultKey, Secret: fakedouyin.DefaultSecret}, token.Token{
			Subject: d.OpenID, Access: d.AccessToken, Refresh: d.RefreshToken, Expires: d.AccessExpires, RefreshBy: d.RefreshExpires, Scopes: d.Scopes, Obtained: now,
		}),
		s.login(ctx, DemoYouku, token.AppKey{ID: y.ClientID}, token.Token{
			Subject: y.Account, Access: y.AccessToken, Refresh: y.RefreshToken, Expires: y.AccessExpires, RefreshBy: y.RefreshExpires, Obtained: now,
		}),
	)
}

// login saves a first login; that of an earlier start is kept, with what its token has become since.
func (s *Stack) login(ctx context.Context, a upload.Account, app token.AppKey, t token.Token) error {
	if app.ID != "" {
		if err := s.Vault.PutApp(ctx, a.Target(), app); err != nil {
			return err
		}
	}
	if _, err := s.Vault.Load(ctx, a); err == nil {
		return nil
	}
	t.Grant = "demo"
	_, err := s.Vault.SaveLogin(ctx, a, t)
	if k := fault.KindOf(err); k == fault.CredentialsExpired || k == fault.Duplicate {
		s.log.Warn("a demo account has to log in again", "account", string(a)) // withdrawn; the stack runs all the same
		return nil
	}
	return err
}
