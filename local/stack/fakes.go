package stack

import (
	"context"
	"errors"
	"net/http"
	"os"
	"time"

	fakedouyin "github.com/vodlift/vodlift/local/fake/douyin"
	fakeoss "github.com/vodlift/vodlift/local/fake/oss"
	"github.com/vodlift/vodlift/local/fake/sts/ram"
	fakeyouku "github.com/vodlift/vodlift/local/fake/youku"
	"github.com/vodlift/vodlift/local/gateway"
	"github.com/vodlift/vodlift/shared/fault"
	"github.com/vodlift/vodlift/shared/token"
	"github.com/vodlift/vodlift/shared/upload"
)

// demoPart is the platforms' one-request limit and part size in the demo.
const demoPart = 5 << 20

// fakes starts the demo's platforms, each on a listener of its own, and gives Douyin's address.
func (s *Stack) fakes(run context.Context, o Options) (string, error) {
	if err := s.fakeYouku(run, o); err != nil {
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

// fakeYouku starts Youku and the storage that its videos go to. The storage honours the credentials that Youku issues,
// and lets them expire.
func (s *Stack) fakeYouku(run context.Context, o Options) error {
	keys, err := ram.NewStore(ram.StoreOptions{Dir: s.fakeDir("ram")})
	if err != nil {
		return err
	}
	if s.OSS, err = fakeoss.New(fakeoss.Options{Dir: s.fakeDir("oss"), Credentials: keys, ControlKey: s.Identity.Key, Buckets: []fakeoss.Bucket{{Name: youkuBucket}}}); err != nil {
		return err
	}
	if s.Running.OSS, err = s.fakeListen(run, s.OSS); err != nil {
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

const youkuBucket = "yk-source-upload"

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
	if s.OSS != nil {
		errs = append(errs, s.OSS.Close())
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
	if s.Douyin == nil || s.Youku == nil {
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
	now := time.Now()
	return errors.Join(
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
	if err := s.Vault.PutApp(ctx, a.Target(), app); err != nil {
		return err
	}
	if _, err := s.Vault.Load(ctx, a); err == nil {
		return nil
	}
	t.Grant = "demo"
	_, err := s.Vault.SaveLogin(ctx, a, t)
	if fault.KindOf(err) == fault.CredentialsExpired {
		s.log.Warn("a demo account has to log in again", "account", string(a)) // withdrawn; the stack runs all the same
		return nil
	}
	return err
}
